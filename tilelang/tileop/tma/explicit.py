"""T.tma_copy: a tensor copy that its author waits for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...target import Target
from ..base import Effects, LoweringContext, TileOp, attribute, tile_op
from .box import BoxCopy
from .cache_hint import hinted


@tile_op("tl.tma_copy")
@dataclass(frozen=True, eq=False)
class ExplicitTensorCopy(TileOp):
    """Issue a copy between global and shared memory by TMA and go on.

    A load adds its bytes to what `barrier` expects, and is complete when the barrier's phase is (which somebody arrives for);
    a store is a bulk group of the issuing thread. One thread of those that run the statement issues; `alone`: whoever comes by.
    `scheduled`: a role of a schedule chose TMA, the author only wrote T.copy.
    """

    src: ir.BufferRegion
    dst: ir.BufferRegion
    barrier: ir.BufferRegion | None = None
    leader_scope: int = 0
    eviction_policy: str | None = None
    cluster_mask: int = 0
    alone: bool = False
    scheduled: bool = False
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> ExplicitTensorCopy:
        barrier = call.args[2] if len(call.args) > 2 else None
        leader_scope, alone = int(attribute(call, "leader_scope", 0)), bool(attribute(call, "alone", False))
        policy, mask = attribute(call, "eviction_policy"), int(attribute(call, "cluster_mask", 0))
        scheduled = bool(attribute(call, "scheduled", False))
        return cls(call.args[0], call.args[1], barrier, leader_scope, policy and str(policy), mask, alone, scheduled, span)

    def to_call(self) -> ir.Call:
        args = [self.src, self.dst] if self.barrier is None else [self.src, self.dst, self.barrier]
        attrs: dict[str, Any] = {"leader_scope": self.leader_scope, "alone": self.alone, "cluster_mask": self.cluster_mask}
        if self.scheduled:
            attrs["scheduled"] = True
        if self.eviction_policy is not None:
            attrs["eviction_policy"] = self.eviction_policy
        return ir.call("tl.tma_copy", args, attrs=attrs, span=self.span)

    @property
    def is_load(self) -> bool:
        return self.barrier is not None

    @property
    def is_collective(self) -> bool:
        return not self.alone

    @property
    def is_counted(self) -> bool:
        return self.is_load

    def check(self, target: Target) -> None:
        if not target.limits.has_tma:
            raise UnsupportedError(
                f"T.tma_copy needs sm_90 or newer; the target is {target.arch}", fix="use T.copy", span=self.source
            )

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.dst,), asynchronous=self.is_load)

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return not self.is_load

    def boxes(self, ctx: LoweringContext) -> BoxCopy:
        """The boxes under the layout of the shared tile.

        Raises
        ------
        UnsupportedError
            If TMA cannot do this copy, with the reason.
        """
        tensor, tile = (self.src, self.dst) if self.is_load else (self.dst, self.src)
        found = BoxCopy.of(tensor, tile, ctx.shared_layout(tile.source), ctx, promised=True)
        if isinstance(found, str):
            raise UnsupportedError(
                f"TMA cannot do this T.tma_copy: {found}",
                fix="use T.copy, which takes another engine where TMA does not fit",
                span=self.source,
            )
        return found

    def _loads(self, boxes: BoxCopy, tensor_map: Any, barrier: Any) -> ir.Stmt:
        """One block's own loads; with a mask the lowest block loads for all of it, the others in it only wait."""

        def issue(name: str, *more: Any) -> ir.Stmt:
            name, hint = hinted(name, self.eviction_policy)

            def each(tile: Any, at: list[Any]) -> ir.Stmt:
                return ir.evaluate(ir.call(name, [tile, tensor_map, barrier, *more, *hint, *at], span=self.span), self.span)

            return boxes.each_box(each, self.span)

        if not self.cluster_mask:
            return issue("tl.tma_load")
        rank = ir.call("tl.cluster_rank", [], ret="int32")
        lowest = (self.cluster_mask & -self.cluster_mask).bit_length() - 1
        outside = ir.as_expr((ir.const(self.cluster_mask) >> rank) % 2 == 0)
        own = ir.IfThenElse(outside, issue("tl.tma_load"), None, self.span)
        many = issue("tl.tma_load_multicast", ir.const(self.cluster_mask, "uint16"))
        return ir.IfThenElse(ir.as_expr(rank == lowest), many, own, self.span)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        boxes = self.boxes(ctx)
        tensor_map = ir.address_of(ir.load(ctx.tensor_map(boxes.spec), [0]))

        def call(name: str, *args: Any) -> ir.Stmt:
            return ir.evaluate(ir.call(name, list(args), span=self.span), self.span)

        if self.barrier is not None:
            barrier = ir.address_of(ir.load(self.barrier.source, [r.min for r in self.barrier.region]))
            parts = [
                call("tl.mbarrier_expect_tx", barrier, ir.const(boxes.bytes)),
                self._loads(boxes, tensor_map, barrier),
            ]
        else:
            store, hint = hinted("tl.tma_store", self.eviction_policy)
            parts = [
                boxes.each_box(lambda tile, at: call(store, tensor_map, tile, *hint, *at), self.span),
                call("tl.bulk_commit"),
            ]
        if self.alone:
            return ir.seq(parts)
        scope = self.leader_scope if 0 < self.leader_scope < ctx.num_threads else 0
        leader = ir.as_expr((ctx.tid % scope if scope else ctx.tid) == 0)
        return ir.IfThenElse(leader, ir.seq(parts), None, self.span)
