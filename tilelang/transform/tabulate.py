"""Evaluate a scalar expression of one integer variable for all values of the variable at once, as the device would.

Integers wrap at their width, every floating operation rounds once to its type. What this module does not know (calls of
functions, loads, division by zero, approximate float division) makes it answer None: a table is exact or there is none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import ir
from ..tileop.base import dtype_bits

# significand bits with the hidden one, exponent of the least normal number, largest finite value
_FORMATS = {
    "float16": (11, -14, 65504.0),
    "bfloat16": (8, -126, float.fromhex("0x1.fep127")),
    "float8_e4m3fn": (4, -6, 448.0),
    "float8_e4m3": (4, -6, 448.0),
    "float8_e5m2": (3, -14, 57344.0),
}
_INTEGER_OPERATORS: dict[type, Callable[[Any, Any], Any]] = {
    ir.Add: np.add,
    ir.Sub: np.subtract,
    ir.Mul: np.multiply,
    ir.BitwiseAnd: np.bitwise_and,
    ir.BitwiseOr: np.bitwise_or,
    ir.BitwiseXor: np.bitwise_xor,
    ir.Min: np.minimum,
    ir.Max: np.maximum,
}
_FLOAT_OPERATORS = {kind: _INTEGER_OPERATORS[kind] for kind in (ir.Add, ir.Sub, ir.Mul)}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ir.EQ: np.equal,
    ir.NE: np.not_equal,
    ir.LT: np.less,
    ir.LE: np.less_equal,
    ir.GT: np.greater,
    ir.GE: np.greater_equal,
}


class _Unknown(Exception):
    """The expression has a part whose value on the device is not known here."""


def tabulate(expr: Any, var: ir.Var, values: np.ndarray) -> np.ndarray | None:
    """The values of `expr` where `var` takes each of `values`.

    Parameters
    ----------
    expr : Expr
        Of integer, bool or floating type.
    var : Var
        Its only variable.
    values : ndarray of int64

    Returns
    -------
    ndarray or None
        int64 for integers, bool for bool, float64 for floating types (which represents them all exactly).
    """
    try:
        with np.errstate(all="ignore"):
            out = _Table(var, values).of(expr)
    except _Unknown:
        return None
    return np.broadcast_to(out, values.shape)


def encode(values: np.ndarray, dtype: str) -> np.ndarray:
    """The bit patterns, as unsigned integers, of values that `dtype` represents exactly."""
    bits = dtype_bits(dtype)
    if dtype.startswith(("int", "uint")):
        return values.astype(np.int64) & ((1 << bits) - 1)
    if dtype == "float32":
        return values.astype(np.float32).view(np.uint32).astype(np.int64)
    significand, least, _ = _FORMATS[dtype]
    sign = np.signbit(values).astype(np.int64) << (bits - 1)
    magnitude = np.abs(values)
    exponent = np.maximum(np.floor(np.log2(np.where(magnitude > 0, magnitude, 2.0**least))), least)
    scaled = magnitude / 2.0 ** (exponent - (significand - 1))  # an integer; below 2^(significand-1) for subnormals
    code = (exponent - least).astype(np.int64) << (significand - 1)
    return sign | (code + scaled.astype(np.int64))


def round_to(values: np.ndarray, dtype: str) -> np.ndarray:
    """Numbers rounded to nearest even; _Unknown for what would become infinite or is no number."""
    if not np.all(np.isfinite(values)):
        raise _Unknown
    if dtype == "float64":
        return values
    if dtype == "float32":
        rounded = values.astype(np.float32).astype(np.float64)
    else:
        significand, least, largest = _FORMATS[dtype]
        magnitude = np.abs(values)
        exponent = np.maximum(np.floor(np.log2(np.where(magnitude > 0, magnitude, 1.0))), least)
        quantum = 2.0 ** (exponent - (significand - 1))
        rounded = np.copysign(np.rint(magnitude / quantum) * quantum, values)
        if np.any(np.abs(rounded) > largest):
            raise _Unknown
    if not np.all(np.isfinite(rounded)):
        raise _Unknown
    return rounded


def _wrap(values: np.ndarray, dtype: str) -> np.ndarray:
    bits = dtype_bits(dtype)
    if bits >= 64:
        return values
    low = values & ((1 << bits) - 1)
    return low - ((low >> (bits - 1)) << bits) if dtype.startswith("int") else low


def _is_integer(dtype: str) -> bool:
    return dtype.startswith(("int", "uint")) and dtype_bits(dtype) <= 32


class _Table:
    def __init__(self, var: ir.Var, values: np.ndarray) -> None:
        self.var, self.values = var, values

    def of(self, expr: Any) -> np.ndarray:
        if isinstance(expr, ir.Var):
            if not expr.same_as(self.var):
                raise _Unknown
            return self.values
        if (number := ir.const_number(expr)) is not None:
            return self._constant(number, ir.dtype_of(expr))
        if isinstance(expr, ir.Cast):
            return self._cast(self.of(expr.value), ir.dtype_of(expr.value), ir.dtype_of(expr))
        if type(expr) in _COMPARISONS:
            return _COMPARISONS[type(expr)](self.of(expr.a), self.of(expr.b))
        if isinstance(expr, (ir.And, ir.Or)):
            a, b = self.of(expr.a), self.of(expr.b)
            return a & b if isinstance(expr, ir.And) else a | b
        if isinstance(expr, ir.Not):
            return ~self.of(expr.a)
        if isinstance(expr, ir.Select):
            return self._choice(expr.condition, expr.true_value, expr.false_value)
        if isinstance(expr, ir.Call):
            return self._call(expr)
        if isinstance(expr, (ir.BinaryOpExpr, *ir.BITWISE)):
            return self._binary(expr)
        if isinstance(expr, ir.BitwiseNot):
            return _wrap(~self.of(expr.a), ir.dtype_of(expr))
        raise _Unknown

    def _constant(self, number: Any, dtype: str) -> np.ndarray:
        if _is_integer(dtype) or dtype == "bool":
            return np.asarray(number, dtype=bool if dtype == "bool" else np.int64)
        if dtype not in _FORMATS and dtype != "float32":
            raise _Unknown
        return round_to(np.asarray(float(number)), dtype)

    def _choice(self, condition: Any, yes: Any, no: Any) -> np.ndarray:
        return np.where(self.of(condition), self.of(yes), self.of(no))

    def _call(self, expr: ir.Call) -> np.ndarray:
        name = ir.call_name(expr)
        if name == "prim.if_then_else":
            return self._choice(*expr.args)
        if name in ("tl.reinterpret", "tirx.reinterpret", "prim.reinterpret"):
            return self._reinterpret(expr)
        if name.endswith((".shift_left", ".shift_right")):
            a, b = (self.of(e) for e in list(expr.args)[-2:])
            return self._shift(a, b, name.endswith("left"), ir.dtype_of(expr))
        raise _Unknown

    def _reinterpret(self, expr: ir.Call) -> np.ndarray:
        value = list(expr.args)[-1]
        origin, to = ir.dtype_of(value), ir.dtype_of(expr)
        if dtype_bits(origin) != dtype_bits(to) or dtype_bits(to) > 32 or origin == "bool" or to == "bool":
            raise _Unknown
        bits = encode(self.of(value), origin)
        if _is_integer(to):
            return _wrap(bits, to)
        return _decode(bits, to)

    def _cast(self, values: np.ndarray, origin: str, to: str) -> np.ndarray:
        if to == "bool":
            return values != 0
        if origin == "bool":
            values, origin = values.astype(np.int64), "int32"
        if _is_integer(to):
            if not _is_integer(origin):
                low, high = (-(1 << dtype_bits(to) - 1), (1 << dtype_bits(to) - 1) - 1)
                low, high = (low, high) if to.startswith("int") else (0, (1 << dtype_bits(to)) - 1)
                return np.clip(np.trunc(values), low, high).astype(np.int64)
            return _wrap(values, to)
        if to not in _FORMATS and to != "float32":
            raise _Unknown
        return round_to(values.astype(np.float64), to)

    def _binary(self, expr: Any) -> np.ndarray:
        dtype, a, b = ir.dtype_of(expr), self.of(expr.a), self.of(expr.b)
        if _is_integer(dtype):
            if type(expr) in _INTEGER_OPERATORS:
                return _wrap(_INTEGER_OPERATORS[type(expr)](a, b), dtype)
            if isinstance(expr, (ir.LShift, ir.RShift)):
                return self._shift(a, b, isinstance(expr, ir.LShift), dtype)
            return self._divide(expr, a, b, dtype)
        operator = _FLOAT_OPERATORS.get(type(expr))
        if operator is None or (dtype not in _FORMATS and dtype != "float32"):
            raise _Unknown
        if dtype == "float32":
            exact = operator(a.astype(np.float32), b.astype(np.float32)).astype(np.float64)
            return round_to(exact, dtype)
        exact = operator(a, b)  # products of these formats are exact in double, and sums unless the exponents are far apart
        if not isinstance(expr, ir.Mul) and np.any(_sum_error(a, b if isinstance(expr, ir.Add) else -b, exact) != 0):
            raise _Unknown
        return round_to(exact, dtype)

    def _divide(self, expr: Any, a: np.ndarray, b: np.ndarray, dtype: str) -> np.ndarray:
        if np.any(b == 0):
            raise _Unknown
        if isinstance(expr, ir.FloorDiv):
            return _wrap(a // b, dtype)
        if isinstance(expr, ir.FloorMod):
            return _wrap(a % b, dtype)
        quotient = np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))
        return _wrap(quotient if isinstance(expr, ir.Div) else a - quotient * b, dtype)

    def _shift(self, a: np.ndarray, b: np.ndarray, left: bool, dtype: str) -> np.ndarray:
        if np.any(b < 0) or np.any(b >= dtype_bits(dtype)):
            raise _Unknown
        return _wrap(np.left_shift(a, b) if left else np.right_shift(a, b), dtype)


def _sum_error(a: np.ndarray, b: np.ndarray, total: np.ndarray) -> np.ndarray:
    """What `total`, the rounded a + b, is wrong by."""
    part = total - a
    return (a - (total - part)) + (b - part)


def _decode(bits: np.ndarray, dtype: str) -> np.ndarray:
    """The numbers that bit patterns stand for; _Unknown if one is no finite number."""
    if dtype == "float32":
        values = bits.astype(np.uint32).view(np.float32).astype(np.float64)
    elif dtype in _FORMATS:
        significand, least, largest = _FORMATS[dtype]
        width = dtype_bits(dtype)
        magnitude = bits & ((1 << (width - 1)) - 1)
        exponent = magnitude >> (significand - 1)
        fraction = magnitude & ((1 << (significand - 1)) - 1)
        hidden = np.where(exponent > 0, 1 << (significand - 1), 0)
        values = (fraction + hidden) * 2.0 ** (np.maximum(exponent, 1) - 1 + least - (significand - 1))
        if np.any(values > largest):
            raise _Unknown
        values = np.where(bits >> (width - 1) & 1, -values, values)
    else:
        raise _Unknown
    if not np.all(np.isfinite(values)):
        raise _Unknown
    return values
