"""A tile leaves the block by warpgroups: each stages its own rows in shared memory and stores them, apart from the others.

One warpgroup stores while another still multiplies, so that the tensor cores of a persistent block do not wait for the stores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from .base import Effects, LoweringContext, TileOp, attribute, tile_op
from .copy import Copy
from .tma.box import BoxCopy
from .tma.store import lower_tensor_store

WARPGROUP = 128


@tile_op("tl.group_store")
@dataclass(frozen=True, eq=False)
class GroupStore(TileOp):
    """`tile = src` and then `dst = tile`: warpgroup w does it for the w-th part of the rows, under named barrier `barriers[w]`.

    Nothing else uses the tile, no element of `dst` is stored twice, `src` has a warpgroup's rows in its own threads, and TMA
    stores them (`by_groups`). The leader of each warpgroup waits until its last store has read its rows, before its warpgroup
    writes them again.
    """

    src: ir.BufferRegion
    tile: ir.BufferRegion
    dst: ir.BufferRegion
    barriers: tuple[int, ...]
    policy: str | None = None
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> GroupStore:
        barriers = tuple(int(b) for b in attribute(call, "barriers"))
        return cls(call.args[0], call.args[1], call.args[2], barriers, attribute(call, "policy"), span)

    def to_call(self) -> ir.Call:
        attrs = {"barriers": list(self.barriers), **({} if self.policy is None else {"policy": self.policy})}
        return ir.call("tl.group_store", [self.src, self.tile, self.dst], attrs=attrs, span=self.span)

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.tile, self.dst))

    @property
    def own_buffers(self) -> tuple[ir.Var, ...]:
        return self.tile.source, self.dst.source

    @staticmethod
    def by_groups(fill: Copy, store: Copy, ctx: LoweringContext) -> bool:
        """True if warpgroups can do the two copies for their own rows: layouts are known."""
        groups, rest = divmod(ctx.num_threads, WARPGROUP)
        boxes = store.tensor_store(ctx)
        if rest or groups < 2 or boxes is None or boxes.spec.tensor not in ctx.stored_apart:
            return False
        layout = fill.layout(ctx)
        if len(fill.nest().extents) != 2 or any(f.stride * f.extent > WARPGROUP for f in layout.replication):
            return False
        wide = [f for factors in layout.dims for f in factors if f.is_thread and f.stride * f.extent > WARPGROUP]
        end = ctx.num_threads
        for f in layout.dims[0][: len(wide)]:  # the digits of the warpgroup's number, most significant first
            if not f.is_thread or f.stride * f.extent != end:
                return False
            end = f.stride
        return end <= WARPGROUP and not layout.is_padded(0) and boxes.part(0, groups) is not None

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        fill, store = Copy(self.src, self.tile, span=self.span), Copy(self.tile, self.dst, span=self.span)
        boxes = store.tensor_store(ctx)
        assert isinstance(boxes, BoxCopy), "layouts do not change after `by_groups`"
        part = boxes.part(ir.FloorDiv(ir.as_expr(ctx.tid), ir.const(WARPGROUP)), len(self.barriers))
        assert part is not None, "layouts do not change after `by_groups`"
        leader = ir.as_expr(ctx.tid % WARPGROUP == 0)
        wait = self._call("tl.bulk_wait_read", attrs={"template": ["0"]})
        return ir.seq([
            ir.IfThenElse(leader, wait, None, self.span),
            self._barrier(ctx),
            fill.lower(ctx),
            self._call("tl.fence_proxy_async"),
            self._barrier(ctx),
            lower_tensor_store(part, ctx, self.span, self.policy, leader),
        ])  # fmt: skip

    def _call(self, name: str, *args: Any, **options: Any) -> ir.Stmt:
        return ir.evaluate(ir.call(name, list(args), **options, span=self.span), self.span)

    def _barrier(self, ctx: LoweringContext) -> ir.Stmt:
        """The threads of a warpgroup meet."""
        *others, last = (self._call("tl.sync_threads", b, WARPGROUP) for b in self.barriers)
        out = last
        for group in reversed(range(len(others))):
            out = ir.IfThenElse(ir.as_expr(ctx.tid < (group + 1) * WARPGROUP), others[group], out, self.span)
        return out
