"""Extents as the launcher reads them: expressions of a plan from those of the IR."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..errors import UnsupportedError
from .launch_plan import Expr

_OPERATORS = {
    ir.Add: "+",
    ir.Sub: "-",
    ir.Mul: "*",
    ir.FloorDiv: "floordiv",
    ir.Div: "floordiv",  # extents are not negative: truncation and flooring agree
    ir.FloorMod: "floormod",
    ir.Mod: "floormod",
    ir.Min: "min",
    ir.Max: "max",
}


def plan_expr(expr: Any, what: str = "an extent", span: Any = None) -> Expr:
    """An IR expression over symbols as the plan writes it."""
    value = ir.const_int(expr)
    if value is not None:
        return value
    if isinstance(expr, ir.Var):
        return str(expr.name)
    if isinstance(expr, ir.Cast):
        return plan_expr(expr.value, what, span)
    operator = _OPERATORS.get(type(expr))
    if operator is None:
        raise UnsupportedError(
            f"{what} is {expr}, which the launcher cannot evaluate",
            fix="use + - * // % min max ceildiv of dimensions and integer parameters",
            span=ir.span_to_source(span),
        )
    ceiling = _ceildiv(expr) if operator == "floordiv" else None
    left, right = ceiling or (expr.a, expr.b)
    return ["ceildiv" if ceiling else operator, plan_expr(left, what, span), plan_expr(right, what, span)]


def _ceildiv(expr: Any) -> tuple[Any, int] | None:
    """(a, c) if the division is `(a + (c - 1)) // c`."""
    divisor = ir.const_int(expr.b)
    if divisor is None or divisor < 2:
        return None
    top = ir.simplify(expr.a - (divisor - 1))
    if isinstance(expr.a, (ir.Add, ir.Sub)) and not isinstance(top, ir.Sub) and _has_no_offset(top):
        return top, divisor
    return None


def _has_no_offset(expr: Any) -> bool:
    return not (isinstance(expr, ir.Add) and ir.const_int(expr.b) is not None)
