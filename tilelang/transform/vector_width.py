"""How many consecutive iterations one thread can serve with one memory instruction."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, dtype_bits
from .parallel_nest import ParallelNest
from .part_lane import part_lane

MAX_VECTOR_BYTES = 16
MAX_VECTOR_ITERATIONS = 32  # of one thread side by side: 16 bytes of 4-bit codes


def nest_vector_width(nest: ParallelNest, ctx: LoweringContext) -> int:
    """Iterations of the innermost loop per thread: 16 bytes of the narrowest memory access that allows it.

    Global accesses decide; shared ones only where no global memory is touched. Fewer where the block would have idle
    threads otherwise.
    """
    asked = nest.annotations.get("tl.coalesced_width")
    inner, extent = nest.vars[-1], nest.extents[-1]
    analyzer = ctx.analyzer(nest.ranges)
    widths: dict[str, list[int]] = {"global": [], "shared": []}
    for access in memory_accesses(nest.body):
        buf, indices = access
        if any(ir.uses_var(e, {inner}) for e in indices):
            scope = "global" if ir.scope_of(buf) == "global" else "shared"
            widths[scope].append(access_width(buf, indices, inner, extent, analyzer, ctx))
    candidates = widths["global"] or widths["shared"] or _packed_widths(nest)
    width = min(candidates, default=1)
    if asked is not None:
        width = min(width, int(asked))
    total = 1
    for n in nest.extents:
        total *= n
    while width > 1 and total // width < ctx.num_threads:
        width //= 2
    return width


def _packed_widths(nest: ParallelNest) -> list[int]:
    """Iterations that 16 bytes of a register tile of packed codes stand for: that tile is loaded 16 bytes at a time."""
    found = []
    for use in nest.uses.values():
        if not use.plain or not use.index or use.index[-1][0] != "packed":
            continue
        dim, pack = use.index[-1][1]
        if dim == len(nest.extents) - 1:
            elements = MAX_VECTOR_BYTES * 8 // dtype_bits(ir.buffer_dtype(use.buffer))
            while elements > 1 and nest.extents[-1] % (elements * pack):
                elements //= 2
            found.append(min(elements * pack, MAX_VECTOR_ITERATIONS))
    return found


def memory_accesses(body: Any) -> list[tuple[ir.Var, Any]]:
    """(buffer, indices) of every global and shared access in a statement."""
    found: list[tuple[ir.Var, Any]] = []

    def note(node: Any) -> None:
        if isinstance(node, ir.BufferLoad):
            buf = node.source
        elif isinstance(node, ir.BufferStore):
            buf = node.buffer
        else:
            return
        if ir.scope_of(buf) in ("global", "shared.dyn", "shared"):
            found.append((buf, node.indices))

    ir.walk(body, note)
    return found


def access_width(
    buf: ir.Var, indices: Any, inner: ir.Var, extent: int, analyzer: ir.Analyzer, ctx: LoweringContext, *, together: bool = False
) -> int:
    """The widest power of two V such that V consecutive values of `inner` from a multiple of V touch V adjacent, aligned
    elements; with `together`, elements of which all or none are in bounds."""
    bits = dtype_bits(ir.buffer_dtype(buf))
    if any(ir.uses_var(n.a, {inner}) for e in indices for n in ir.collect(e, (ir.FloorDiv, ir.FloorMod))):
        width = _divided_run(buf, indices, inner, extent, analyzer, ctx, together)
        if width > 1:
            return width
    if any(ir.uses_var(e, {inner}) for e in indices[:-1]):
        return _constant_run(indices, inner, extent, analyzer)
    run = packed_run(indices[-1], inner, extent, analyzer)
    if run is not None:
        start, pack = run
        width = max(1, MAX_VECTOR_BYTES * 8 // bits)
        while width > 1 and not is_aligned(buf, [*indices[:-1], start], width, extent // pack, analyzer, ctx, together=together):
            width //= 2
        return min(width * pack, MAX_VECTOR_ITERATIONS)
    rest = ir.simplify(indices[-1] - inner, analyzer)
    if ir.uses_var(rest, {inner}) or not ir.can_prove(ir.simplify(indices[-1] - inner - rest, analyzer) == 0, analyzer):
        return _constant_run(indices, inner, extent, analyzer)
    width = max(1, MAX_VECTOR_BYTES * 8 // bits)
    while width > 1 and not is_aligned(buf, [*indices[:-1], rest], width, extent, analyzer, ctx, together=together):
        width //= 2
    return width


def _divided_run(
    buf: ir.Var, indices: Any, inner: ir.Var, extent: int, analyzer: ir.Analyzer, ctx: LoweringContext, together: bool
) -> int:
    """The width where quotients and remainders of the iteration are what its vector's are: an image's patch as a row."""
    width = max(1, MAX_VECTOR_BYTES * 8 // dtype_bits(ir.buffer_dtype(buf)))
    while width > 1:
        if extent % width == 0:
            chunk, lane = ir.var("chunk"), ir.var("lane")
            analyzer.bind(chunk, ir.Range.from_min_extent(ir.const(0), ir.const(extent // width)))
            at = {inner: chunk * width + lane}
            *outer, last = (part_lane(ir.substitute(ir.as_expr(i), at), lane, width, analyzer) for i in indices)
            start = ir.simplify(ir.substitute(last, {lane: 0}), analyzer)
            counts = ir.simplify(last - start, analyzer).same_as(lane)
            if counts and not any(ir.uses_var(ir.simplify(o, analyzer), {lane}) for o in outer):
                if is_aligned(buf, [*outer, start], width, extent, analyzer, ctx, together=together):
                    return width
        width //= 2
    return 1


def packed_run(index: Any, var: ir.Var, extent: int, analyzer: ir.Analyzer) -> tuple[Any, int] | None:
    """(start, p) if `index` is `start + var // p` for p > 1 wherever `var` counts below `extent`: p iterations share an element,
    as codes packed p to a byte do. The analyzer gets to know two fresh variables; `var` it need not know."""
    for pack in sorted(_divisors(index, var)):
        if extent % pack:
            continue
        chunk, lane = ir.var("chunk"), ir.var("lane")
        analyzer.bind(chunk, ir.Range.from_min_extent(ir.const(0), ir.const(extent // pack)))
        analyzer.bind(lane, ir.Range.from_min_extent(ir.const(0), ir.const(pack)))
        value = ir.simplify(ir.substitute(index, {var: chunk * pack + lane}), analyzer)
        if ir.uses_var(value, {lane}):
            continue
        start = ir.simplify(ir.substitute(value, {chunk: 0}), analyzer)
        if ir.can_prove(value - start == chunk, analyzer):
            return start, pack
    return None


def _constant_run(indices: Any, var: ir.Var, extent: int, analyzer: ir.Analyzer) -> int:
    """The longest aligned run of iterations (a power of two) that share one element: a scale of a group, for example."""
    if not any(_divisors(index, var) for index in indices):
        return 1
    width = min(MAX_VECTOR_ITERATIONS, extent & -extent)
    while width > 1:
        chunk, lane = ir.var("chunk"), ir.var("lane")
        analyzer.bind(chunk, ir.Range.from_min_extent(ir.const(0), ir.const(extent // width)))
        analyzer.bind(lane, ir.Range.from_min_extent(ir.const(0), ir.const(width)))
        at = {var: chunk * width + lane}
        if not any(ir.uses_var(ir.simplify(ir.substitute(ir.as_expr(i), at), analyzer), {lane}) for i in indices):
            return width
        width //= 2
    return 1


def _divisors(index: Any, var: ir.Var) -> set[int]:
    """Constants by which an index divides what depends on `var`."""
    found = set()
    for node in ir.collect(index, (ir.FloorDiv, ir.Div, ir.RShift)):
        value = ir.const_int(node.b)
        if value is not None and ir.uses_var(node.a, {var}):
            divisor = 1 << value if isinstance(node, ir.RShift) and 0 <= value < 31 else value
            if divisor > 1:
                found.add(divisor)
    return found


def is_aligned(
    buf: ir.Var, indices: Any, width: int, extent: int, analyzer: ir.Analyzer, ctx: LoweringContext, *, together: bool = False
) -> bool:
    """True if `width` elements from `indices` are one aligned vector; with `together`, one that does not cross the end of the
    last dimension."""

    def multiple(value: Any) -> bool:
        if isinstance(value, int):
            return value % width == 0
        return ir.can_prove(value % width == 0, analyzer)

    if extent % width or not multiple(indices[-1]):
        return False
    if buf in ctx.tensors:
        return ctx.tensors[buf].chunk % width == 0
    if ir.scope_of(buf) == "global":
        strides = ir.strides_of(buf)
        if strides[-1] != 1:
            return False
        return all(multiple(s) for s in strides[:-1]) and (not together or multiple(ir.shape_of(buf)[-1]))
    layout = ctx.shared_layout(buf)
    return layout.chunk % width == 0 and layout.columns % width == 0 if hasattr(layout, "columns") else layout.chunk % width == 0


def widest_addition(dtype: str, capability: int) -> int:
    """Neighbouring elements of global memory that one statement adds to atomically, each by itself; 1 where there is no such.

    PTX ISA, "red": f16x2 from sm_70 on, bf16x2 and vectors of f32 from sm_90 on.
    """
    return 4 if dtype == "float16" or capability >= 90 and dtype in ("bfloat16", "float32") else 1
