"""T.tcgen05_mma_arrive: a barrier learns when the products issued so far are over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...target import Target
from ..base import Effects, LoweringContext, TileOp, attribute, tile_op
from ..ring import element_of
from .tile import check_target


@tile_op("tl.tcgen05_arrive")
@dataclass(frozen=True, eq=False)
class ProductsArrive(TileOp):
    """One arrival on `barrier` when everything that the issuing thread has given the tensor core is over.

    The first of the threads that run the statement issues, as for products; `alone`: whichever comes by.
    """

    barrier: ir.BufferRegion
    alone: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ProductsArrive:
        return cls(call.args[0], bool(attribute(call, "alone", False)), span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.tcgen05_arrive", [self.barrier], attrs={"alone": self.alone}, span=self.span)

    def check(self, target: Target) -> None:
        check_target(target, "T.tcgen05_mma_arrive", self.source)

    @property
    def is_collective(self) -> bool:
        return not self.alone

    def effects(self) -> Effects:
        return Effects()

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        commit = ir.evaluate(ir.call("tl.tcgen05_commit", [element_of(self.barrier)], span=self.span), self.span)
        return commit if self.alone else ir.IfThenElse(ir.as_expr(ctx.tid) == 0, commit, None, self.span)
