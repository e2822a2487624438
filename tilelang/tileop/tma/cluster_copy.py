"""T.copy_cluster between blocks: shared memory to the shared memory of another block, counted by a barrier there."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from ... import ir
from ...errors import UnsupportedError
from ...target import Target
from ...target import tma as rules
from ..base import Effects, LoweringContext, TileOp, dtype_bits, tile_op
from ..digits import loop


@tile_op("tl.copy_to_block")
@dataclass(frozen=True, eq=False)
class CopyToBlock(TileOp):
    """Issue copies of `src` to the place of `dst` in block `block` of the cluster, whose `barrier` receives the bytes."""

    src: ir.BufferRegion
    dst: ir.BufferRegion
    barrier: ir.BufferRegion
    block: Any
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> CopyToBlock:
        return cls(call.args[0], call.args[1], call.args[2], call.args[3], span)

    def to_call(self) -> ir.Call:
        return ir.call("tl.copy_to_block", [self.src, self.dst, self.barrier, self.block], span=self.span)

    @property
    def is_counted(self) -> bool:
        return True

    def check(self, target: Target) -> None:
        if not target.limits.has_tma:
            raise UnsupportedError(f"T.copy_cluster needs sm_90 or newer; the target is {target.arch}", span=self.source)

    def effects(self) -> Effects:
        return Effects(reads=(self.src,), writes=(self.dst,), asynchronous=True)

    def reads_async_proxy(self, ctx: LoweringContext) -> bool:
        return True

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        shape, bits = ir.static_shape(self.src.source), dtype_bits(ir.buffer_dtype(self.src.source))
        here, there = ctx.shared_layout(self.src.source), ctx.shared_layout(self.dst.source)
        outer, run = self._runs()
        whole = not outer and run * bits // 8 == prod(shape) * bits // 8 and self._is_all(self.dst)
        if run * bits % (8 * rules.ALIGNMENT) or not (whole and here == there or _is_linear(here) and _is_linear(there)):
            raise UnsupportedError(
                f"{self.src.source.name} cannot be sent to another block in pieces of {rules.ALIGNMENT} bytes that lie together "
                f"both here ({here}) and there ({there})",
                fix="send whole tiles of one layout, or rows of unswizzled ones; without remote_barrier threads send elements",
                span=self.source,
            )
        barrier = ir.address_of(ir.load(self.barrier.source, [r.min for r in self.barrier.region]))
        size = ir.const(run * bits // 8)

        def send(dims: tuple[int, ...], at: list[Any], to: list[Any]) -> ir.Stmt:
            if not dims:
                target, origin = (ir.address_of(ir.load(b.source, i)) for b, i in ((self.dst, to), (self.src, at)))
                copy = ir.call("tl.bulk_copy_to_rank", [target, origin, size, barrier, self.block], span=self.span)
                return ir.evaluate(copy, self.span)
            source, other = outer[dims[0]]

            def step(i: Any) -> ir.Stmt:
                here, there = list(at), list(to)
                here[source], there[other] = here[source] + i, there[other] + i
                return send(dims[1:], here, there)

            return loop("row", ir.const_int(self.src.region[source].extent) or 1, step, self.span)

        starts = ([r.min for r in region.region] for region in (self.src, self.dst))
        return ir.IfThenElse(ir.as_expr(ctx.tid == 0), send(tuple(range(len(outer))), *starts), None, self.span)

    def _is_all(self, region: ir.BufferRegion) -> bool:
        return [ir.const_int(r.extent) for r in region.region] == list(ir.static_shape(region.source))

    def _runs(self) -> tuple[list[tuple[int, int]], int]:
        """The paired dimensions to walk over, and how many elements behind them lie together on both sides."""
        wide = [[d for d, r in enumerate(g.region) if ir.const_int(r.extent) != 1] for g in (self.src, self.dst)]
        pairs, run = list(zip(*wide)), 1
        shapes = ir.static_shape(self.src.source), ir.static_shape(self.dst.source)
        ends = [len(s) for s in shapes]
        while pairs:
            dims = pairs[-1]
            # What follows a dimension on its side is whole, so that it goes on where the run ends.
            if any(prod(shape[d + 1 : end]) != 1 for shape, d, end in zip(shapes, dims, ends)):
                break
            extent = ir.const_int(self.src.region[dims[0]].extent) or 1
            pairs.pop()
            run *= extent
            ends = list(dims)
            if any(extent != shape[d] for shape, d in zip(shapes, dims)):
                break
        return pairs, run


def _is_linear(layout: Any) -> bool:
    return getattr(layout, "swizzle", 1) == 0 and type(layout).__name__ == "SharedLayout"
