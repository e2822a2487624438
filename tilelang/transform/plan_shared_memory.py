"""Place the shared buffers of a launch in one arena; buffers that are never live together share bytes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .. import ir
from ..errors import ResourceError
from ..resources import SharedBuffer
from ..tileop.base import LoweringContext
from . import region as rg
from .kernel_program import SharedPlan
from .live_ranges import LiveRange, live_ranges

DISABLE_REUSE = "tl.disable_shared_memory_reuse"
Sizes = Mapping[ir.Var, int]


def plan_shared_memory(body: ir.Stmt, ctx: LoweringContext, early: Collection[ir.Var] = ()) -> SharedPlan:
    """Byte offsets of all shared buffers.

    Parameters
    ----------
    body : Stmt
        The statements inside the thread axes.
    ctx : LoweringContext
        Knows the layouts.
    early : collection of Var
        Buffers that others than the body's threads may fill from the start.

    Raises
    ------
    ResourceError
        If the arena is larger than the target allows; the message holds a table of the buffers and, where fewer pipeline
        stages would do, how many.
    """
    ranges = live_ranges(body, early, ctx.views)
    sizes = {r.buffer: ctx.shared_layout(r.buffer).bytes for r in ranges}
    reuse = not ctx.pass_configs.get(DISABLE_REUSE, False)
    offsets, total = _place(ranges, sizes, ctx, reuse)
    versions = _versions(body, list(sizes))
    plan = SharedPlan(offsets, total, sizes, _table(ranges, sizes, offsets, versions))
    for made, root in ctx.views.items():
        if root in offsets:
            offsets[made], sizes[made] = offsets[root], sizes[root]
    limit = ctx.target.limits.shared_per_block
    if total > limit:
        error = ResourceError(
            f"the kernel needs {total} bytes of shared memory a block; {ctx.target} has {limit}",
            fix=_fix(ranges, sizes, versions, ctx, reuse),
            span=ir.span_to_source(max(ranges, key=lambda r: sizes[r.buffer]).span),
            notes=plan.lines,
        )
        error.excess = total - limit
        raise error
    return plan


def _place(ranges: Sequence[LiveRange], sizes: Sizes, ctx: LoweringContext, reuse: bool) -> tuple[dict[ir.Var, int], int]:
    """Largest first, each at the lowest offset that is free while it lives."""
    offsets: dict[ir.Var, int] = {}
    placed: list[LiveRange] = []
    for current in sorted(ranges, key=lambda r: -sizes[r.buffer]):
        alignment = ctx.shared_layout(current.buffer).alignment
        busy = sorted((offsets[r.buffer], offsets[r.buffer] + sizes[r.buffer]) for r in placed if not reuse or r.meets(current))
        offset = 0
        for start, end in busy:
            if offset + sizes[current.buffer] <= start:
                break
            offset = max(offset, -(-end // alignment) * alignment)
        offsets[current.buffer] = offset
        placed.append(current)
    return offsets, max((offsets[b] + sizes[b] for b in offsets), default=0)


def _versions(body: ir.Stmt, buffers: Sequence[ir.Var]) -> dict[ir.Var, int]:
    """The versions of pipelined buffers: those whose first index is always a version slot."""
    first: dict[ir.Var, list[Any]] = {b: [] for b in buffers}
    for node in ir.collect(body, (ir.BufferLoad, ir.BufferStore, ir.BufferRegion)):
        buf = node.buffer if isinstance(node, ir.BufferStore) else node.source
        if buf in first:
            first[buf].append(node.region[0].min if isinstance(node, ir.BufferRegion) else node.indices[0])
    scalars = {bind.var: bind.value for bind in ir.collect(body, ir.Bind)}
    found = {}
    for buf, indices in first.items():
        slots = [rg.modulus(scalars.get(i, i)) for i in indices]
        periods = {s[1] for s in slots if s is not None}
        fixed = all(s is not None or ir.const_int(i) is not None for s, i in zip(slots, indices))
        if fixed and periods == {ir.shape_of(buf)[0]}:
            found[buf] = ir.shape_of(buf)[0]
    return found


def _fix(ranges: Sequence[LiveRange], sizes: Sizes, versions: Sizes, ctx: LoweringContext, reuse: bool) -> str:
    """The smallest change that fits: fewer stages, else smaller tiles."""
    most = max(versions.values(), default=1)
    for stages in range(most - 1, 0, -1):
        smaller = {b: n // versions[b] * min(stages, versions[b]) if b in versions else n for b, n in sizes.items()}
        total = _place(ranges, smaller, ctx, reuse)[1]
        if total <= ctx.target.limits.shared_per_block:
            return f"use num_stages={stages} instead of {most} ({total} bytes), or smaller tiles"
    largest = max(sizes, key=lambda b: sizes[b])
    also = " and fewer stages" if most > 1 else ""
    return f"use smaller tiles{also}; {largest.name} is the largest buffer with {sizes[largest]} bytes"


def _table(ranges: Sequence[LiveRange], sizes: Sizes, offsets: Sizes, versions: Sizes) -> tuple[SharedBuffer, ...]:
    """The buffers by their place in the arena."""
    rows = []
    for r in ranges:
        buf, source = r.buffer, ir.span_to_source(r.span)
        shape = ir.static_shape(buf)
        rows.append(
            SharedBuffer(
                str(buf.name),
                shape[1:] if buf in versions else shape,
                ir.buffer_dtype(buf),
                sizes[buf],
                offsets[buf],
                versions.get(buf, 1),
                source.file if source else "",
                source.line if source else 0,
            )
        )
    return tuple(sorted(rows, key=lambda row: row.offset))
