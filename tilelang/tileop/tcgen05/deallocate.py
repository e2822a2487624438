"""T.deallocate_tmem: the columns of a tile go back before the kernel ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...target import Target
from ..base import Effects, LoweringContext, TileOp, tile_op
from .tile import TensorTile, check_target


@tile_op("tl.tmem_deallocate")
@dataclass(frozen=True, eq=False)
class DeallocateTensorMemory(TileOp):
    """The first warp of those that run the statement gives the columns back."""

    tile: ir.BufferRegion
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> DeallocateTensorMemory:
        return cls(call.args[0], span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.tmem_deallocate", [self.tile], span=self.span)

    def check(self, target: Target) -> None:
        check_target(target, "T.deallocate_tmem", self.source)

    def effects(self) -> Effects:
        return Effects(writes=(self.tile,))

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        tile: TensorTile = ctx.tensor_tiles[self.tile.source]
        free = ir.call(
            "tl.tcgen05_dealloc", [tile.base], attrs={"template": [str(tile.allocated), str(ctx.tensor_group)]}, span=self.span
        )
        fence = ir.evaluate(ir.call("tl.tcgen05_fence_after", span=self.span), self.span)
        return ir.IfThenElse(ir.as_expr(ctx.tid) < 32, ir.seq([fence, ir.evaluate(free, self.span)]), None, self.span)
