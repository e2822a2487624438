"""T.cumsum and T.cummax on a CPU, and what is left of an all-reduce where one thread holds everything."""

from __future__ import annotations

from dataclasses import replace

from ... import ir
from ...tileop.all_reduce import AllReduce
from ...tileop.base import LoweringContext
from ...tileop.scan import Scan
from .lower_tiles import lowers


@lowers(Scan)
def lower_scan(op: Scan, ctx: LoweringContext) -> ir.Stmt:
    """The lowering for a block of one thread: it walks every line."""
    return op.lower(replace(ctx, num_threads=1, tid=ir.const(0)))


@lowers(AllReduce)
def lower_all_reduce(op: AllReduce, ctx: LoweringContext) -> ir.Stmt:
    """Nothing: no other thread holds a part."""
    return ir.noop()
