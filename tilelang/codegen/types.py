"""Element types in CUDA C++."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from ..language.dtypes import UNPACKED_FLOAT4

# Formats that convert in software: <tl/small_float.h>.
_SMALL_FLOATS = (
    "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz", "float8_e3m4", "float6_e2m3fn", "float6_e3m2fn",
)  # fmt: skip
_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "tl::half_t",
    "bfloat16": "tl::bfloat16_t",
    "float8_e4m3fn": "tl::float8_e4m3_t",
    "float8_e4m3": "tl::float8_e4m3_t",
    "float8_e5m2": "tl::float8_e5m2_t",
    **{name: f"tl::{name.removesuffix('fnu').removesuffix('fn')}_t" for name in _SMALL_FLOATS},
    # What a value of 4 bits is in a register (transform/sub_byte.py); in memory two share a byte.
    "int4": "int8_t",
    "uint4": "uint8_t",
    "float4_e2m1fn": "uint8_t",
    UNPACKED_FLOAT4: "uint8_t",
    "bool": "bool",
    "int32": "int",
    **{f"int{bits}": f"int{bits}_t" for bits in (8, 16, 64)},
    **{f"uint{bits}": f"uint{bits}_t" for bits in (8, 16, 32, 64)},
}
SMALL_FLOATS = tuple(_NAMES[name] for name in _SMALL_FLOATS)
PROMOTED_INTEGERS = frozenset(("int8", "int16", "uint8", "uint16"))  # C++ computes these as int
FLOATS = frozenset(name for name in _NAMES if "float" in name)
STANDARD = frozenset(name for name, text in _NAMES.items() if not text.startswith("tl::"))


def type_name(dtype: str, span: Any = None) -> str:
    """The C++ name of a dtype; DTypeError if device code has none."""
    element, _, lanes = dtype.partition("x")
    if lanes and element in ("int4", "uint4", "float4_e2m1fn", UNPACKED_FLOAT4):
        raise DTypeError(
            f"vectors of 4-bit elements ({dtype}) do not exist in device code",
            fix=f"use {element} and a last axis of {lanes}, or load the bytes as uint8 or uint32",
            span=span,
        )
    if lanes:
        return f"tl::vec<{type_name(element, span)}, {lanes}>"
    try:
        return _NAMES[dtype]
    except KeyError:
        known = ", ".join(n for n in _NAMES if n not in ("float8_e4m3", UNPACKED_FLOAT4))
        raise DTypeError(f"element type {dtype!r} does not exist in device code", fix=f"use one of {known}", span=span) from None


def is_float(dtype: str) -> bool:
    return dtype in FLOATS


def is_vector(dtype: str) -> bool:
    """True for dtypes of several lanes, such as float16x2."""
    return "x" in dtype


def is_integer(dtype: str) -> bool:
    return dtype.startswith(("int", "uint"))
