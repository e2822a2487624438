"""Blocks of longer or shorter tiles than the program's, where a matrix product is held back by them.

A multiprocessor multiplies 64 x n x 16 in n / 2 clocks (16-bit operands), for which it reads 64 x 16 and n x 16 elements from
shared memory, at 128 bytes a clock; the same memory takes in every tile once. A tile of 128 x 128 x 64 needs 32 KB of it written
and 48 KB read: 640 clocks, where its products take 512. One of 128 x 256 x 64 needs 48 KB and 80 KB: 1024, and its products 1024.
An H100 does 523 TFLOP/s with the first and 696 with the second (8192 x 8192 x 8192, fp16). Two blocks on a multiprocessor do not
change that, nor does multicast: the bytes enter it all the same.

So where the tiles of neighbouring blocks are one longer tile (`BlockAxis`), the grid has as many tiles left as there are
multiprocessors, and the estimate of the launch's clocks falls, the launch is rewritten for the longer tile, of a second warpgroup
where one has no room for the sums. And where a grid has fewer tiles than that, shorter ones let more multiprocessors work: 64
tiles of 128 x 256 take 1024 clocks a step, 128 of 128 x 128 take 640. Every element is computed by the same operations in the
same order.

A step of such a loop then has rows of 128 bytes, which are what TMA and wgmma swizzle, where it had shorter ones, or so long
ones that shared memory has no room for the slots of a ring: 128 x 256 x 32 does 584 TFLOP/s, x 64 711, x 128 508.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, prod

from .. import ir
from ..target.wgmma import ROWS
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.gemm import Gemm
from .block_axis import BlockAxis, is_shared_layout
from .block_product import COLUMNS, BlockProduct
from .kernel_program import KernelProgram
from .lone_tile import numbered
from .persist_blocks import ENABLE as PERSISTENT
from .pipelining.specialize import EXACT_STAGES, RESERVE
from .rasterize_blocks import as_written
from .register_file import WARPGROUP
from .stream_k import ENABLE as STREAM_K
from .stream_k import Load, sums_of
from .temporaries import lives_within
from .tile_order import panel_height
from .tile_walk import EvenWalk

# False switches it off.
ENABLE = "tl.enable_tile_resizing"
# With any of these the products are not those of the estimate.
WITHOUT = ("tl.disable_wgmma", "tl.disable_tma_lower", "tl.disable_warp_specialized")
ROW_BITS = 1024  # of the longest swizzle
# 32-bit registers of a thread for sums, warpgroups of a block, and how much the estimate must fall.
SUMS, GROUPS, WORTH = 128, 2, 0.93
# How many of the program's tiles along the columns and rows of the product; shorter ones than LEAST have too little to multiply.
LONGER = tuple((Fraction(x), Fraction(y)) for x, y in ((2, 1), (1, 2), (4, 1), (2, 2), (1, 4), (4, 2), (2, 4)))
SHORTER = tuple((Fraction(1, x), Fraction(1, y)) for x in (1, 2, 4) for y in (1, 2, 4) if x * y > 1)
LEAST = 64
NARROWEST = 16  # columns of a tile whose tensors have fewer: rows of 32 bytes, which TMA stores
ALONE = 128 * 256 * 32  # bits of sums of which a multiprocessor holds one block
SLOTS, ENOUGH = 3, 4  # what the ring needs at least, and what hides the latency of memory


def resize_tiles(program: KernelProgram) -> KernelProgram:
    """The launch with the tiles that take the least time by the estimate."""
    limits = program.ctx.target.limits
    extents = [ir.const_int(ir.simplify(ir.as_expr(e))) for e in program.grid]
    grid = [e for e in extents if e is not None]
    if program.config(ENABLE) is False or limits.name != "sm_90a" or len(grid) < 3 or any(map(program.config, WITHOUT)):
        return program
    if program.min_blocks or program.cluster != (1, 1, 1) or program.cooperative or program.keep_registers:
        return program
    if program.block[1:] != (1, 1) or program.block[0] % WARPGROUP or program.may_alias:
        return program
    loop = _product_loop(program)
    if loop is None or _has_views(program) or ir.uses_var(program.body, set(program.thread_vars)):
        return program
    product = BlockProduct.of(program, loop)
    if product is None:
        return program
    bare = _without_layouts(program, loop)
    cut, product = _cut_lone(bare, product)
    several = cut
    for side in (0, 1):
        found = numbered(several, _loop_of(several), side)
        several = several if found is None or not found[1] else found[0]
    wide = _of_neighbours(several, product, grid)
    wide = (cut, product) if wide is None else (_without_lone(wide[0]), wide[1])
    changed = _with_steps(*wide)
    return changed if changed is not bare else program


def _cut_lone(program: KernelProgram, product: BlockProduct) -> tuple[KernelProgram, BlockProduct]:
    """The launch whose only column or row of tiles is no longer than the tensors, up to what an instruction takes."""
    for side, least in enumerate((NARROWEST, ROWS)):
        found, extent = numbered(program, _loop_of(program), side), (product.n, product.m)[side]
        if found is None or not found[1]:
            continue
        several, length = found
        needed, axes = max(least, 1 << (length - 1).bit_length()), _axes(several)
        shorter = replace(product, m=needed) if side else replace(product, n=needed)
        axis = axes[side]
        if axis is None or needed >= extent or extent % needed or not _threads(several, shorter):
            continue
        times = Fraction(needed, extent)
        text = f"tiles of {shorter.m} x {shorter.n} x {shorter.k}: the tensors have {length} {('columns', 'rows')[side]}"
        cut = _resized(several, (Fraction(1), times) if side else (times, Fraction(1)), axes, shorter, text)
        if cut is None:
            continue
        # Of the tiles that it was cut into only the first holds anything of the tensors.
        x, y, z = (1 if a == axis else extent for a, extent in enumerate(cut.grid))
        program, product = _without_lone(replace(cut, grid=(x, y, z))), shorter
    return program, product


def _without_lone(program: KernelProgram) -> KernelProgram:
    """The launch with zero for its index along axes of one tile."""
    lone = [var for var, extent in zip(program.block_vars, program.grid) if ir.const_int(ir.simplify(ir.as_expr(extent))) == 1]
    for var in lone:
        program.ctx.ranges.pop(var, None)
    return replace(program, body=ir.substitute(program.body, {var: ir.const(0, ir.dtype_of(var)) for var in lone}))


def _has_views(program: KernelProgram) -> bool:
    views = program.ctx.views
    return any(b in views or b in views.values() for b in ir.declared_buffers(program.body))


def _without_layouts(program: KernelProgram, loop: ir.For) -> KernelProgram:
    """The launch without the author's layouts of operands that nothing but the product reads: other tiles cannot have them."""
    copies = [op for s in ir.statements(loop.body) if isinstance(op := as_tile_op(s), Copy)]
    tiles = [op.dst.source for op in copies if lives_within(loop, op.dst.source, _without(program.body))]
    parts = ir.statements(program.body)
    kept = [s for s in parts if not (is_shared_layout(s) and any(s.value.args[0].source.same_as(t) for t in tiles))]
    return program if len(kept) == len(parts) else replace(program, body=ir.seq(kept))


def _without(body: ir.Stmt) -> ir.Stmt:
    return ir.seq(s for s in ir.statements(body) if not is_shared_layout(s))


def _of_neighbours(program: KernelProgram, product: BlockProduct, grid: list[int]) -> tuple[KernelProgram, BlockProduct] | None:
    """The launch whose blocks compute neighbouring tiles as one; None where that does not pay or cannot be."""
    axes, estimate = _axes(program), _Estimate.of(program)
    least = WORTH * estimate.clocks(product, program.block[0], [Fraction(extent) for extent in grid], axes)
    found = []
    for times in (*LONGER, *SHORTER):
        n, m = product.n * times[0], product.m * times[1]
        if any(count != 1 and axis is None for count, axis in zip(times, axes)):
            continue
        tiles = [Fraction(extent) for extent in grid]
        for count, axis in zip(times, axes):
            if axis is not None:
                tiles[axis] /= count
        if any(x.denominator > 1 for x in (n, m, *tiles)) or min(n, m) < min(LEAST, product.n, product.m):
            continue
        other = replace(product, n=int(n), m=int(m))
        threads = _threads(program, other)
        if other.m % ROWS or not threads:
            continue
        if not product.is_plain and threads < GROUPS * WARPGROUP:
            continue  # a warpgroup that unpacks alone has nobody to multiply meanwhile
        clocks = estimate.clocks(other, threads, tiles, axes)
        if clocks < least:
            found.append((clocks, times, other))
    for _, times, other in sorted(found, key=lambda choice: choice[0]):
        resized = _resized(program, times, axes, other)
        if resized is not None:
            return resized, other
    return None


@dataclass(frozen=True)
class _Estimate:
    """How long a launch takes, for products of several sizes: `steps` of the loop (of which only the ratio counts, where nobody
    knows them), and whether blocks may share tiles (`stream_k`)."""

    workers: int
    steps: int
    shared: bool

    @staticmethod
    def of(program: KernelProgram) -> _Estimate:
        loop, workers = _loop_of(program), program.ctx.target.limits.multiprocessors
        steps = ir.const_int(ir.simplify(loop.extent))
        shared = program.config(STREAM_K) is not False and program.config(PERSISTENT) is not False
        return _Estimate(workers, steps or 1, shared and steps is not None and sums_of(program, loop) is not None)

    def clocks(self, product: BlockProduct, threads: int, tiles: list[Fraction], axes: tuple[int | None, int | None]) -> float:
        """Of a launch of so many tiles along its axes."""
        count, sums = int(prod(tiles)), product.m * product.n * product.sum_bits
        columns, rows = (1 if axis is None else int(tiles[axis]) for axis in axes)
        along = product.m * product.loaded[0], product.n * product.loaded[1]
        panel = None if min(columns, rows) == 1 else panel_height(columns, rows, self.workers, *along)
        walk = EvenWalk((columns, rows, count // (columns * rows)), self.workers, panel)
        load = Load(self.steps, product.clocks(threads), sums // 8, *along)
        alone = count < self.workers or sums >= ALONE
        return load.least(walk) if self.shared and alone else load.clocks(walk)


def _axes(program: KernelProgram) -> tuple[int | None, int | None]:
    """The axes of the grid along which a product's columns and rows go on; None where neighbours are not one longer tile."""
    plain, loop = as_written(program), _loop_of(program)
    (sums,) = (op.C.source for s in ir.statements(loop.body) if isinstance(op := as_tile_op(s), Gemm))
    columns = rows = None
    for axis, var in enumerate(plain.block_vars):
        found = BlockAxis.of(plain.body, var)
        dims = set() if found is None else found.dims.get(sums, set())
        columns, rows = axis if dims == {1} else columns, axis if dims == {0} else rows
    return columns, rows


def _threads(program: KernelProgram, product: BlockProduct) -> int:
    """The block's threads for a product, 0 if it has no room."""
    room = program.ctx.target.limits.shared_per_block - RESERVE
    if product.is_plain and product.k > ROW_BITS // product.bits:
        product = product.with_steps(ROW_BITS // product.bits)  # longer ones are cut
    if product.n > COLUMNS or product.slot_bytes * SLOTS + product.computed_bytes > room:
        return 0
    if product.m * product.n <= LEAST * LEAST:
        return WARPGROUP
    for threads in (program.block[0], 2 * program.block[0]):
        if product.registers(threads) <= SUMS and threads <= GROUPS * WARPGROUP:
            return threads
    return 0


def _product_loop(program: KernelProgram) -> ir.For | None:
    """The pipelined loop with all gemms of a launch, one."""
    loops = [s for s in ir.statements(program.body) if isinstance(s, ir.For) and "tl.num_stages" in s.annotations]
    gemms = sum(isinstance(as_tile_op(s), Gemm) for s in ir.collect(program.body, ir.Evaluate))
    return loops[0] if len(loops) == gemms == 1 else None


def _loop_of(program: KernelProgram) -> ir.For:
    """That of a launch which is known to have one."""
    loop = _product_loop(program)
    assert loop is not None
    return loop


def _resized(
    program: KernelProgram,
    times: tuple[Fraction, Fraction],
    axes: tuple[int | None, int | None],
    product: BlockProduct,
    text: str = "",
) -> KernelProgram | None:
    """The launch for blocks of so many tiles along the axes for columns and rows; None where tiles cannot be cut so.

    `text` is what the author is told, if it is not that there are more or fewer blocks.
    """
    plain = as_written(program)
    ctx, grid, body = plain.ctx.copy(), list(plain.grid), plain.body
    for count, axis in zip(times, axes):
        if count == 1 or axis is None:
            continue
        found = BlockAxis.of(body, plain.block_vars[axis])
        if found is None or not found.divides(count.denominator):
            return None
        body, renamed = found.resized(count)
        grid[axis] = int((ir.const_int(ir.simplify(ir.as_expr(grid[axis]))) or 0) / count)
        ctx.ranges[plain.block_vars[axis]] = (0, grid[axis])
        ctx.pipeline_depths = {renamed.get(b, b): n for b, n in ctx.pipeline_depths.items()}
    threads = _threads(program, product)
    ctx.num_threads = threads
    ctx.ranges[ctx.tid] = (0, threads)
    (gemm,) = (op for s in ir.collect(body, ir.Evaluate) if isinstance(op := as_tile_op(s), Gemm))
    if not gemm.runs_on_warpgroups(ctx):
        return None
    shape, count = f"{product.m} x {product.n} x {product.k}", times[0] * times[1]
    if text:
        pass
    elif count > 1:
        text = f"{count} neighbouring tiles to a block, {shape} a step: shared memory moves less for each product"
    else:
        text = f"{1 / count} blocks to a tile, {shape} a step: more multiprocessors have work"
    ctx.remark(program.span, text, rule="tile", tiles=float(count), threads=threads)
    return replace(plain, ctx=ctx, body=body, grid=(grid[0], grid[1], grid[2]), block=(threads, 1, 1), resized=True)


def _with_steps(program: KernelProgram, product: BlockProduct) -> KernelProgram:
    """The launch whose loop goes on by whole rows of a swizzle, where its steps are shorter, or too long for a ring."""
    loop = _loop_of(program)
    room, whole = program.ctx.target.limits.shared_per_block - RESERVE, ROW_BITS // product.bits
    times = Fraction(whole, product.k)
    if not product.is_plain or times == 1 or times < 1 and ENOUGH * product.slot_bytes <= room or program.config(EXACT_STAGES):
        return program
    steps = Fraction(ir.const_int(ir.simplify(loop.extent)) or 0) / times
    if times > 1 and times.denominator > 1 or times < 1 and times.numerator > 1 or steps.denominator > 1 or steps < 2:
        return program
    whole_steps = ir.const_int(loop.min) == 0 and (loop.step is None or ir.const_int(loop.step) == 1)
    found = BlockAxis.of(loop.body, loop.loop_var, sums=True) if whole_steps else None
    if found is None or found.loops or not found.dims:
        return program
    if any(b in program.ctx.pipeline_depths or not lives_within(loop, b, program.body) for b in found.dims):
        return program
    body, renamed = found.resized(times)
    stages = int(loop.annotations["tl.num_stages"])  # of shorter steps the ring takes more where there is room
    stages = max(2, ceil(stages / times)) if times > 1 else stages
    new = ir.For(
        loop.loop_var, loop.min, ir.const(int(steps), ir.dtype_of(loop.loop_var)), loop.kind, body, loop.thread_binding,
        {**loop.annotations, "tl.num_stages": stages}, loop.step, loop.span,
    )  # fmt: skip
    parts: list[ir.Stmt] = []
    for stmt in ir.statements(program.body):
        if isinstance(stmt, ir.AllocBuffer) and stmt.buffer in renamed:
            stmt = ir.alloc(renamed[stmt.buffer], stmt.span)
        parts.append(new if stmt.same_as(loop) else stmt)
    ctx = program.ctx.copy()
    text = f"steps of {whole} along the sum instead of {product.k}: rows of {ROW_BITS // 8} bytes, and slots enough"
    ctx.remark(loop.span, text, rule="step", step=whole, written=product.k)
    return replace(program, ctx=ctx, body=ir.seq(parts), resized=True)
