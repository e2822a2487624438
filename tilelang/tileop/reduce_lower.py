"""Emission of a reduction: own registers first, then lanes by butterflies, then warps through shared memory."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from .. import ir
from ..layout import Fragment
from .base import LoweringContext
from .digits import DimDigits, add, guarded, nest, scale, total, walk_dim, walk_like
from .reduce_kind import ReduceKind
from .reduce_layout import ThreadSteps, thread_steps

if TYPE_CHECKING:
    from .reduce import Reduce


@dataclass(frozen=True)
class _Reduction:
    """Everything that the stages share."""

    op: Reduce
    ctx: LoweringContext
    layout: Fragment  # of src's view
    base: Any  # its first register
    steps: ThreadSteps
    kind: ReduceKind
    partial: ir.Var  # the array of results so far
    partial_layout: Fragment  # of the kept dimensions in that array
    partial_base: Any

    @property
    def span(self) -> Any:
        return self.op.span

    @property
    def kept_dims(self) -> list[int]:
        return [d for d in range(len(self.layout.dims)) if d != self.op.place]

    def kept(self) -> list[DimDigits]:
        """Fresh loops over the kept register digits."""
        return [walk_dim(self.layout, d, self.ctx.tid) for d in self.kept_dims]

    def partial_place(self, kept: list[DimDigits]) -> list[Any]:
        """The register of the result at the loops' position."""
        terms = [walk_like(self.partial_layout, j, digits).register for j, digits in enumerate(kept)]
        return [ir.as_expr(add(self.partial_base, total(terms)))]

    def combine_partial(self, kept: list[DimDigits], value: Any) -> ir.Stmt:
        place = self.partial_place(kept)
        return ir.BufferStore(self.partial, self.kind.combine(ir.load(self.partial, place), value), place)

    def idle_conditions(self) -> list[Any]:
        """Conditions under which a thread holds elements at all."""
        return self.layout.idle_conditions(self.ctx.tid, self.ctx.num_threads)

    def owner_conditions(self) -> list[Any]:
        """Conditions under which a thread is the one that writes a result to memory."""
        reduced = [f for f in self.layout.dims[self.op.place] if f.is_thread and f.extent > 1]
        replicas = [f for f in self.layout.replication if f.extent > 1]
        conditions = [ir.as_expr(self.layout.thread_digit(f, self.ctx.tid) == 0) for f in (*reduced, *replicas)]
        return [*self.idle_conditions(), *conditions]


def lower_reduce(op: Reduce, ctx: LoweringContext) -> ir.Stmt:
    """dst = src (and dst, if not `clear`) combined along the reduced dimension."""
    layout, base = op.source_layout(ctx)
    dst = op.dst.source
    in_fragment = ir.scope_of(dst) == "local.fragment"
    prologue: list[Any] = []
    in_place = in_fragment and op.clear and not op.rounds
    if in_place:  # reduce right where the result stays
        partial, found = ctx.registers_of(dst), op._dst_view(ctx.fragments[dst], ctx)
        partial_layout, partial_base = op._dst_kept(ctx.fragments[dst], ctx), found.base
    else:
        partial_layout, partial_base = layout.reduce(op.place), 0
        partial = ir.buffer((partial_layout.local_size,), op.reduce_kind.dtype, f"{dst.name}_partial", "local")
        prologue.append(ir.alloc(partial))
    steps = thread_steps(layout.dims[op.place])
    r = _Reduction(op, ctx, layout, base, steps, op.reduce_kind, partial, partial_layout, partial_base)
    stages = [*prologue, _within_warp(r)]
    if steps.crossing:
        stages.append(_across_warps(r))
    if not in_place:
        stages.append(_deliver(r))
    return ir.seq(stages)


def _within_warp(r: _Reduction) -> ir.Stmt:
    """Each thread's own elements, then one butterfly for each run of lane digits."""
    op, tid = r.op, r.ctx.tid
    kept = r.kept()
    row = walk_dim(r.layout, op.place, tid, "r")
    in_registers = ir.scope_of(op.src.source) == "local.fragment"
    if in_registers:
        place = add(add(r.base, total(k.register for k in kept)), row.register)
        value: Any = ir.load(r.ctx.registers_of(op.src.source), [ir.as_expr(place)])
        conditions = _row_conditions(r, row)
    else:
        positions = [k.index for k in kept]
        positions.insert(op.place, row.index)
        value = ir.load(op.src.source, op.src_indices(positions))
        conditions = [row.padding]
    # Registers need constant indices; memory does not, and rows may be long.
    kind = ir.ForKind.UNROLLED if in_registers or prod(n for _, n in row.loops) <= 64 else ir.ForKind.SERIAL
    own = nest(row.loops, guarded(conditions, r.combine_partial(kept, r.kind.element(value)), r.span), r.span, kind)
    # Threads and registers of the padding hold nothing: they take part in the butterflies with the identity.
    holders = [*(r.idle_conditions() if in_registers else []), *(k.padding for k in kept)]
    own = guarded(holders, own, r.span)
    place = r.partial_place(kept)
    body: list[ir.Stmt] = [ir.BufferStore(r.partial, r.kind.identity(), place), own]
    for f in r.steps.butterflies:
        template = {"template": [r.kind.device_operator, str(f.extent), str(f.stride)]}
        body.append(
            ir.BufferStore(r.partial, ir.call("tl.warp_reduce", [ir.load(r.partial, place)], r.kind.dtype, template), place)
        )
    loops = [entry for k in kept for entry in k.loops]
    return nest(loops, ir.seq(body), r.span)


def _row_conditions(r: _Reduction, row: DimDigits) -> list[Any]:
    """Conditions under which a register along the reduced dimension takes part: inside the extent, inside the region."""
    low, extent = r.op.src.region[r.op.axis].min, r.op.shape[r.op.place]
    whole = r.layout.shape[r.op.place]
    if extent == whole:
        return [row.padding]
    conditions = [ir.as_expr(row.index >= low), ir.as_expr(row.index < low + extent)]
    return [c for c in conditions if ir.const_int(ir.simplify(c)) != 1]


def _linear(r: _Reduction, kept: list[DimDigits]) -> Any:
    """The result's position among all results, row-major."""
    out: Any = 0
    for digits, n in zip(kept, r.op.kept):
        out = add(scale(out, n), digits.index)
    return out


def _across_warps(r: _Reduction) -> ir.Stmt:
    """One thread of each group leaves its part in shared memory; then all threads of all groups combine all parts."""
    scratch, tid = r.op.scratch_buffer, r.ctx.tid
    parts = prod(f.extent for f in r.steps.crossing)
    part: Any = 0
    for f in r.steps.crossing:
        part = add(scale(part, f.extent), r.layout.thread_digit(f, tid))
    kept = r.kept()
    store = ir.BufferStore(scratch, ir.load(r.partial, r.partial_place(kept)), [ir.as_expr(part), ir.as_expr(_linear(r, kept))])
    first = [
        ir.as_expr(r.layout.thread_digit(f, tid) == 0) for f in (*r.steps.butterflies, *r.layout.replication) if f.extent > 1
    ]
    loops = [entry for k in kept for entry in k.loops]
    own = nest(loops, guarded([k.padding for k in kept], store, r.span), r.span)
    write = guarded([*r.idle_conditions(), *first], own, r.span)

    kept = r.kept()
    at = ir.as_expr(_linear(r, kept))
    x = ir.var("part")
    begin = ir.BufferStore(r.partial, ir.load(scratch, [0, at]), r.partial_place(kept))
    more = r.combine_partial(kept, ir.load(scratch, [x, at]))
    kind = ir.ForKind.UNROLLED if parts <= 32 else ir.ForKind.SERIAL
    rest = ir.For(x, ir.const(1), ir.const(parts - 1), kind, more, span=r.span)
    loops = [entry for k in kept for entry in k.loops]
    read = nest(loops, guarded([k.padding for k in kept], ir.seq([begin, rest]), r.span), r.span)
    return ir.seq([write, ir.evaluate(ir.call("tl.sync_threads", span=r.span), r.span), read])


def _deliver(r: _Reduction) -> ir.Stmt:
    """The results to where dst is, combined with what it holds unless it is cleared."""
    op, dst = r.op, r.op.dst.source
    kept = r.kept()
    value = ir.load(r.partial, r.partial_place(kept))
    loops = [entry for k in kept for entry in k.loops]
    if ir.scope_of(dst) == "local.fragment":
        found, layout = op._dst_view(r.ctx.fragments[dst], r.ctx), op._dst_kept(r.ctx.fragments[dst], r.ctx)
        terms = [walk_like(layout, j, digits).register for j, digits in enumerate(kept)]
        target = ir.load(r.ctx.registers_of(dst), [ir.as_expr(add(found.base, total(terms)))])
        conditions: list[Any] = [] if op.clear else r.idle_conditions()
    else:
        target = ir.load(dst, op.dst_indices([k.index for k in kept]))
        conditions = [] if ir.scope_of(dst).startswith("local") else r.owner_conditions()
    if not op.clear:
        value = r.kind.combine(ir.Cast(r.kind.dtype, target) if op.rounds else target, value)
    if op.rounds:
        value = ir.Cast(ir.buffer_dtype(dst), value)
    store = ir.BufferStore(target.source, value, list(target.indices))
    padding = [] if op.clear and ir.scope_of(dst) == "local.fragment" else [k.padding for k in kept]
    return guarded(conditions, nest(loops, guarded(padding, store, r.span), r.span), r.span)
