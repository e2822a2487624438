"""Arithmetic with a rounding mode (IEEE 754): T.ieee_add and its family."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .dtypes import dtype
from .expr import Expr, apply, as_expr, convert, unify

MODES = ("rn", "rz", "ru", "rd")


def _operation(name: str, what: str, rounding_mode: str, *operands: Any) -> Expr:
    if rounding_mode not in MODES:
        raise SemanticError(
            f"rounding_mode={rounding_mode!r} of {what}", fix="rn (nearest even), rz (to zero), ru (up) or rd (down)"
        )
    common = as_expr(operands[0], f"an operand of {what}").dtype
    for other in operands[1:]:
        common = unify(Expr(None, common, recipe=("const", 0, str(common))), other, what)[2]
    if common.is_int or common.is_bool:
        common = dtype("float32")
    if common.element not in ("float32", "float64"):
        raise DTypeError(f"{what} of {common}", fix='rounding modes exist for float32 and float64: T.cast(x, "float32")')
    args = tuple(convert(x, common) for x in operands)
    return apply(
        "call", (f"tl.ieee_{name}", str(common), *args, {"template": [f"tl::rounding::{rounding_mode}"]}), common, cost=100
    )


def ieee_add(x: Any, y: Any, rounding_mode: str = "rn") -> Expr:
    """x + y, rounded as `rounding_mode` says: rn, rz, ru or rd; float32 and float64.

    Examples
    --------
    >>> s = T.ieee_add(a, b, "rz")
    """
    return _operation("add", "T.ieee_add", rounding_mode, x, y)


def ieee_sub(x: Any, y: Any, rounding_mode: str = "rn") -> Expr:
    """x - y, rounded as `rounding_mode` says.

    Examples
    --------
    >>> d = T.ieee_sub(a, b, "ru")
    """
    return _operation("sub", "T.ieee_sub", rounding_mode, x, y)


def ieee_mul(x: Any, y: Any, rounding_mode: str = "rn") -> Expr:
    """x * y, rounded as `rounding_mode` says.

    Examples
    --------
    >>> p = T.ieee_mul(a, b, "rd")
    """
    return _operation("mul", "T.ieee_mul", rounding_mode, x, y)


def ieee_fmaf(x: Any, y: Any, z: Any, rounding_mode: str = "rn") -> Expr:
    """x * y + z, rounded once as `rounding_mode` says.

    Examples
    --------
    >>> r = T.ieee_fmaf(a, b, c, "rz")
    """
    return _operation("fma", "T.ieee_fmaf", rounding_mode, x, y, z)


def ieee_frcp(x: Any, rounding_mode: str = "rn") -> Expr:
    """1 / x, rounded as `rounding_mode` says.

    Examples
    --------
    >>> r = T.ieee_frcp(a)
    """
    return _operation("rcp", "T.ieee_frcp", rounding_mode, x)


def ieee_fsqrt(x: Any, rounding_mode: str = "rn") -> Expr:
    """The square root, rounded as `rounding_mode` says.

    Examples
    --------
    >>> r = T.ieee_fsqrt(a, "ru")
    """
    return _operation("sqrt", "T.ieee_fsqrt", rounding_mode, x)


def ieee_frsqrt(x: Any) -> Expr:
    """1 / sqrt(x) in float32, rounded to nearest even.

    Examples
    --------
    >>> r = T.ieee_frsqrt(a)
    """
    value = as_expr(x, "the operand of T.ieee_frsqrt")
    if value.dtype.element == "float64":
        raise DTypeError("T.ieee_frsqrt of float64", fix="T.ieee_frcp(T.ieee_fsqrt(x)), or T.rsqrt")
    value = convert(value, dtype("float32"))
    return apply("call", ("tl.ieee_rsqrt", "float32", value), value.dtype, cost=100)


def ieee_fdiv(x: Any, y: Any, rounding_mode: str = "rn") -> Expr:
    """x / y, rounded as `rounding_mode` says.

    Examples
    --------
    >>> q = T.ieee_fdiv(a, b, "rd")
    """
    return _operation("div", "T.ieee_fdiv", rounding_mode, x, y)
