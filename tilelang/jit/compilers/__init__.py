"""Compiler objects: who turns a kernel's text into a binary. Each is one file; users may write their own.

`tilelang.jit` has their names.
"""
