"""Weights of few bits: expressions that decode one, device text that decodes many, and the orders in which they are stored.

None of this is needed for speed: codes that a kernel unpacks with shifts and masks are recognised by what they mean
(docs/architecture.md, section 4).
"""

from __future__ import annotations

from tilelang.absent import absent_names

from .lop3 import get_lop3_intrin_group
from .mxfp import get_mxfp_intrin_group
from .quantization import (
    _tir_packed_int_to_int_convert,
    _tir_packed_to_fp4_to_f16,
    _tir_packed_to_signed_convert,
    _tir_packed_to_unsigned_convert,
    _tir_packed_to_unsigned_convert_with_zeros,
    _tir_u8_to_f4_to_bf16,
    _tir_u8_to_f8_e4m3_to_f16,
)
from .utils import general_compress, interleave_weight

__all__ = [
    "_tir_packed_int_to_int_convert",
    "_tir_packed_to_fp4_to_f16",
    "_tir_packed_to_signed_convert",
    "_tir_packed_to_unsigned_convert",
    "_tir_packed_to_unsigned_convert_with_zeros",
    "_tir_u8_to_f4_to_bf16",
    "_tir_u8_to_f8_e4m3_to_f16",
    "general_compress",
    "get_lop3_intrin_group",
    "get_mxfp_intrin_group",
    "interleave_weight",
]

__getattr__ = absent_names(
    __name__,
    "what it returns is described by its source alone",
    "unpack with shifts, masks and T.Cast in a T.Parallel loop, which becomes byte permutes and multiply-adds by itself",
)
