"""How many blocks a multiprocessor will hold, estimated from the tiles of a launch before ptxas has seen it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import prod

from .. import ir
from ..target import Arch
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.copy import Copy
from ..tileop.gemm import FRAGMENT, Gemm
from .kernel_program import KernelProgram
from .register_file import WARP, blocks_side_by_side, consumer_registers

# Registers beside tiles, as ptxas has been seen to take them (addresses, counters, row scalars): beside a producer, alone, and
# the least without which it certainly spills.
OVERHEAD, ALONE_OVERHEAD, LEAST_OVERHEAD = 32, 20, 16
SMALL_TILE = 8  # registers; its conversion does not count
VERSIONS = 3  # of a shared tile that is computed beside the products that read its predecessor


def tile_bytes(buf: ir.Var) -> int:
    return prod(ir.static_shape(buf)) * dtype_bits(ir.buffer_dtype(buf)) // 8


def blocks_by_shared(bytes_of_block: int, limits: Arch) -> int:
    """Blocks of so much shared memory, each with what the system takes."""
    return limits.shared_per_sm // (bytes_of_block + limits.shared_reserved)


def blocks_before_layouts(body: ir.Stmt, consumers: int) -> int:
    """Blocks of so many threads and a producer warp that registers leave room for, as if every tile were spread evenly."""
    return blocks_side_by_side(consumers + WARP, registers_before_layouts(body, consumers) + OVERHEAD)


def registers_before_layouts(body: ir.Stmt, threads: int) -> int:
    """32-bit registers of a thread that hold tiles at once, as if every tile were spread evenly."""
    fragments = {b for b in ir.declared_buffers(body) if ir.scope_of(b) == FRAGMENT}
    return _registers(body, fragments, lambda b: tile_bytes(b) // 4 // threads)


def tile_registers(program: KernelProgram, rotated: bool = False) -> int:
    """32-bit registers of a thread that hold tiles at once.

    A tile that is only ever copied from another one (converted) takes the place of what it is made from, but not in a loop
    that is `rotated`: there its products run while the other one is made anew.
    """
    ctx = program.ctx
    fragments = {b for b in ir.declared_buffers(program.body) if b in ctx.fragments}

    def size(buf: ir.Var) -> int:
        return ctx.fragments[buf].local_size * dtype_bits(ir.buffer_dtype(buf)) // 32

    return _registers(program.body, fragments, size, rotated)


def blocks_with_producer(program: KernelProgram, rotated: bool = False) -> int:
    """Blocks of the launch's threads and a producer warp side by side."""
    return _blocks(program, program.ctx.num_threads + WARP, tile_registers(program, rotated) + OVERHEAD)


def _blocks(program: KernelProgram, threads: int, registers: int) -> int:
    ctx = program.ctx
    shared = sum(ctx.shared_layout(b).bytes for b in ir.declared_buffers(program.body) if ir.scope_of(b).startswith("shared"))
    by_shared = ctx.target.limits.shared_per_block // max(1, shared - program.spare_bytes)
    return max(1, min(by_shared, blocks_side_by_side(threads, registers)))


def producer_halves_occupancy(program: KernelProgram) -> bool:
    """True if a producer warp costs half of the blocks of a multiprocessor, or more."""
    alone = _blocks(program, program.ctx.num_threads, tile_registers(program) + ALONE_OVERHEAD)
    return alone >= 2 * blocks_with_producer(program)


def rotation_pays(program: KernelProgram) -> bool:
    """True if a rotated loop's registers fit a thread, and leave as many blocks side by side."""
    if tile_registers(program, rotated=True) + LEAST_OVERHEAD > consumer_registers(program.ctx.num_threads):
        return False
    return program.persistent or blocks_with_producer(program, rotated=True) == blocks_with_producer(program)


def blocks_of_grid(program: KernelProgram) -> int | None:
    """Blocks that a multiprocessor gets where all start at once; None if the grid is not known."""
    extents = [ir.const_int(ir.simplify(ir.as_expr(e))) for e in program.grid]
    blocks = prod(e for e in extents if e is not None)
    return None if None in extents else max(1, -(-blocks // program.ctx.target.limits.multiprocessors))


def registers_pay(program: KernelProgram, more: int) -> bool:
    """True if so many registers more, for tiles, fit a thread, and leave two blocks side by side where there were two or more."""
    tiles, threads = tile_registers(program) + more, program.ctx.num_threads
    if tiles + OVERHEAD > consumer_registers(threads):
        return False
    wanted = min(2, blocks_with_producer(program), blocks_of_grid(program) or 2)
    return program.persistent or _blocks(program, threads + WARP, tiles + OVERHEAD) >= wanted


def _registers(body: ir.Stmt, fragments: set[ir.Var], size: Callable[[ir.Var], int], rotated: bool = False) -> int:
    ops = [op for s in ir.collect(body, ir.Evaluate) if (op := as_tile_op(s)) is not None]
    copies = [op for op in ops if isinstance(op, Copy)]
    converted = {op.dst.source for op in copies if op.src.source in fragments and op.dst.source in fragments}
    # A tile that is computed and copied away goes through a few registers at a time.
    read = {load.source for loop in ir.collect(body, ir.For) for load in ir.collect(loop, ir.BufferLoad)}
    used = {r.source for op in ops if not isinstance(op, Copy) for r in (*op.effects().reads, *op.effects().writes)}
    filled = {op.dst.source for op in copies}
    passing = {op.src.source for op in copies if ir.scope_of(op.dst.source) != FRAGMENT} - read - used - filled
    counted = {b for b in fragments - passing if rotated or b not in converted or size(b) < SMALL_TILE}
    return sum(map(size, counted))


def computed_operands(body: ir.Stmt, staged: Collection[ir.Var]) -> set[ir.Var]:
    """Shared tiles that a loop computes for its gemms: there are `VERSIONS` of them while products are under way."""
    gemms = [op for s in ir.collect(body, ir.Evaluate) if isinstance(op := as_tile_op(s), Gemm)]
    operands = {r.source for op in gemms for r in (op.A, op.B) if ir.scope_of(r.source).startswith("shared")}
    copied = {op.dst.source for s in ir.collect(body, ir.Evaluate) if isinstance(op := as_tile_op(s), Copy)}
    stored = {s.buffer for s in ir.collect(body, ir.BufferStore)}
    return operands & (copied | stored) - set(staged)
