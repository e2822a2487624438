"""Elements of 4 bits: how a value of one looks in a register, and the conversions, as expressions.

In memory two elements share a byte, the one of even index in the low nibble. In a register each has a byte of its own: the number
for int4 and uint4, the bit pattern for float4_e2m1fn. Elements of float4_e2m1_unpacked have their byte in memory, too; what its
high half holds means nothing.
"""

from __future__ import annotations

from typing import Any

from .. import ir
from ..language.dtypes import UNPACKED_FLOAT4

FLOAT4 = ("float4_e2m1fn", UNPACKED_FLOAT4)
REGISTER = {"int4": "int8", "uint4": "uint8", **dict.fromkeys(FLOAT4, "uint8")}  # the type of a value in a register
_COMPUTE = {"int4": "int32", "uint4": "int32", **dict.fromkeys(FLOAT4, "float32")}  # what arithmetic on one is done in
_LIMITS = {"int4": (-8, 7), "uint4": (0, 15)}


def is_sub_byte(dtype: str) -> bool:
    """True for element types of 4 bits."""
    return dtype in REGISTER


def shares_bytes(dtype: str) -> bool:
    """True for those of which two lie in a byte of memory."""
    return dtype in REGISTER and dtype != UNPACKED_FLOAT4


def compute_type(dtype: str) -> str:
    """The type that holds every value of `dtype` and does arithmetic for it."""
    return _COMPUTE[dtype]


def read_nibble(dtype: str, byte: Any, lane: Any) -> Any:
    """The value of element `lane` (0 or 1) of a byte."""
    code = (ir.Cast("int32", byte) >> (lane * 4)) & 15
    return ir.Cast("int8", (code ^ 8) - 8) if dtype == "int4" else ir.Cast("uint8", code)


def nibble_of(dtype: str, value: Any) -> Any:
    """The 4 bits of a value, as int32."""
    return ir.Cast("int32", value) & 15


def decode(dtype: str, value: Any, to: str) -> Any:
    """A value as another type."""
    if dtype not in FLOAT4:
        return ir.Cast(to, value)
    # The three bits of the magnitude as the topmost of a half's exponent and mantissa: off by 2^14, subnormals included.
    code = ir.Cast("int32", value)
    bits = ir.Cast("uint16", ((code & 8) << 12) | ((code & 7) << 9))
    half = ir.pure_call("tl.reinterpret", [bits], "float16") * ir.const(16384.0, "float16")
    return half if to == "float16" else ir.Cast(to, half)


def encode(dtype: str, value: Any) -> Any:
    """A number as a value of `dtype`: integers keep their low bits, floats round or truncate, and saturate."""
    origin = ir.dtype_of(value)
    if dtype in FLOAT4:
        return ir.pure_call("tl.encode_float4", [value if origin == "float32" else ir.Cast("float32", value)], "uint8")
    if origin.startswith(("float", "bfloat")):
        low, high = _LIMITS[dtype]
        number = ir.Max(ir.Min(ir.Cast("int32", value), ir.const(high)), ir.const(low))
        return ir.Cast(REGISTER[dtype], number)
    code = ir.Cast("int32", value) & 15
    return ir.Cast("int8", (code ^ 8) - 8) if dtype == "int4" else ir.Cast("uint8", code)
