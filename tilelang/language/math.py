"""Elementwise math. Each name is a pure call `tl.<name>` with the dtype of its operand, or a TIR node where there is one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..errors import DTypeError, SemanticError
from .dtypes import dtype
from .emit import call
from .expr import Expr, apply, as_expr, binary, constant, convert, unify

_FLOAT_UNARY = {
    "exp": "e**x", "exp2": "2**x", "exp10": "10**x", "log": "natural logarithm", "log2": "base 2 logarithm",
    "log10": "base 10 logarithm", "log1p": "log(1 + x)", "sqrt": "square root", "rsqrt": "1 / sqrt(x)", "sin": "sine",
    "cos": "cosine", "tan": "tangent", "sinh": "hyperbolic sine", "cosh": "hyperbolic cosine", "tanh": "hyperbolic tangent",
    "asin": "arc sine", "acos": "arc cosine", "atan": "arc tangent", "asinh": "inverse hyperbolic sine",
    "acosh": "inverse hyperbolic cosine", "atanh": "inverse hyperbolic tangent", "erf": "error function",
    "sigmoid": "1 / (1 + exp(-x))",
}  # fmt: skip
_FAST = ("exp", "exp10", "log", "log2", "log10", "sin", "cos", "tan")
_ROUNDING = {"floor": "largest integer not above x", "ceil": "smallest integer not below x", "trunc": "x without its fraction",
             "nearbyint": "nearest integer, halves to even"}  # fmt: skip
_PREDICATES = {"isnan": "x is NaN", "isinf": "x is infinite", "isfinite": "x is neither infinite nor NaN"}


def _float(value: Any, what: str) -> Expr:
    """A float operand; Python numbers and integers become float32."""
    expr = as_expr(value, f"the operand of {what}")
    if expr.dtype.is_float:
        return expr
    return convert(expr, dtype("float32") if expr.dtype.lanes == 1 else dtype(f"float32x{expr.dtype.lanes}"))


def _example(name: str) -> str:
    called = f'getattr(T, "{name}")' if name.startswith("__") else f"T.{name}"
    return f"\n\n    Examples\n    --------\n    >>> y = {called}(x)\n    "


def _unary(name: str, text: str, op: str | None = None) -> Callable[[Any], Expr]:
    def function(x: Any) -> Expr:
        expr = _float(x, f"T.{name}")
        return call(f"tl.{op or name}", (expr,), expr.dtype)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{text[0].upper()}{text[1:]}, elementwise; an integer operand is converted to float32." + _example(name)
    return function


def _rounding(name: str, text: str) -> Callable[[Any], Expr]:
    def function(x: Any, span: Any = None) -> Expr:
        expr = as_expr(x, f"the operand of T.{name}")
        return call(f"tl.{name}", (expr,), expr.dtype) if expr.dtype.is_float else expr

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"The {text}, as a float; integers pass." + _example(name)
    return function


def _predicate(name: str, text: str) -> Callable[[Any], Expr]:
    def function(x: Any, span: Any = None) -> Expr:
        expr = as_expr(x, f"the operand of T.{name}")
        if not expr.dtype.is_float:
            return constant(name == "isfinite", "bool")
        return call(f"tl.{name}", (expr,), dtype("bool"))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"True where {text}." + _example(name)
    return function


(
    exp,
    exp2,
    exp10,
    log,
    log2,
    log10,
    log1p,
    sqrt,
    rsqrt,
    sin,
    cos,
    tan,
    sinh,
    cosh,
    tanh,
    asin,
    acos,
    atan,
    asinh,
    acosh,
    atanh,
    erf,
    sigmoid,
) = (_unary(name, text) for name, text in _FLOAT_UNARY.items())
floor, ceil, trunc, nearbyint = (_rounding(name, text) for name, text in _ROUNDING.items())
isnan, isinf, isfinite = (_predicate(name, text) for name, text in _PREDICATES.items())
FAST = {f"__{name}": _unary(f"__{name}", f"approximate {_FLOAT_UNARY[name]}", f"fast_{name}") for name in _FAST}


def round(x: Any, rounding_mode: str = "ties-to-even", span: Any = None) -> Expr:
    """The nearest integer as a float; halves to even, or away from zero with rounding_mode="ties-away".

    Examples
    --------
    >>> y = T.round(x)
    """
    if rounding_mode not in ("ties-to-even", "ties-away"):
        raise SemanticError(f"rounding_mode={rounding_mode!r}", fix="ties-to-even or ties-away")
    expr = as_expr(x, "the operand of T.round")
    if not expr.dtype.is_float:
        return expr
    return call("tl.nearbyint" if rounding_mode == "ties-to-even" else "tl.round", (expr,), expr.dtype)


def fast_rcp(x: Any) -> Expr:
    """Approximate reciprocal.

    Examples
    --------
    >>> r = T.fast_rcp(x)
    """
    expr = _float(x, "T.fast_rcp")
    return call("tl.fast_rcp", (expr,), expr.dtype)


def _pair(name: str, a: Any, b: Any) -> Expr:
    a, b, common = unify(a, b, f"T.{name}")
    if not common.is_float:
        common = dtype("float32")
        a, b = convert(a, common), convert(b, common)
    return call(f"tl.{name}", (a, b), common)


def pow(x: Any, y: Any, span: Any = None) -> Expr:
    """x to the power y. A small constant integer power is multiplications.

    Examples
    --------
    >>> y = T.pow(x, 2.0)
    """
    if isinstance(y, int) and not isinstance(y, bool) and 0 <= y <= 4:
        base = as_expr(x)
        result: Any = constant(1, base.dtype)
        for _ in range(y):
            result = result * base
        return result
    return _pair("pow", x, y)


def fmod(x: Any, y: Any) -> Expr:
    """Remainder with the sign of x.

    Examples
    --------
    >>> r = T.fmod(x, 3.0)
    """
    return _pair("fmod", x, y)


def atan2(x1: Any, x2: Any) -> Expr:
    """Angle of the point (x2, x1).

    Examples
    --------
    >>> angle = T.atan2(y, x)
    """
    return _pair("atan2", x1, x2)


def copysign(x1: Any, x2: Any) -> Expr:
    """The magnitude of x1 with the sign of x2.

    Examples
    --------
    >>> y = T.copysign(x, -1.0)
    """
    return _pair("copysign", x1, x2)


def hypot(x1: Any, x2: Any) -> Expr:
    """sqrt(x1**2 + x2**2) without overflow.

    Examples
    --------
    >>> h = T.hypot(x, y)
    """
    return _pair("hypot", x1, x2)


def ldexp(x1: Any, x2: Any) -> Expr:
    """x1 * 2**x2.

    Examples
    --------
    >>> y = T.ldexp(x, 3)
    """
    expr = _float(x1, "T.ldexp")
    return call("tl.ldexp", (expr, convert(x2, dtype("int32"))), expr.dtype)


def nextafter(x1: Any, x2: Any) -> Expr:
    """The next number after x1 toward x2.

    Examples
    --------
    >>> y = T.nextafter(x, T.infinity("float32"))
    """
    return _pair("nextafter", x1, x2)


def fma(x: Any, y: Any, z: Any) -> Expr:
    """x * y + z rounded once.

    Examples
    --------
    >>> r = T.fma(x, y, z)
    """
    x, y, _ = unify(x, y, "T.fma")
    x, z, _ = unify(x, z, "T.fma")
    y, z, common = unify(y, z, "T.fma")
    if not common.is_float:
        return x * y + z
    return call("tl.fma", (convert(x, common), y, z), common)


def fmul(x: Any, y: Any) -> Any:
    """x * y.

    Examples
    --------
    >>> r = T.fmul(x, y)
    """
    return binary("mul", x, y)


def abs(x: Any, span: Any = None) -> Expr:
    """The magnitude.

    Examples
    --------
    >>> y = T.abs(x)
    """
    expr = as_expr(x, "the operand of T.abs")
    if expr.dtype.is_float:
        return call("tl.fabs", (expr,), expr.dtype)
    return expr if expr.dtype.is_unsigned or expr.dtype.is_bool else binary("max", expr, binary("sub", 0, expr))


def fabs(x: Any, span: Any = None) -> Expr:
    """The magnitude of a float.

    Examples
    --------
    >>> y = T.fabs(x)
    """
    return abs(_float(x, "T.fabs"))


def cast(value: Any, dtype: Any, round: str = "", sat: bool = True, rbits: Any = None, span: Any = None) -> Expr:
    """`value` converted to `dtype`.

    Floats become integers toward zero and saturate, NaN becomes 0; numbers become floats by rounding to nearest even.

    Parameters
    ----------
    round : str
        For a float operand: "rn" (nearest even), "rz" (toward zero), "ru" (up), "rd" (down), "rna" (nearest, halves away
        from zero), or "rs" (stochastic, with `rbits`).
    sat : bool
        What is too large for a float8 becomes its largest number; False: NaN (e4m3) or infinity (e5m2).
    rbits : Expr
        32 random bits (uint32) for "rs".

    Examples
    --------
    >>> y = T.cast(x, "float16", round="rz")
    """
    kind = _as_dtype(dtype)
    if isinstance(value, str):
        raise DTypeError(f"T.cast({value!r}, {dtype!r}): the value comes first, then the dtype")
    if not round and rbits is None and sat:
        return convert(value, kind)
    mode = {"": "rn", "rm": "rd", "rp": "ru"}.get(round, round)
    if rbits is not None and not round:
        mode = "rs"
    if mode not in _CAST_MODES:
        raise SemanticError(f"round={round!r} of T.cast", fix="one of " + ", ".join(_CAST_MODES))
    if (mode == "rs") != (rbits is not None):
        raise SemanticError(f"round={round!r} and rbits={rbits!r} of T.cast", fix='rbits come with round="rs", and only with it')
    expr = as_expr(value, "the operand of T.cast")
    if not expr.dtype.is_float or kind.is_bool:
        return convert(expr, kind)  # exact, or to nearest whatever is asked
    if str(kind.element) in _NEAREST_ONLY:
        raise DTypeError(
            f"T.cast to {kind} with round={round!r}, sat={sat}", fix="leave them out: it rounds to nearest and saturates"
        )
    if mode == "rs" and not kind.is_float:
        raise DTypeError(f"stochastic rounding to {kind}", fix="it rounds to narrower floats")
    name = f"dtype:{kind.element}"
    flag = "true" if sat else "false"
    if mode == "rs":
        bits = convert(rbits, _as_dtype("uint32") if kind.lanes == 1 else _as_dtype(f"uint32x{kind.lanes}"))
        return apply("call", ("tl.cast_stochastic", str(kind), expr, bits, {"template": [name, flag]}), kind, cost=100)
    template = {"template": [name, f"tl::rounding::{mode}", flag]}
    return apply("call", ("tl.cast_rounded", str(kind), expr, template), kind, cost=100)


# Formats that no instruction converts to with another rounding.
_NEAREST_ONLY = (
    "float8_e8m0fnu", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e4m3b11fnuz", "float8_e3m4", "float6_e2m3fn",
    "float6_e3m2fn", "float4_e2m1fn", "float4_e2m1_unpacked",
)  # fmt: skip
_CAST_MODES = ("rn", "rz", "ru", "rd", "rna", "rs")


def Cast(dtype: Any, value: Any, annotations: Any = None, span: Any = None) -> Expr:
    """`value` converted to `dtype` (dtype first).

    Examples
    --------
    >>> y = T.Cast("float16", x)
    """
    return cast(value, dtype)


def _as_dtype(value: Any) -> dtype:
    return dtype(value)


def reinterpret(value: Any, dtype: Any, span: Any = None) -> Expr:
    """The bits of `value` as a value of `dtype`.

    Examples
    --------
    >>> bits = T.reinterpret(x, "uint32")
    """
    if isinstance(value, str) and not isinstance(dtype, str):
        value, dtype = dtype, value  # the older order
    if dtype == "handle":  # a pointer made of bits: the null handle of T.attr
        return as_expr(value, "the operand of T.reinterpret")
    expr, kind = as_expr(value, "the operand of T.reinterpret"), _as_dtype(dtype)
    if expr.dtype.bits != kind.bits and not (expr.dtype.bytes == kind.bytes == 1 and 6 in (expr.dtype.bits, kind.bits)):
        raise DTypeError(
            f"T.reinterpret of {expr.dtype} ({expr.dtype.bits} bits) as {kind} ({kind.bits} bits)", fix="the sizes must be equal"
        )
    return expr if expr.dtype == kind else call("tl.reinterpret", (expr,), kind)


def infinity(dtype: Any, span: Any = None) -> Expr:
    """Positive infinity of a float type.

    Examples
    --------
    >>> low = -T.infinity("float32")
    """
    kind = _as_dtype(dtype)
    if not kind.has_infinity:
        raise DTypeError(f"{kind} has no infinity", fix=f"use T.max_value({str(kind)!r})")
    return apply("const", (float("inf"), str(kind)), kind)


def max_value(dtype: Any, span: Any = None) -> Expr:
    """The largest finite value of a type.

    Examples
    --------
    >>> high = T.max_value("int8")
    """
    kind = _as_dtype(dtype)
    return constant(kind.max, kind)


def min_value(dtype: Any, span: Any = None) -> Expr:
    """The most negative finite value of a type.

    Examples
    --------
    >>> low = T.min_value("int8")
    """
    kind = _as_dtype(dtype)
    return constant(kind.min, kind)
