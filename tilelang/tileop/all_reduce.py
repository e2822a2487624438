"""Combine the copies of a fragment that threads hold, each with a value of its own, so that all hold the result."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

from .. import ir
from ..layout import Fragment
from .base import Effects, LoweringContext, TileOp, attribute, scratch_of, tile_op
from .digits import DimDigits, add, guarded, nest, scale, total, walk_dim
from .reduce_kind import ReduceKind
from .reduce_layout import ThreadSteps, thread_steps


@tile_op("tl.all_reduce")
@dataclass(frozen=True, eq=False)
class AllReduce(TileOp):
    """tile[...] = what all threads that hold the element have of it, combined.

    Parameters
    ----------
    tile : TensorRegion
        A whole fragment.
    kind : str
        sum, max, min, bitand, bitor or bitxor.
    scratch_buffer : Var, optional
        Shared memory for what crosses warps, attached by layout inference.
    """

    tile: ir.BufferRegion
    kind: str
    span: Any = None
    scratch_buffer: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> AllReduce:
        return cls(call.args[0], str(attribute(call, "kind")), span, scratch_of(call))

    def to_call(self) -> ir.Call:
        attrs: dict[str, Any] = {"kind": self.kind}
        if self.scratch_buffer is not None:
            attrs["scratch"] = self.scratch_buffer
        return ir.call("tl.all_reduce", [self.tile], attrs=attrs, span=self.span)

    def effects(self) -> Effects:
        scratch = () if self.scratch_buffer is None else (ir.full_region(self.scratch_buffer),)
        return Effects(reads=(self.tile, *scratch), writes=(self.tile, *scratch))

    def _steps(self, layout: Fragment) -> ThreadSteps:
        return thread_steps(layout.replication)

    def scratch(self, ctx: LoweringContext) -> tuple[tuple[int, ...], str] | None:
        buf = self.tile.source
        crossing = self._steps(ctx.fragments[buf]).crossing
        if not crossing:
            return None
        return (prod(f.extent for f in crossing), prod(ir.static_shape(buf))), ir.buffer_dtype(buf)

    # ------------------------------------------------------------------ lowering

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        buf = self.tile.source
        layout, registers = ctx.fragments[buf], ctx.registers_of(buf)
        steps, kind = self._steps(layout), ReduceKind(self.kind, ir.buffer_dtype(buf))
        stages = []
        if steps.butterflies:
            index = ir.var("i")
            value: Any = ir.load(registers, [index])
            for f in steps.butterflies:
                template = {"template": [kind.device_operator, str(f.extent), str(f.stride)]}
                value = ir.call("tl.warp_reduce", [value], kind.dtype, template)
            store = ir.BufferStore(registers, value, [index], self.span)
            stages.append(nest([(index, layout.local_size)], store, self.span))
        if steps.crossing:
            stages.append(self._across_warps(ctx, layout, registers, steps, kind))
        return ir.seq(stages)

    def _walk(self, layout: Fragment, ctx: LoweringContext) -> tuple[list[DimDigits], Any, Any]:
        """(digits of each dimension, register, position among all elements) of fresh loops."""
        dims = [walk_dim(layout, d, ctx.tid) for d in range(len(layout.dims))]
        position: Any = 0
        for digits, extent in zip(dims, layout.shape):
            position = add(scale(position, extent), digits.index)
        return dims, ir.as_expr(total(d.register for d in dims)), ir.as_expr(position)

    def _across_warps(
        self, ctx: LoweringContext, layout: Fragment, registers: ir.Var, steps: ThreadSteps, kind: ReduceKind
    ) -> ir.Stmt:
        """One thread of each group leaves its part in shared memory; then all combine all parts."""
        part: Any = 0
        for f in steps.crossing:
            part = add(scale(part, f.extent), layout.thread_digit(f, ctx.tid))
        idle = layout.idle_conditions(ctx.tid, ctx.num_threads)
        first = [ir.as_expr(layout.thread_digit(f, ctx.tid) == 0) for f in steps.butterflies]
        dims, register, position = self._walk(layout, ctx)
        store = ir.BufferStore(self.scratch_buffer, ir.load(registers, [register]), [ir.as_expr(part), position], self.span)
        loops = [entry for d in dims for entry in d.loops]
        write = guarded([*idle, *first], nest(loops, guarded([d.padding for d in dims], store, self.span), self.span), self.span)

        dims, register, position = self._walk(layout, ctx)
        count, x = prod(f.extent for f in steps.crossing), ir.var("part")
        here = [register]
        begin = ir.BufferStore(registers, ir.load(self.scratch_buffer, [0, position]), here, self.span)
        more = ir.BufferStore(
            registers, kind.combine(ir.load(registers, here), ir.load(self.scratch_buffer, [x, position])), here, self.span
        )
        unroll = ir.ForKind.UNROLLED if count <= 32 else ir.ForKind.SERIAL
        rest = ir.For(x, ir.const(1), ir.const(count - 1), unroll, more, span=self.span)
        loops = [entry for d in dims for entry in d.loops]
        read = nest(loops, guarded([d.padding for d in dims], ir.seq([begin, rest]), self.span), self.span)
        barrier = ir.evaluate(ir.call("tl.sync_threads", span=self.span), self.span)
        return ir.seq([write, barrier, guarded(idle, read, self.span)])
