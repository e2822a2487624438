"""Which dtype an operation on two dtypes has.

Integers go to the wider one (equal widths of mixed sign: signed), an integer with a float to the float, two different
16-bit floats to float32, 8-bit floats to the other float. A Python number takes the other operand's dtype where its kind
allows: an int with anything, a float with floats; a float with an integer gives float32.
"""

from __future__ import annotations

from ..errors import DTypeError
from .dtypes import dtype

_FLOAT_RANK = {"float4_e2m1fn": -2, "float4_e2m1_unpacked": -1, "float16": 1, "bfloat16": 1, "float32": 2, "float64": 3}


def promote(a: dtype, b: dtype) -> dtype:
    """The common dtype of two operands."""
    if a == b:
        return a
    if a.lanes != b.lanes:
        if 1 not in (a.lanes, b.lanes):
            raise DTypeError(f"{a} and {b} have different numbers of lanes")
        common = promote(a.element, b.element)
        return dtype(f"{common}x{max(a.lanes, b.lanes)}")
    if a.lanes > 1:
        return dtype(f"{promote(a.element, b.element)}x{a.lanes}")
    if a.is_float and b.is_float:
        ra, rb = _FLOAT_RANK.get(str(a), 0), _FLOAT_RANK.get(str(b), 0)  # 8 and 6 bits: 0
        return (a if ra > rb else b) if ra != rb else dtype("float32")
    if a.is_float or b.is_float:
        return a if a.is_float else b
    if a.is_bool or b.is_bool:
        return b if a.is_bool else a
    if a.is_unsigned == b.is_unsigned or a.bits != b.bits:
        return a if a.bits > b.bits else b
    return b if a.is_unsigned else a


def of_number(value: int | float | bool) -> dtype:
    """The dtype of a Python number that stands alone."""
    if isinstance(value, bool):
        return dtype("bool")
    if isinstance(value, int):
        if -(2**31) <= value < 2**31:
            return dtype("int32")
        if -(2**63) <= value < 2**63:
            return dtype("int64")
        if 0 <= value < 2**64:
            return dtype("uint64")
        raise DTypeError(f"the integer {value} does not fit 64 bits")
    return dtype("float32")


def with_number(value: int | float | bool, other: dtype) -> dtype:
    """The dtype that a Python number takes beside an operand of dtype `other`."""
    if isinstance(value, bool):
        return other
    if isinstance(value, float):
        return (
            other if other.is_float else promote(dtype("float32"), other) if other.lanes == 1 else dtype(f"float32x{other.lanes}")
        )
    if other.is_float:
        return other
    if other.is_bool:
        return of_number(value)
    return other if other.min <= value <= other.max else promote(other, of_number(value))
