"""Producer and consumers become one kernel: barriers initialised, one branch a role, barriers of the block among consumers.

if (tx == 0) { mbarrier_init(...); fence_mbarrier_init(); }
sync_threads();
if (tx >= 256) { if (tx == 256) { producer } }
else           { consumers }

The producer is one warp. Where the consumers' tiles need more registers than an even share, it is a warpgroup that gives its own
back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import dtype_bits
from .group_barriers import GroupBarriers
from .kernel_program import KernelProgram
from .register_file import PRODUCER_REGISTERS, WARP, WARPGROUP, consumer_registers, share
from .thread_group import ThreadGroup

# Registers beside tiles from which on warpgroups trade: addresses, loop counters, what a softmax row needs.
SOFTMAX_OVERHEAD = 40


def join_roles(program: KernelProgram) -> KernelProgram:
    """The program of all threads; what has no producer stays as it is."""
    if program.producer is None:
        return program
    ctx, consumers = program.ctx, program.ctx.num_threads
    arrays, body = _arrays(program.body)
    body = GroupBarriers(body).of(ThreadGroup(0, consumers), body)
    span = program.span
    maps = [ir.address_of(ir.load(buf, [0])) for buf in ctx.tensor_maps.values()]
    prefetch = [ir.evaluate(ir.call("tl.tma_prefetch", [address], span=span), span) for address in maps]
    one = ir.IfThenElse(ir.as_expr(ctx.tid) == consumers, ir.seq([*prefetch, program.producer]), None, span)
    give, take = _registers(program)
    producer = ir.seq([*_set_registers("decrease", give, span), one])
    body = ir.seq([*_set_registers("increase", take, span), body])
    roles = ir.IfThenElse(ir.as_expr(ctx.tid) >= consumers, producer, body, span)
    threads = consumers + (WARPGROUP if give else WARP)
    ctx.ranges[ctx.tid] = (0, threads)
    ctx.num_threads = threads
    return replace(
        program,
        body=ir.seq([*arrays, *_initialise(program, consumers // WARP), roles]),
        block=(threads, 1, 1),
        producer=None,
    )


def _arrays(body: ir.Stmt) -> tuple[list[ir.Stmt], ir.Stmt]:
    """The per-thread arrays at the top of a body, and the rest: arrays are declared at function scope."""
    parts = ir.statements(body)
    count = next((i for i, s in enumerate(parts) if not isinstance(s, ir.AllocBuffer)), len(parts))
    return parts[:count], ir.seq(parts[count:])


def _initialise(program: KernelProgram, warps: int) -> list[ir.Stmt]:
    """One thread initialises every barrier; then all threads may use them."""

    def init(barrier: ir.Var, slot: int, count: int) -> ir.Stmt:
        at = ir.address_of(ir.load(barrier, [slot]))
        return ir.evaluate(ir.call("tl.mbarrier_init", [at, ir.const(count, "int32")]))

    inits = [
        init(barrier, slot, count)
        for ring in program.rings
        for barrier, count in ((ring.full, 1), (ring.empty, warps))
        for slot in range(ring.slots)
    ]
    fence = ir.evaluate(ir.call("tl.fence_mbarrier_init"))
    first = ir.IfThenElse(ir.as_expr(program.tid) == 0, ir.seq([*inits, fence]), None, program.span)
    return [first, ir.evaluate(ir.call("tl.sync_threads"))]


def _registers(program: KernelProgram) -> tuple[int, int]:
    """Registers of a producer's and a consumer's thread where they trade them; zeros where the launch's even share will do.

    Registers move between whole warpgroups, so that the producer then is one; otherwise it is a warp. A block whose warpgroups
    trade has the multiprocessor for itself, so this is for kernels that would spill.
    """
    consumers, limits = program.ctx.num_threads, program.ctx.target.limits
    even = share(consumers + WARP)
    tiles = sum(int(array.ty.shape[0]) * dtype_bits(ir.buffer_dtype(array)) for array in program.ctx.registers.values()) // 32
    if limits.name != "sm_90a" or program.keep_registers or program.min_blocks > 1 or tiles + SOFTMAX_OVERHEAD <= even:
        return 0, 0
    taken = consumer_registers(consumers)
    return (PRODUCER_REGISTERS, taken) if taken > even and consumers + WARPGROUP <= limits.max_threads else (0, 0)


def _set_registers(way: str, count: int, span: Any) -> list[ir.Stmt]:
    if not count:
        return []
    return [ir.evaluate(ir.call(f"tl.set_max_registers_{way}", attrs={"template": [str(count)]}, span=span))]
