"""Let each block of a large matrix product compute several tiles: its producer loads the next tile while this one is stored.

A launch of more tiles than multiprocessors becomes one block a multiprocessor, which walks over the tiles in the order in which
hardware would have started them:

    for wave in 0 .. ceildiv(tiles - worker, workers):
        tile = wave * workers + worker
        bx, by = tile % columns, tile // columns
        ...

or, for tiles that share what they load along both axes, through panels of rows (`tile_order`), or, where the work grows along one
axis of the grid (causal attention), in pairs of equal work (`tile_walk`).

Blocks of a launch are independent and unordered, so that this changes no result. It is done where it pays: one pipelined loop
of gemms whose tiles leave no room for a second block on a multiprocessor, and shared memory for the ring and the tiles
of the epilogue side by side. To that end tiles on their way out are cut into pieces (`split_stores`), as far as the ring would
otherwise have too few slots to hide the latency of memory.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from .. import ir
from ..target.wgmma import ROWS
from ..tileop.base import as_tile_op
from ..tileop.gemm import Gemm
from .heaviest_first import communicates, inlined, work_growth
from .kernel_program import KernelProgram
from .occupancy import VERSIONS, blocks_before_layouts, blocks_by_shared, computed_operands, tile_bytes
from .pipelining.specialize import MAX_SLOTS, MORE_RESERVE, RESERVE
from .rasterize_blocks import Scalars, as_written, in_panels
from .register_file import WARPGROUP
from .split_stores import StagedStore, split_stores, staged_stores
from .step_clocks import step_clocks
from .stream_k import StreamWalk, shared_work, stream_walk
from .tile_order import panel_rows
from .tile_walk import EvenWalk, PairedWalk, Walk

# False switches it off.
ENABLE = "tl.enable_persistent_blocks"
PIECES = (1, 2, 3, 4)
# From the request to the arrival of a tile while all multiprocessors load: what the slots that wait must last.
LOAD_CLOCKS = 2500


def persistent(program: KernelProgram) -> KernelProgram | None:
    """The launch with one block a multiprocessor; None where that does not pay or cannot be."""
    if program.config(ENABLE) is False:
        return None
    limits = program.ctx.target.limits
    extents = [ir.const_int(ir.simplify(ir.as_expr(e))) for e in program.grid]
    grid = [e for e in extents if e is not None]
    if len(grid) < len(extents):
        return None
    few = prod(grid) <= limits.multiprocessors  # then blocks can only share them
    if program.min_blocks > 1 or program.cluster != (1, 1, 1) or program.cooperative or not limits.has_tma:
        return None
    loop = _product_loop(program)
    walk = None if loop is None else _walk(program, loop, grid, limits.multiprocessors)
    if loop is None or walk is None:
        return None
    stores = staged_stores(program.body)
    pieces = _pieces(program, loop, stores, few)
    if pieces is None:
        return None
    if isinstance(walk, EvenWalk):
        plain = as_written(program)
        panel = panel_rows(plain, loop, walk.grid, walk.workers)
        if panel is not None:
            program, walk = plain, EvenWalk(walk.grid, walk.workers, panel)
        walk = stream_walk(program, loop, walk) or walk
    if few and not isinstance(walk, StreamWalk):
        return None
    return _persistent(program, loop, walk, stores, pieces)


def in_order(program: KernelProgram) -> KernelProgram:
    """A product of one tile a block whose author asked for no order: its blocks start in panels (`tile_order`)."""
    extents = [ir.const_int(ir.simplify(ir.as_expr(e))) for e in program.grid]
    grid = tuple(e for e in extents if e is not None)
    limits = program.ctx.target.limits
    at_once = limits.multiprocessors * max(1, blocks_before_layouts(program.body, program.ctx.num_threads))
    if program.raster is not None or len(grid) < 3 or prod(grid) <= at_once or program.cluster != (1, 1, 1):
        return program
    loop = None if program.cooperative else _product_loop(program)
    if loop is None or not isinstance(_walk(program, loop, list(grid), limits.multiprocessors), EvenWalk):
        return program
    panel = panel_rows(program, loop, grid, at_once)
    if panel is None:
        return program
    ctx = program.ctx.copy()
    ctx.remark(program.span, f"blocks start in panels of {panel} rows of tiles", rule="order", panel=panel)
    return in_panels(replace(program, ctx=ctx), panel, "row", program.span)


def _product_loop(program: KernelProgram) -> ir.For | None:
    """The loop of a launch of allocations and scalars, one pipelined loop with all the gemms, and straight code around it."""
    loops = [s for s in ir.statements(program.body) if isinstance(s, ir.For) and "tl.num_stages" in s.annotations]
    if len(loops) != 1 or any(communicates(c) for c in ir.collect(program.body, ir.Call)):
        return None
    if ir.contains(program.body, (ir.Break, ir.Continue, ir.Return, ir.While)):
        return None
    inside = [as_tile_op(s) for s in ir.collect(loops[0].body, ir.Evaluate)]
    gemms = [op for op in inside if isinstance(op, Gemm)]
    everywhere = [as_tile_op(s) for s in ir.collect(program.body, ir.Evaluate)]
    if not gemms or len(gemms) != sum(isinstance(op, Gemm) for op in everywhere):
        return None
    return loops[0]


# ---------------------------------------------------------------------- shared memory


def _pieces(program: KernelProgram, loop: ir.For, stores: list[StagedStore], few: bool) -> int | None:
    """Into how many pieces the epilogue's tiles are cut to leave the ring the slots it needs; None if no number does."""
    copies = [op for s in ir.collect(loop.body, ir.Evaluate) if (op := as_tile_op(s)) is not None and op.may_be_async]
    staged = {op.effects().writes[0].source for op in copies if ir.scope_of(op.effects().reads[0].source) == "global"}
    computed = computed_operands(loop.body, staged)
    shared = [b for b in ir.declared_buffers(program.body) if ir.scope_of(b).startswith("shared")]
    size = {b: tile_bytes(b) * (VERSIONS if b in computed else 1) for b in shared}
    ring = sum(n for b, n in size.items() if b in staged)
    if not ring:
        return None
    limits = program.ctx.target.limits
    room = limits.shared_per_block - RESERVE - int(program.config(MORE_RESERVE, 0))
    out = {s.tile for s in stores}
    before = sum(n for b, n in size.items() if b not in staged and b not in out)
    stages = int(loop.annotations["tl.num_stages"])
    by_shared = blocks_by_shared(RESERVE + before + stages * ring, limits)
    if not few and min(by_shared, blocks_before_layouts(program.body, program.ctx.num_threads)) > 1:
        return None  # blocks side by side hide each other's ends
    extent = ir.const_int(ir.simplify(loop.extent))
    alone = min((room - before) // ring, MAX_SLOTS, MAX_SLOTS if extent is None else extent)
    needed = 1 + -(-LOAD_CLOCKS // max(1, step_clocks(loop.body)))
    wanted = max(stages, min(alone, needed))
    rows = min(op.c.shape[0] for s in ir.collect(loop.body, ir.Evaluate) if isinstance(op := as_tile_op(s), Gemm))
    by_columns = rows // ROWS < program.ctx.num_threads // WARPGROUP  # so that a piece would be one warpgroup's
    for pieces in PIECES[:1] if by_columns else PIECES:
        beside = before + sum(size[s.tile] // (pieces if s.divides(pieces) else 1) for s in stores)
        if (room - beside) // ring >= wanted:
            return pieces
    return None


# ---------------------------------------------------------------------- order


def _walk(program: KernelProgram, loop: ir.For, grid: list[int], workers: int) -> Walk | None:
    """None where tiles differ in work in a way that only the hardware's scheduler can balance."""
    growth = work_growth(program)
    uneven = [axis for axis, signs in enumerate(growth) if signs - {0}]
    if not uneven:
        return EvenWalk(tuple(grid), workers)
    axis = uneven[0]
    if len(uneven) > 1 or growth[axis] - {0} not in ({1}, {-1}) or grid[axis] % 2 or prod(grid) <= 2 * workers:
        return None
    walk = PairedWalk(tuple(grid), workers, axis, growth[axis] - {0} == {1}, _costs(program, loop, axis, grid[axis]))
    return walk.balanced()


def _costs(program: KernelProgram, loop: ir.For, axis: int, extent: int) -> tuple[int, ...] | None:
    """The loop's steps for each index of a block axis; None where they are no constants, or other loops differ, too."""
    var = program.block_vars[axis]
    binds = {b.var: b.value for b in ir.collect(program.body, ir.Bind)}
    steps = inlined(loop.extent, binds)
    others = [x for x in ir.collect(program.body, ir.For) if not x.same_as(loop) and ir.uses_var(inlined(x.extent, binds), {var})]
    found = [ir.const_int(ir.simplify(ir.substitute(steps, {var: ir.const(i, ir.dtype_of(var))}))) for i in range(extent)]
    costs = tuple(n for n in found if n is not None)
    return costs if len(costs) == extent and not others else None


def _persistent(program: KernelProgram, product: ir.For, walk: Walk, stores: list[StagedStore], pieces: int) -> KernelProgram:
    ctx, span = program.ctx.copy(), program.span
    program = replace(program, ctx=ctx)
    tiles, blocks = prod(walk.grid), walk.blocks
    worker, wave = ir.var("worker"), ir.var("wave")
    ctx.ranges[worker] = (0, blocks)
    scalars = Scalars(ctx.ranges, span)
    turn = walk.turn(worker, wave, scalars) if isinstance(walk, StreamWalk) else None
    indices = walk.place(worker, wave, scalars) if turn is None else turn.indices
    binds: list[ir.Stmt] = [*scalars.binds]
    for var, index, extent in zip(program.block_vars, indices, walk.grid):
        ctx.ranges.setdefault(var, (0, extent))
        if extent > 1:
            binds.append(ir.Bind(var, index, span))
    parts = split_stores(ir.statements(program.body), stores, pieces)
    allocations = [s for s in parts if isinstance(s, ir.AllocBuffer)]
    work = [s for s in parts if not isinstance(s, ir.AllocBuffer)]
    if isinstance(walk, StreamWalk) and turn is not None:
        work, program = shared_work(program, product, work, walk, turn)
    loop = ir.For(wave, ir.const(0), walk.count(worker), ir.ForKind.SERIAL, ir.seq([*binds, *work]), span=span)
    axes = worker, ir.var("block_y"), ir.var("block_z")
    cut = "" if pieces == 1 else f"; tiles go out in {pieces} pieces"
    text = f"{tiles} tiles on {blocks} persistent blocks{walk.text}{cut}"
    ctx.remark(span, text, rule="persistent", tiles=tiles, blocks=blocks, pieces=pieces)
    body = ir.seq([*allocations, loop])
    return replace(program, body=body, grid=(blocks, 1, 1), block_vars=axes, persistent=True)
