"""Importing this registers every tile operator."""

from . import atomic, copy, fill, gemm, print, reduce, scan

__all__ = ["atomic", "copy", "fill", "gemm", "print", "reduce", "scan"]
