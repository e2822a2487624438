"""Intervals of integer expressions, from the ranges of their variables.

Plain interval arithmetic on Python ints, so that a bound never overflows itself. It forgets that two occurrences of a
variable are the same value: bounds are safe, not tight; simplify an expression before asking.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .. import ir

# An int32 shape symbol may take any value up to here; the launcher refuses larger ones (src/runtime/frame.cc). The margin
# lets `n + 127` in a ceiling division stay in 32 bits.
SYMBOL_LIMIT = 2**31 - 2**16
INT32 = (-(2**31), 2**31 - 1)

Interval = tuple[int, int]


def dtype_range(dtype: str) -> Interval | None:
    """The values of an integer type; None for other types."""
    if dtype == "bool":
        return 0, 1
    for prefix, signed in (("uint", False), ("int", True)):
        if dtype.startswith(prefix) and dtype[len(prefix) :].isdigit():
            bits = int(dtype[len(prefix) :])
            return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return None


def _products(a: Interval, b: Interval) -> Interval:
    corners = [x * y for x in a for y in b]
    return min(corners), max(corners)


def _floordiv(a: Interval, b: Interval) -> Interval | None:
    if b[0] <= 0 <= b[1]:
        return None
    corners = [x // y for x in a for y in b]
    return min(corners), max(corners)


def _floormod(a: Interval, b: Interval) -> Interval | None:
    if b[0] <= 0:
        return None
    return a if a[0] >= 0 and a[1] < b[0] else (0, b[1] - 1)


def _truncated(a: Interval, b: Interval, rule: Callable[[Interval, Interval], Interval | None]) -> Interval | None:
    """C's division and remainder agree with Python's where nothing is negative."""
    return rule(a, b) if a[0] >= 0 and b[0] > 0 else None


def _ones(n: int) -> int:
    """The least 2^k - 1 that is not below n."""
    return (1 << n.bit_length()) - 1


class Bounds:
    """Knows the ranges of variables and derives those of expressions.

    Examples
    --------
    >>> bounds = Bounds(); i = ir.var("i"); bounds.bind(i, (0, 15))
    >>> bounds.of(i * 4096 + 3)
    (3, 61443)
    """

    def __init__(self, symbols: Any = ()) -> None:
        self.variables: dict[ir.Var, Interval] = {}
        for symbol in symbols:
            limit = SYMBOL_LIMIT if ir.dtype_of(symbol) == "int32" else 2**62
            self.variables[symbol] = (0, limit)

    def bind(self, var: ir.Var, interval: Interval) -> None:
        """Learn the inclusive range of a variable (a later one replaces it: loops may share a variable)."""
        self.variables[var] = interval

    def bind_extent(self, var: ir.Var, start: Any, extent: Any) -> None:
        """Learn `start <= var < start + extent`."""
        low, high = self.of(start), self.of(extent)
        self.variables[var] = (low[0], max(low[0], low[1] + high[1] - 1))

    def bind_value(self, var: ir.Var, value: Any) -> None:
        """Learn that a variable is an expression's value."""
        limits = dtype_range(ir.dtype_of(value))
        if limits is not None:
            low, high = self.of(value)
            self.variables[var] = (low, high) if limits[0] <= low and high <= limits[1] else limits

    def of(self, expr: Any) -> Interval:
        """The inclusive interval of an integer expression, as mathematical integers."""
        value = ir.const_int(expr)
        if value is not None:
            return value, value
        known = self._structural(expr)
        return known if known is not None else dtype_range(ir.dtype_of(expr)) or (-(2**63), 2**63 - 1)

    def nonnegative(self, expr: Any) -> bool:
        """True only if the expression never is below 0."""
        return self.of(expr)[0] >= 0

    def fits(self, expr: Any, limits: Interval = INT32) -> bool:
        """True only if the expression and all its integer parts stay inside `limits`."""
        if isinstance(expr, (int, ir.IntImm, ir.Var, ir.BufferLoad)):
            low, high = self.of(expr)
            return limits[0] <= low and high <= limits[1]
        low, high = self.of(expr)
        if not (limits[0] <= low and high <= limits[1]):
            return False
        if isinstance(expr, ir.Cast):
            return True
        return all(self.fits(part, limits) for part in _integer_parts(expr))

    def _structural(self, expr: Any) -> Interval | None:
        if isinstance(expr, ir.Var):
            return self.variables.get(expr)
        if isinstance(expr, (ir.Add, ir.Sub, ir.Mul, ir.FloorDiv, ir.FloorMod, ir.Div, ir.Mod, ir.Min, ir.Max)):
            return self._arithmetic(expr, self.of(expr.a), self.of(expr.b))
        if isinstance(expr, ir.BITWISE):
            return self._bits(expr, self.of(expr.a), self.of(expr.b))
        if isinstance(expr, ir.Select):
            return self._union(expr.true_value, expr.false_value)
        if isinstance(expr, ir.Let):
            self.bind_value(expr.var, expr.value)
            return self.of(expr.body)
        if isinstance(expr, ir.Cast):
            limits, inner = dtype_range(ir.dtype_of(expr)), dtype_range(ir.dtype_of(expr.value))
            if limits is None or inner is None:
                return None
            low, high = self.of(expr.value)
            return (low, high) if limits[0] <= low and high <= limits[1] else None
        if isinstance(expr, ir.Call) and ir.call_name(expr) in ("prim.if_then_else", "tl.if_then_else"):
            return self._union(expr.args[1], expr.args[2])
        return (0, 1) if isinstance(expr, (ir.CmpExpr, ir.LogicalExpr, ir.Not)) else None

    def _union(self, a: Any, b: Any) -> Interval:
        first, second = self.of(a), self.of(b)
        return min(first[0], second[0]), max(first[1], second[1])

    def _arithmetic(self, expr: Any, a: Interval, b: Interval) -> Interval | None:
        if isinstance(expr, ir.Add):
            return a[0] + b[0], a[1] + b[1]
        if isinstance(expr, ir.Sub):
            return a[0] - b[1], a[1] - b[0]
        if isinstance(expr, ir.Mul):
            return _products(a, b)
        if isinstance(expr, ir.FloorDiv):
            return _floordiv(a, b)
        if isinstance(expr, ir.FloorMod):
            return _floormod(a, b)
        if isinstance(expr, ir.Div):
            return _truncated(a, b, _floordiv)
        if isinstance(expr, ir.Mod):
            return _truncated(a, b, _floormod)
        if isinstance(expr, ir.Min):
            return min(a[0], b[0]), min(a[1], b[1])
        return max(a[0], b[0]), max(a[1], b[1])

    def _bits(self, expr: Any, a: Interval, b: Interval) -> Interval | None:
        if isinstance(expr, ir.BitwiseAnd):
            masks = [x[1] for x in (a, b) if x[0] >= 0]
            return (0, min(masks)) if masks else None
        if a[0] < 0 or b[0] < 0:
            return None
        if isinstance(expr, (ir.BitwiseOr, ir.BitwiseXor)):
            return 0, _ones(max(a[1], b[1]))
        if isinstance(expr, ir.LShift):
            return (a[0] << b[0], a[1] << b[1]) if b[1] < 64 else None
        return a[0] >> min(b[1], 64), a[1] >> min(b[0], 64)


def _integer_parts(expr: Any) -> tuple[Any, ...]:
    if isinstance(expr, (ir.BinaryOpExpr, *ir.BITWISE)):
        return expr.a, expr.b
    if isinstance(expr, ir.Select):
        return expr.true_value, expr.false_value
    if isinstance(expr, ir.Let):
        return expr.value, expr.body
    if isinstance(expr, ir.Call) and ir.call_name(expr) in ("prim.if_then_else", "tl.if_then_else"):
        return expr.args[1], expr.args[2]
    return ()
