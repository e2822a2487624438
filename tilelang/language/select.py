"""Choosing between values, and integer division: T.if_then_else, T.Select, T.min, T.max, T.clamp, T.ceildiv."""

from __future__ import annotations

import builtins
from typing import Any

from ..errors import DTypeError
from .expr import Expr, apply, as_condition, binary, convert, unify
from .promotion import of_number, promote


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, Expr)


def _branches(t: Any, f: Any, what: str) -> tuple[Expr, Expr, Any]:
    if _is_number(t) and _is_number(f):
        common = promote(of_number(t), of_number(f))
        return convert(t, common), convert(f, common), common
    return unify(t, f, what)


def if_then_else(cond: Any, t: Any, f: Any, span: Any = None) -> Any:
    """`t` where `cond` holds, else `f`; a load on the side not taken does not happen.

    Examples
    --------
    >>> y = T.if_then_else(i < n, A[i], 0.0)
    """
    if not isinstance(cond, Expr):
        return t if cond else f
    t, f, common = _branches(t, f, "T.if_then_else")
    return apply("if_then_else", (as_condition(cond), t, f), common)


def Select(condition: Any, true_value: Any, false_value: Any, span: Any = None) -> Any:
    """`true_value` where `condition` holds, else `false_value`; both sides are evaluated.

    Examples
    --------
    >>> y = T.Select(x > 0, x, -x)
    """
    if not isinstance(condition, Expr):
        return true_value if condition else false_value
    t, f, common = _branches(true_value, false_value, "T.Select")
    return apply("select", (as_condition(condition), t, f), common)


def min(a: Any, b: Any, *more: Any) -> Any:
    """The smaller value.

    Examples
    --------
    >>> y = T.min(x, 1.0)
    """
    result = builtins.min(a, b) if _is_number(a) and _is_number(b) else binary("min", a, b)
    return min(result, *more) if more else result


def max(a: Any, b: Any, *more: Any) -> Any:
    """The larger value.

    Examples
    --------
    >>> y = T.max(x, 0.0)
    """
    result = builtins.max(a, b) if _is_number(a) and _is_number(b) else binary("max", a, b)
    return max(result, *more) if more else result


def clamp(dst: Any, min_val: Any, max_val: Any) -> Any:
    """`dst` limited to [min_val, max_val].

    Examples
    --------
    >>> y = T.clamp(x, 0.0, 1.0)
    """
    return min(max(dst, min_val), max_val)


def ceildiv(lhs: Any, rhs: Any, span: Any = None) -> Any:
    """The quotient rounded up; a Python int for Python ints.

    Examples
    --------
    >>> blocks = T.ceildiv(n, 128)
    """
    if _is_number(lhs) and _is_number(rhs):
        return -(-lhs // rhs)
    try:
        total = lhs + (rhs - 1)
    except TypeError as error:
        if isinstance(error, DTypeError):
            raise
        raise DTypeError(f"T.ceildiv of {lhs!r} and {rhs!r}", fix="both sides must be numbers or values") from None
    return binary("floordiv", total, rhs)


def align_up(x: Any, y: Any) -> Any:
    """The smallest multiple of y not below x.

    Examples
    --------
    >>> size = T.align_up(n, 128)
    """
    return ceildiv(x, y) * y


def floordiv(a: Any, b: Any, span: Any = None) -> Any:
    """The quotient rounded down, as Python's //.

    Examples
    --------
    >>> q = T.floordiv(m, 4)
    """
    return a // b if _is_number(a) and _is_number(b) else binary("floordiv", a, b)


def floormod(a: Any, b: Any, span: Any = None) -> Any:
    """The remainder with the sign of b, as Python's %.

    Examples
    --------
    >>> r = T.floormod(m, 4)
    """
    return a % b if _is_number(a) and _is_number(b) else binary("floormod", a, b)


def truncdiv(a: Any, b: Any, span: Any = None) -> Any:
    """The quotient rounded towards zero, as C's /.

    Examples
    --------
    >>> q = T.truncdiv(m, 4)
    """
    if _is_number(a) and _is_number(b):
        quotient = builtins.abs(a) // builtins.abs(b)
        return quotient if (a >= 0) == (b >= 0) else -quotient
    return binary("truncdiv", a, b)


def truncmod(a: Any, b: Any, span: Any = None) -> Any:
    """The remainder with the sign of a, as C's %.

    Examples
    --------
    >>> r = T.truncmod(m, 4)
    """
    return a - truncdiv(a, b) * b if _is_number(a) and _is_number(b) else binary("truncmod", a, b)


cdiv = ceildiv
