"""How many blocks a multiprocessor will hold, estimated from the tiles of a launch before anything is placed.

CUDA C++ Programming Guide, "Compute Capabilities": 65536 registers and the shared memory of a multiprocessor are divided
among its blocks; registers go to whole groups of four warps.
"""

from __future__ import annotations

from .. import ir
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.copy import Copy
from .join_roles import PRODUCER_THREADS
from .kernel_program import KernelProgram

REGISTERS = 65536
# Registers beside tiles: addresses, loop counters, scalars of a row.
OVERHEAD = 20


def tile_registers(program: KernelProgram) -> int:
    """32-bit registers of a thread that hold tiles at once.

    A tile that is only ever copied from another one (converted) takes the place of what it is made from.
    """
    ctx = program.ctx
    fragments = {b for b in ir.declared_buffers(program.body) if b in ctx.fragments}
    copies = [op for s in ir.collect(program.body, ir.Evaluate) if isinstance(op := as_tile_op(s), Copy)]
    converted = {op.dst.source for op in copies if op.src.source in fragments and op.dst.source in fragments}
    kept = [b for b in fragments if b not in converted or ctx.fragments[b].local_size < 8]
    return sum(ctx.fragments[b].local_size * dtype_bits(ir.buffer_dtype(b)) for b in kept) // 32


def blocks_per_multiprocessor(program: KernelProgram, threads: int) -> int:
    """Blocks of `threads` threads side by side, by registers and shared memory."""
    ctx = program.ctx
    shared = sum(ctx.shared_layout(b).bytes for b in ir.declared_buffers(program.body) if ir.scope_of(b).startswith("shared"))
    by_shared = ctx.target.limits.shared_per_block // max(1, shared - program.spare_bytes)
    groups = -(-threads // 128) * 128
    by_registers = REGISTERS // (groups * (tile_registers(program) + OVERHEAD))
    return max(1, min(by_shared, by_registers))


def producer_halves_occupancy(program: KernelProgram) -> bool:
    """True if a producer warpgroup costs half of the blocks of a multiprocessor, or more."""
    consumers = program.ctx.num_threads
    alone = blocks_per_multiprocessor(program, consumers)
    return alone >= 2 * blocks_per_multiprocessor(program, consumers + PRODUCER_THREADS)
