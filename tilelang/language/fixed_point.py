"""Products of fixed-point numbers: T.q_multiply_shift, T.q_multiply_shift_per_axis."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .dtypes import dtype
from .expr import Expr, as_expr, binary, convert

_WIDE = "int64"  # of the products


def q_multiply_shift(x: Any, y: Any, q: int, s: Any) -> Expr:
    """`round(x * y * 2**-(q + s))` of integers, halves up: `y` is a number with `q` fractional bits, shifted right by `s`.

    The product is formed in 64 bits; of the result the bits that fit `x` are kept.

    Parameters
    ----------
    x, y : Expr or int
        Signed integers of at most 32 bits; the result has the dtype of `x`.
    q : int
        Fractional bits, at least 1.
    s : int or Expr
        Further bits to shift right; negative to the left. `q + s` is 1 to 62.

    Examples
    --------
    >>> scaled = T.q_multiply_shift(x, multiplier, 31, 4)
    """
    what = "T.q_multiply_shift"
    of = _operand(x, "x", what)
    return convert(_rounded(_product(x, y, what), _fraction(q, what), s, what), of)


def q_multiply_shift_per_axis(x: Any, y: Any, ls: Any, rs: Any, q: int, is_lshift_required: Any, is_rshift_required: Any) -> Expr:
    """T.q_multiply_shift where each channel has its own shifts: `round((x << ls) * y * 2**-(q + rs))`.

    Parameters
    ----------
    x, y, q
        As of T.q_multiply_shift.
    ls, rs : int or Expr
        Bits to the left before, and to the right after the product.
    is_lshift_required, is_rshift_required : bool
        False: `ls`, or `rs`, is 0.

    Examples
    --------
    >>> scaled = T.q_multiply_shift_per_axis(x, multiplier, 0, 4, 31, False, True)
    """
    what = "T.q_multiply_shift_per_axis"
    of = _operand(x, "x", what)
    left = convert(x, dtype(_WIDE))
    if _flag(is_lshift_required, "is_lshift_required", what):
        left = binary("shl", left, convert(ls, dtype(_WIDE)))
    shift = rs if _flag(is_rshift_required, "is_rshift_required", what) else 0
    return convert(_rounded(_product(left, y, what, wide=True), _fraction(q, what), shift, what), of)


def _operand(value: Any, name: str, what: str) -> Any:
    kind = as_expr(value, f"{name} of {what}").dtype
    if not kind.is_int or not str(kind).startswith("int") or kind.bits > 32:
        raise DTypeError(f"{name} of {what} is {kind}", fix="a signed integer of at most 32 bits")
    return kind


def _product(x: Any, y: Any, what: str, wide: bool = False) -> Expr:
    if not wide:
        _operand(x, "x", what)
    _operand(y, "y", what)
    return binary("mul", convert(x, dtype(_WIDE)), convert(y, dtype(_WIDE)))


def _rounded(product: Expr, q: int, s: Any, what: str) -> Expr:
    total = s + q
    known = total.constant() if isinstance(total, Expr) else total
    if known is not None and not 1 <= known <= 62:
        raise SemanticError(f"{what} shifts by q + s = {known} bits", fix="1 to 62 bits")
    shift = convert(total, dtype(_WIDE))
    half = binary("shl", convert(1, dtype(_WIDE)), binary("sub", shift, convert(1, dtype(_WIDE))))
    return binary("shr", binary("add", product, half), shift)


def _fraction(q: Any, what: str) -> int:
    found = q.constant() if isinstance(q, Expr) else q
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise SemanticError(f"q={q!r} of {what}", fix="the fractional bits as a positive int")
    return found


def _flag(value: Any, name: str, what: str) -> bool:
    found = value.constant() if isinstance(value, Expr) else value
    if found not in (True, False):
        raise SemanticError(f"{name}={value!r} of {what}", fix="True or False")
    return bool(found)


__all__ = ["q_multiply_shift", "q_multiply_shift_per_axis"]
