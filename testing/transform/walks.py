"""What a block's turn comes to, evaluated from what a kernel gets."""

from __future__ import annotations

from typing import Any

from tilelang import ir
from tilelang.transform.rasterize_blocks import Scalars


def value(expr: Any, known: dict[ir.Var, Any]) -> int | None:
    """An expression of known variables."""
    return ir.const_int(ir.simplify(ir.substitute(ir.as_expr(expr), known)))


def bound(scalars: Scalars, known: dict[ir.Var, int]) -> dict[ir.Var, Any]:
    """The known variables and the scalars that are bound from them, each of which must be within its range."""
    found = {var: ir.const(number) for var, number in known.items()}
    for bind in scalars.binds:
        number = value(bind.value, found)
        low, extent = scalars.ranges[bind.var]
        assert number is not None and low <= number < low + extent
        found[bind.var] = ir.const(number)
    return found
