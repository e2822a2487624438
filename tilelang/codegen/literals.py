"""Constants as C++ text that evaluates to exactly the value meant."""

from __future__ import annotations

import functools
import math
import struct

from .types import type_name

# dtype: (significant bits, exponent of the smallest normal number)
_FORMATS = {
    "float32": (24, -126),
    "float16": (11, -14),
    "bfloat16": (8, -126),
    "float8_e4m3fn": (4, -6),
    "float8_e4m3": (4, -6),
    "float8_e5m2": (3, -14),
}
_MAX_E4M3 = 448.0


def round_to(value: float, dtype: str) -> float:
    """`value` rounded once (to nearest, ties to even) to the precision of `dtype`; overflow is left to the caller."""
    if dtype not in _FORMATS or value == 0 or not math.isfinite(value):
        return value
    precision, lowest = _FORMATS[dtype]
    exponent = max(math.frexp(value)[1], lowest + 1)
    return math.ldexp(round(math.ldexp(value, precision - exponent)), exponent - precision)


@functools.lru_cache(maxsize=4096)
def _shortest_float32(value: float) -> str:
    for digits in range(1, 10):
        text = f"{value:.{digits}g}"
        if struct.pack("f", float(text)) == struct.pack("f", value):
            break
    return text if any(c in text for c in ".e") else text + ".0"


def _infinity(value: float, dtype: str) -> str:
    return ("-" if value < 0 else "") + f"tl::infinity<{type_name(dtype)}>()"


def float_literal(value: float, dtype: str) -> str:
    """A floating constant of `dtype`; infinities and NaN are calls of <tl/limits.h>."""
    value = float(value)
    if math.isnan(value):
        return f"tl::quiet_nan<{type_name(dtype)}>()"
    if dtype == "float64":
        if math.isinf(value):
            return _infinity(value, dtype)
        return repr(value)
    value = round_to(value, dtype)
    if dtype in ("float8_e4m3fn", "float8_e4m3"):
        value = max(-_MAX_E4M3, min(_MAX_E4M3, value))
    elif math.isinf(value) or (dtype == "float32" and abs(value) >= 2.0**128):
        return _infinity(value, dtype)
    text = _shortest_float32(value) + "f" if abs(value) < 2.0**128 else repr(value)
    return text if dtype == "float32" else f"{type_name(dtype)}({text})"


def int_literal(value: int, dtype: str, bare: bool = False) -> str:
    """An integer constant of `dtype`; `bare` where the other operand decides the type."""
    if dtype == "bool":
        return "true" if value else "false"
    if dtype == "int32":
        return "(-2147483647 - 1)" if value == -(2**31) else str(value)
    if dtype == "int64" and value == -(2**63):
        return "(-9223372036854775807LL - 1)"
    if bare and -(2**31) < value < 2**31:
        return str(value) + ("u" if dtype.startswith("u") else "")
    if dtype in ("uint32", "int64", "uint64"):
        suffix = {"uint32": "u", "int64": "LL", "uint64": "ull"}[dtype]
        return f"{value}{suffix}" if dtype == "uint32" else f"{type_name(dtype)}({value}{suffix if abs(value) >= 2**31 else ''})"
    return f"{type_name(dtype)}({value})"


def string_literal(text: str) -> str:
    """A C string constant."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif char == "\n":
            out.append("\\n")
        elif 32 <= byte < 127:
            out.append(char)
        else:
            out.append(f"\\{byte:03o}")  # octal: a hexadecimal escape would swallow the digits behind it
    return '"' + "".join(out) + '"'
