"""Importing this registers every tile operator."""

from . import all_reduce, atomic, copy, fill, gemm, print, reduce, ring, scan, tma

__all__ = ["all_reduce", "atomic", "copy", "fill", "gemm", "print", "reduce", "ring", "scan", "tma"]
