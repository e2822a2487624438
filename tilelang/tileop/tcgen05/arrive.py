"""T.tcgen05_mma_arrive: a barrier learns when the products issued so far are over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...target import Target
from ..base import Effects, LoweringContext, TileOp, attribute, tile_op
from ..digits import guarded
from ..ring import element_of
from .tile import check_target


def commit(barrier: Any, both: bool, ctx: LoweringContext, span: Any) -> ir.Stmt:
    """One arrival when the thread's products are over; `both`: on the barriers at this place in both blocks of its pair."""
    if not both:
        return ir.evaluate(ir.call("tl.tcgen05_commit", [barrier], attrs={"template": [str(ctx.tensor_group)]}, span=span), span)
    lower = ir.call("tl.cluster_rank", [], ret="int32") // 2 * 2
    mask = ir.Cast("uint16", ir.const(3) << lower)
    return ir.evaluate(ir.call("tl.tcgen05_commit_pair", [barrier, mask], span=span), span)


@tile_op("tl.tcgen05_arrive")
@dataclass(frozen=True, eq=False)
class ProductsArrive(TileOp):
    """One arrival on `barrier` when everything that the issuing thread has given the tensor core is over; `both`: in both blocks
    of its pair, of which the one that issues products does this too.

    The first of the threads that run the statement issues, as for products; `alone`: whichever comes by.
    """

    barrier: ir.BufferRegion
    both: bool = False
    alone: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ProductsArrive:
        return cls(call.args[0], bool(attribute(call, "both", False)), bool(attribute(call, "alone", False)), span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.tcgen05_arrive", [self.barrier], attrs={"both": self.both, "alone": self.alone}, span=self.span)

    def check(self, target: Target) -> None:
        check_target(target, "T.tcgen05_mma_arrive", self.source)

    @property
    def is_collective(self) -> bool:
        return not self.alone

    def effects(self) -> Effects:
        return Effects()

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        arrive = commit(element_of(self.barrier), self.both, ctx, self.span)
        first: list[Any] = [] if self.alone else [ir.as_expr(ctx.tid) == 0]
        if self.both:
            first.append(ir.as_expr(ir.call("tl.cluster_rank", [], ret="int32") % 2 == 0))
        return guarded(first, arrive, self.span)
