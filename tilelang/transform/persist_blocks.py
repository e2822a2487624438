"""Let each block of a large matrix product compute several tiles: its producer loads the next tile while this one is stored.

A launch of more tiles than multiprocessors becomes one block a multiprocessor, which walks over the tiles in the order in which
the hardware would have started them:

    for wave in 0 .. ceildiv(tiles - worker, workers):
        tile = wave * workers + worker
        bx, by = tile % columns, tile // columns
        ...

Blocks of a launch are independent and unordered, so that this changes no result. It is done where it can pay: one pipelined loop
of gemms whose accumulators leave no room for a second block on a multiprocessor, and shared memory for the ring and the tiles
of the epilogue side by side. It is off by default: on an H100 a product of 8192^3 in fp16 lost 5 %, because the tile of the
epilogue takes the place of a fourth slot of the ring (benchmark/results); a product of 4096^3 gained 2 %.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.gemm import Gemm
from .heaviest_first import communicates
from .kernel_program import KernelProgram
from .specialize_warps import DISABLE as DISABLE_WARP_SPECIALIZED
from .specialize_warps import DISABLE_TMA

ENABLE = "tl.enable_persistent_blocks"
# 32-bit accumulators a thread from which on two blocks with a producer each do not fit a multiprocessor's registers.
LARGE_ACCUMULATOR = 96
BARRIER_BYTES = 1024


def persist_blocks(program: KernelProgram) -> KernelProgram:
    """The launch with one block a multiprocessor, where that pays."""
    if not program.config(ENABLE) or program.config(DISABLE_WARP_SPECIALIZED) or program.config(DISABLE_TMA):
        return program
    extents = [ir.const_int(ir.simplify(ir.as_expr(e))) for e in program.grid]
    workers = program.ctx.target.limits.multiprocessors
    if any(e is None for e in extents) or not program.ctx.target.limits.has_tma or not workers:
        return program
    grid = [e for e in extents if e is not None]
    tiles = prod(grid)
    fixed = program.min_blocks > 1 or program.cluster != (1, 1, 1) or program.cooperative
    if tiles <= workers or fixed or not _is_large_product(program):
        return program
    return _persistent(program, grid, tiles, workers)


def _is_large_product(program: KernelProgram) -> bool:
    """True for: allocations and scalars, one pipelined loop with all the gemms, and straight code around it."""
    ctx = program.ctx
    parts = ir.statements(program.body)
    loops = [s for s in parts if isinstance(s, ir.For) and "tl.num_stages" in s.annotations]
    if len(loops) != 1 or any(communicates(c) for c in ir.collect(program.body, ir.Call)):
        return False
    if ir.collect(program.body, (ir.Break, ir.Continue, ir.Return, ir.While)):
        return False
    loop = loops[0]
    inside = [as_tile_op(s) for s in ir.collect(loop.body, ir.Evaluate)]
    gemms = [op for op in inside if isinstance(op, Gemm)]
    everywhere = [as_tile_op(s) for s in ir.collect(program.body, ir.Evaluate)]
    if not gemms or len(gemms) != sum(isinstance(op, Gemm) for op in everywhere):
        return False
    accumulators = {op.C.source for op in gemms}
    registers = sum(prod(ir.static_shape(b)) * dtype_bits(ir.buffer_dtype(b)) for b in accumulators) // 32 // ctx.num_threads
    if registers < LARGE_ACCUMULATOR:
        return False
    return _shared_bytes(program, loop) + BARRIER_BYTES <= ctx.target.limits.shared_per_block


def _shared_bytes(program: KernelProgram, loop: ir.For) -> int:
    """What shared tiles take if none shares its bytes with another; tiles filled in the loop once a stage."""
    stages = max(1, int(loop.annotations["tl.num_stages"]))
    copies = [op for s in ir.collect(loop.body, ir.Evaluate) if (op := as_tile_op(s)) is not None and op.may_be_async]
    staged = {op.effects().writes[0].source for op in copies}
    total = 0
    for buf in ir.declared_buffers(program.body):
        if ir.scope_of(buf).startswith("shared"):
            total += prod(ir.static_shape(buf)) * dtype_bits(ir.buffer_dtype(buf)) // 8 * (stages if buf in staged else 1)
    return total


def _persistent(program: KernelProgram, grid: list[int], tiles: int, workers: int) -> KernelProgram:
    ctx, span = program.ctx, program.span
    worker, wave, tile = ir.var("worker"), ir.var("wave"), ir.var("tile")
    ctx.ranges[worker], ctx.ranges[tile] = (0, workers), (0, tiles)
    binds: list[ir.Stmt] = [ir.Bind(tile, wave * workers + worker, span)]
    rest: Any = tile
    for var, extent in zip(program.block_vars, grid):
        if extent > 1:
            binds.append(ir.Bind(var, rest % extent, span))
            ctx.ranges.setdefault(var, (0, extent))
            rest = rest // extent
    parts = ir.statements(program.body)
    allocations = [s for s in parts if isinstance(s, ir.AllocBuffer)]
    work = [s for s in parts if not isinstance(s, ir.AllocBuffer)]
    # ceildiv(tiles - worker, workers): every worker has at least one tile.
    count = ir.FloorDiv(ir.const(tiles + workers - 1) - worker, ir.const(workers))
    loop = ir.For(wave, ir.const(0), count, ir.ForKind.SERIAL, ir.seq([*binds, *work]), span=span)
    axes = worker, ir.var("block_y"), ir.var("block_z")
    ctx.remark(span, f"{tiles} tiles on {workers} persistent blocks", rule="persistent", tiles=tiles, blocks=workers)
    return replace(program, body=ir.seq([*allocations, loop]), grid=(workers, 1, 1), block_vars=axes)
