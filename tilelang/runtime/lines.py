"""Symbols that no extent gives by itself: from sums and products in which they are the only unknown.

`A: T.Tensor((2 * n,), ...)` determines n. The native launcher does the same (SolveLines in src/runtime/frame.cc).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from tilelang.codegen.launch_plan import Expr
from tilelang.errors import ArgumentError


class Line(NamedTuple):
    """factor * symbol + offset; without a symbol, a number."""

    symbol: str | None
    factor: Any
    offset: Any


def as_line(expr: Expr, values: Mapping[str, Any]) -> Line | None:
    """The expression as a line over the one symbol that `values` lacks; None when it is none.

    Examples
    --------
    >>> as_line(["+", ["*", "n", "m"], 1], {"m": 4})
    Line(symbol='n', factor=4, offset=1)
    """
    if isinstance(expr, int):
        return Line(None, 0, expr)
    if isinstance(expr, str):
        return Line(None, 0, values[expr]) if expr in values else Line(expr, 1, 0)
    a, b = as_line(expr[1], values), as_line(expr[2], values)
    if a is None or b is None:
        return None
    op = expr[0]
    if op in ("+", "-"):
        if a.symbol and b.symbol and a.symbol != b.symbol:
            return None
        sign = 1 if op == "+" else -1
        return Line(a.symbol or b.symbol, a.factor + sign * b.factor, a.offset + sign * b.offset)
    if op == "*" and (a.symbol is None or b.symbol is None):
        number, line = (a.offset, b) if a.symbol is None else (b.offset, a)
        return Line(line.symbol, line.factor * number, line.offset * number)
    if a.symbol or b.symbol:
        return None
    if op in ("min", "max"):
        return Line(None, 0, (min if op == "min" else max)(a.offset, b.offset))
    if b.offset <= 0:
        return None
    return Line(None, 0, {"floordiv": a.offset // b.offset, "ceildiv": -(-a.offset // b.offset)}.get(op, a.offset % b.offset))


def solve_lines(pairs: Iterable[tuple[str, Expr, Any]], values: dict[str, Any]) -> None:
    """Add to `values` what (place, expression, actual extent) determine.

    Raises
    ------
    ArgumentError
        When an extent is one that the expression has for no natural number.
    """
    compound = [pair for pair in pairs if isinstance(pair[1], (list, tuple))]
    found = True
    while found:
        found = False
        for place, expr, actual in compound:
            line = as_line(expr, values)
            if line is None or line.symbol is None or line.factor == 0:
                continue
            rest = actual - line.offset
            if rest % line.factor != 0 or rest // line.factor < 0:
                raise ArgumentError(
                    f"{place} is {actual}, which {expr} is for no `{line.symbol}` (0, 1, 2, ...)",
                    fix="pass a tensor of the declared shape",
                )
            values[line.symbol] = rest // line.factor
            found = True


def solvable(exprs: Iterable[Expr], known: Iterable[str]) -> set[str]:
    """The symbols that extents of these expressions determine, beside those `known`: whatever the numbers are."""
    # Whether a factor is zero shows at a call only; any number stands for the ones that will be known.
    values: dict[str, Any] = dict.fromkeys(known, 2)
    found: set[str] = set()
    compound = [expr for expr in exprs if isinstance(expr, (list, tuple))]
    while True:
        lines = (as_line(expr, values) for expr in compound)
        new = {line.symbol for line in lines if line is not None and line.symbol is not None}
        if not new:
            return found
        found |= new
        values.update(dict.fromkeys(new, 2))
