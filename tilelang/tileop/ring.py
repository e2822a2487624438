"""The consumers' side of a ring of shared tiles that a producer warp fills: wait until a slot is full, give it back.

The ring's `full` barriers count the bytes that TMA brings, the `empty` barriers one arrival of every consumer warp
(PTX ISA, "mbarrier"). A slot's barriers change phase once in every lap around the ring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from .base import Effects, LoweringContext, TileOp, tile_op

WARP = 32


def element_of(region: ir.BufferRegion) -> Any:
    """The address of a barrier, given as a region of one element."""
    return ir.address_of(ir.load(region.source, [r.min for r in region.region]))


@tile_op("tl.ring_wait")
@dataclass(frozen=True, eq=False)
class RingWait(TileOp):
    """Every consumer thread waits until the phase `parity` of a barrier has completed."""

    barrier: ir.BufferRegion
    parity: Any
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> RingWait:
        return cls(call.args[0], call.args[1], span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.ring_wait", [self.barrier, self.parity], span=self.span)

    def effects(self) -> Effects:
        return Effects()

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        return ir.evaluate(ir.call("tl.mbarrier_wait", [element_of(self.barrier), self.parity], span=self.span), self.span)


@tile_op("tl.ring_release")
@dataclass(frozen=True, eq=False)
class RingRelease(TileOp):
    """Every consumer warp arrives once: its reads of the slot are over.

    `when`: only if that holds, which is the same for all threads. A condition of the arrival leaves the code around it in one
    piece for ptxas, where a branch around the whole statement would keep it from moving work across.
    """

    barrier: ir.BufferRegion
    when: Any = None
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> RingRelease:
        return cls(call.args[0], call.args[1] if len(call.args) > 1 else None, span)

    def to_call(self) -> ir.Call:
        args = [self.barrier] if self.when is None else [self.barrier, self.when]
        return ir.call("tl.ring_release", args, span=self.span)

    def effects(self) -> Effects:
        return Effects()

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        arrive = ir.evaluate(ir.call("tl.mbarrier_arrive", [element_of(self.barrier)], span=self.span), self.span)
        first = ir.as_expr(ctx.tid % WARP == 0)
        if self.when is not None:
            first = ir.And(self.when, first)
        # The arrival of one lane speaks for the loads of all: they are over when the warp has met.
        meet = ir.evaluate(ir.call("tl.sync_warp", span=self.span), self.span)
        return ir.seq([meet, ir.IfThenElse(first, arrive, None, self.span)])
