"""A tensor copy into shared memory by one thread, counted by an mbarrier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ..base import Effects, LoweringContext, TileOp, attribute, tile_op
from .box import BoxCopy
from .cache_hint import hinted


@tile_op("tl.tensor_load")
@dataclass(frozen=True, eq=False)
class TensorLoad(TileOp):
    """`dst[...] = src[...]` by TMA; the bytes arrive on `barrier` (an element of an mbarrier array). One thread executes it.

    Elements outside `src` arrive as zeros.
    """

    src: ir.BufferRegion
    dst: ir.BufferRegion
    barrier: ir.BufferRegion
    eviction_policy: str | None = None
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> TensorLoad:
        policy = attribute(call, "eviction_policy")
        return cls(call.args[0], call.args[1], call.args[2], policy and str(policy), span)

    def to_call(self) -> ir.Call:
        attrs = None if self.eviction_policy is None else {"eviction_policy": self.eviction_policy}
        return ir.call("tl.tensor_load", [self.src, self.dst, self.barrier], attrs=attrs, span=self.span)

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.dst,), asynchronous=True)

    def boxes(self, ctx: LoweringContext) -> BoxCopy | str:
        """The boxes under the layout of `dst`, or why TMA cannot do this copy."""
        return BoxCopy.of(self.src, self.dst, ctx.shared_layout(self.dst.source), ctx)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        boxes = self.boxes(ctx)
        if isinstance(boxes, str):
            raise UnsupportedError(
                f"TMA cannot copy this: {boxes}",
                fix="use T.copy, which takes another engine where TMA does not fit",
                span=self.source,
            )
        tensor_map = ir.address_of(ir.load(ctx.tensor_map(boxes.spec), [0]))
        barrier = ir.address_of(ir.load(self.barrier.source, [r.min for r in self.barrier.region]))

        name, hint = hinted("tl.tma_load", self.eviction_policy)

        def issue(address: Any, coordinates: list[Any]) -> ir.Stmt:
            return ir.evaluate(ir.call(name, [address, tensor_map, barrier, *hint, *coordinates], span=self.span), self.span)

        return boxes.each_box(issue, self.span)
