"""The programs that the benchmarks measure: plain tile programs, as a user writes them."""

from __future__ import annotations

from .attention import attention, varlen_attention
from .decode import decode
from .gemm import gemm, split_gemm
from .w4a16 import pack, w4a16

FAST_MATH = {"tl.enable_fast_math": True}

__all__ = ["FAST_MATH", "attention", "decode", "gemm", "pack", "split_gemm", "varlen_attention", "w4a16"]
