"""Importing this registers every tile operator."""

from . import atomic, copy, fill, gemm, print, reduce

__all__ = ["atomic", "copy", "fill", "gemm", "print", "reduce"]
