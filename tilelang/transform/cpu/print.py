"""T.print of a tile on a CPU: its elements in order."""

from __future__ import annotations

from ... import ir
from ...tileop.base import LoweringContext
from ...tileop.print import Print
from .lower_tiles import lowers


@lowers(Print)
def lower_print(op: Print, ctx: LoweringContext) -> ir.Stmt:
    """Loops over the elements; there is one thread, so no leader is chosen."""
    return op.lines(ctx)
