"""Bit operations."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from .dtypes import dtype
from .emit import call
from .expr import Expr, as_expr, binary, convert


def bitwise_and(x: Any, y: Any, span: Any = None) -> Any:
    """x & y.

    Examples
    --------
    >>> q = T.bitwise_and(m, 7)
    """
    return binary("bitand", x, y)


def bitwise_or(x: Any, y: Any, span: Any = None) -> Any:
    """x | y.

    Examples
    --------
    >>> q = T.bitwise_or(m, 8)
    """
    return binary("bitor", x, y)


def bitwise_xor(x: Any, y: Any, span: Any = None) -> Any:
    """x ^ y.

    Examples
    --------
    >>> q = T.bitwise_xor(m, 1)
    """
    return binary("bitxor", x, y)


def bitwise_not(x: Any, span: Any = None) -> Any:
    """~x.

    Examples
    --------
    >>> q = T.bitwise_not(m)
    """
    return ~as_expr(x)


def shift_left(x: Any, y: Any, span: Any = None) -> Any:
    """x << y.

    Examples
    --------
    >>> q = T.shift_left(m, 2)
    """
    return binary("shl", x, y)


def shift_right(x: Any, y: Any, span: Any = None) -> Any:
    """x >> y; the sign is kept for signed integers.

    Examples
    --------
    >>> q = T.shift_right(m, 2)
    """
    return binary("shr", x, y)


def _integer(x: Any, what: str) -> Expr:
    expr = as_expr(x, f"the operand of {what}")
    if not expr.dtype.is_int:
        raise DTypeError(f"{what} of {expr.dtype}", fix="the operand is an integer")
    return expr


def popcount(x: Any) -> Expr:
    """The number of one bits.

    Examples
    --------
    >>> count = T.popcount(m)
    """
    expr = _integer(x, "T.popcount")
    return call("tl.popcount", (expr,), expr.dtype)


def clz(x: Any) -> Expr:
    """The number of leading zero bits, as int32.

    Examples
    --------
    >>> zeros = T.clz(m)
    """
    expr = _integer(x, "T.clz")
    return call("tl.clz", (expr,), dtype("int32"))


def find_first_set(value: Any) -> Expr:
    """`T.__ffs`: the position of the lowest one bit, counted from 1; 0 for 0.

    Examples
    --------
    >>> p = getattr(T, "__ffs")(mask)
    """
    return call("tl.ffs", (_integer(value, "T.__ffs"),), dtype("int32"))


def find_nth_set(mask: Any, base: Any, offset: Any) -> Expr:
    """`T.__fns`: the position of the |offset|-th one bit of a 32-bit mask from bit `base` on, upwards (offset > 0) or downwards
    (offset < 0); with offset 0 `base` itself if it is set; 0xffffffff if there is none.

    Examples
    --------
    >>> p = getattr(T, "__fns")(mask, 0, 3)
    """
    args = convert(mask, dtype("uint32")), convert(base, dtype("uint32")), convert(offset, dtype("int32"))
    return call("tl.fns", args, dtype("uint32"))
