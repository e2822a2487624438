"""Which thread runs which iteration of a parallel nest, and what that says about the fragments it touches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ir
from ..layout import Factor, Fragment, agree, covers, local, packed_factors, piece_factors, unpacked_factors
from ..tileop.base import LoweringContext
from .parallel_nest import FragmentUse, ParallelNest
from .vector_width import nest_vector_width


def covering_layout(nest: ParallelNest, known: Mapping[ir.Var, Fragment]) -> Fragment | None:
    """The loop layout that a fragment with a known layout dictates: one that is indexed by every loop variable.

    A written fragment speaks before one that is only read. None if no known fragment covers the nest.
    """
    wide = {d for d, n in enumerate(nest.extents) if n > 1}
    leading = [u for u in nest.uses.values() if u.buffer in known and u.plain and not u.partial]
    candidates = [u for u in leading if u.loop_dims() == wide and _fits(nest, u)]
    written = any(u.written for u in nest.uses.values())
    for use in sorted(candidates, key=lambda u: not u.written):
        layout = _through(nest, use, known[use.buffer])
        if layout is not None:
            # Iterations run in every replica only where a replica has registers to write.
            return layout if written else Fragment(layout.shape, layout.dims)
    return None


def _fits(nest: ParallelNest, use: FragmentUse) -> bool:
    """True if the loop variables count the whole dimensions that they index."""
    for extent, (kind, value) in zip(ir.static_shape(use.buffer), use.index or ()):
        if kind == "loop" and extent != nest.extents[value]:
            return False
        if kind == "packed" and extent * value[1] != nest.extents[value[0]]:
            return False
    return True


def _through(nest: ParallelNest, use: FragmentUse, layout: Fragment) -> Fragment | None:
    """The fragment's layout seen from the loop variables that index it; None if an outer index selects threads."""
    dims: list[tuple[Factor, ...]] = [() for _ in nest.extents]
    for d, (kind, value) in enumerate(use.index or ()):
        if kind == "loop":
            dims[value] = layout.dims[d]
        elif kind == "packed":
            dims[value[0]] = unpacked_factors(layout.dims[d], value[1])
        elif kind == "piece":
            part = piece_factors(layout.dims[d], value[1], nest.extents[value[0]])
            if part is None:
                return None
            dims[value[0]] = part[0]
        elif any(f.is_thread for f in layout.dims[d]) and not (kind == "const" and value == 0):
            return None
    counted = use.loop_dims()  # the other loops are not in the fragment: extent 1
    return Fragment(
        tuple(n if d in counted else 1 for d, n in enumerate(nest.extents)), tuple(dims), layout.replication
    ).compacted()


def extended_layout(nest: ParallelNest, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> Fragment | None:
    """The loop layout grown from a fragment that is indexed by some loop variables: its replicas share the other loops."""
    best: FragmentUse | None = None
    for use in nest.uses.values():
        if use.buffer in known and use.plain and not use.partial and use.loop_dims() and _fits(nest, use):
            if best is None or len(use.loop_dims()) > len(best.loop_dims()):
                best = use
    if best is None:
        return None
    partial = _through(nest, best, known[best.buffer])
    if partial is None:
        return None
    dims, spare = list(partial.dims), sorted(partial.replication, key=lambda f: f.stride)
    width = nest_vector_width(nest, ctx)
    for d in reversed(range(len(nest.extents))):
        if d in best.loop_dims() or nest.extents[d] == 1:
            continue
        vector = width if d == len(nest.extents) - 1 else 1
        count = -(-nest.extents[d] // vector)
        threads: list[Factor] = []
        while spare and count > 1:
            f = spare.pop(0)
            threads.insert(0, f)
            count = -(-count // f.extent)
        factors = [local(count, 0), *threads, local(vector, 0)]
        dims[d] = tuple(f for f in factors if f.extent > 1)
    written = any(u.written for u in nest.uses.values())
    return _packed(nest.extents, dims, tuple(spare) if written else ())


def _packed(shape: tuple[int, ...], dims: Any, replication: tuple[Factor, ...]) -> Fragment:
    """Register strides assigned from the last dimension's last factor outwards."""
    step = 1
    built: list[tuple[Factor, ...]] = []
    for factors in reversed(list(dims)):
        row: list[Factor] = []
        for f in reversed(factors):
            if f.is_thread:
                row.insert(0, f)
            else:
                row.insert(0, local(f.extent, step))
                step *= f.extent
        built.insert(0, tuple(row))
    return Fragment(shape, tuple(built), replication)


def free_layout(nest: ParallelNest, ctx: LoweringContext) -> Fragment:
    """Nothing dictates a layout: coalesced and vectorised over the memory that the nest touches."""
    return Fragment.blocked(nest.extents, ctx.num_threads, nest_vector_width(nest, ctx))


def loop_layout(nest: ParallelNest, ctx: LoweringContext) -> Fragment:
    """The layout under which a nest is lowered: the author's, a covering fragment's, a grown one, or a free one."""
    asked = nest.annotations.get("tl.loop_layout")
    if isinstance(asked, Fragment):
        return asked
    return covering_layout(nest, ctx.fragments) or extended_layout(nest, ctx.fragments, ctx) or free_layout(nest, ctx)


def derive_fragment(use: FragmentUse, nest: ParallelNest, layout: Fragment) -> Fragment | None:
    """The layout under which `use` needs no data from another thread; None if its index is not plain."""
    if not use.plain or not _fits(nest, use):
        return None
    shape = ir.static_shape(use.buffer)
    dims: list[tuple[Factor, ...]] = []
    for d, (kind, value) in enumerate(use.index or ()):
        if kind == "loop":
            dims.append(layout.dims[value])
        elif kind == "packed":
            factors = packed_factors(layout.dims[value[0]], value[1])
            if factors is None:
                return None
            dims.append(factors)
        elif kind == "piece":
            return None  # a part does not say where the rest is
        else:  # constant or outer index: the whole dimension in each thread's registers
            dims.append((local(shape[d], layout.local_size * 64),) if shape[d] > 1 else ())
    unused = set(range(len(nest.extents))) - use.loop_dims()
    freed = tuple(f for d in sorted(unused) for f in layout.dims[d] if f.is_thread)
    if use.written and not use.partial and any(f.extent > 1 for d in unused for f in layout.dims[d]):
        return None  # several iterations write one element: the nest's own business, through shared memory
    return Fragment(shape, tuple(dims), layout.replication + freed).compacted()


def accessible(use: FragmentUse, nest: ParallelNest, layout: Fragment, fragment: Fragment) -> bool:
    """True if each thread finds in its own registers what its iterations touch."""
    if not use.plain or not _fits(nest, use):
        return False
    for d, (kind, value) in enumerate(use.index or ()):
        if kind == "loop":
            if not agree(fragment.dims[d], layout.dims[value]):
                return False
        elif kind == "packed":
            factors = packed_factors(layout.dims[value[0]], value[1])
            if factors is None or not agree(fragment.dims[d], factors):
                return False
        elif kind == "piece":
            part = piece_factors(fragment.dims[d], value[1], nest.extents[value[0]])
            if part is None or not agree(part[0], layout.dims[value[0]]):
                return False
        elif any(f.is_thread for f in fragment.dims[d]) and not (kind == "const" and value == 0):
            return False
    others = [f for d in range(len(nest.extents)) if d not in use.loop_dims() for f in layout.dims[d]]
    held_at_zero = [
        f for d, (kind, _) in enumerate(use.index or ()) if kind in ("const", "outer") for f in fragment.dims[d] if f.is_thread
    ]
    if held_at_zero and _meets(held_at_zero, [*others, *layout.replication]):
        return False
    if not covers(fragment.replication, [*others, *layout.replication]):
        return False
    if use.written and not use.partial:
        return not any(f.extent > 1 for f in others) and covers(layout.replication, fragment.replication)
    return True


def _meets(a: list[Factor], b: list[Factor]) -> bool:
    """True if two sets of thread factors share a thread digit."""
    return any(
        x.is_thread and y.is_thread and x.stride < y.stride * y.extent and y.stride < x.stride * x.extent for x in a for y in b
    )
