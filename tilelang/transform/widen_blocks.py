"""Blocks of a second warpgroup, where one warpgroup's registers cannot hold the tiles of its products.

Two accumulators of 128 x 128 (a gate beside what it gates, a float8 product beside its scaled sum) are 256 registers of each of
128 threads, which have 255 for everything: on an H100 the second takes 0.318 ms for 4096 x 4096 x 4096 like that, with 152 bytes
spilled. Who says `threads=128` says how the tiles are spread, and nothing else, unless the program looks at its threads.
"""

from __future__ import annotations

from dataclasses import replace

from .. import ir
from ..target.wgmma import ROWS
from ..tileop.base import as_tile_op
from ..tileop.gemm import Gemm
from .kernel_program import KernelProgram
from .manual_barriers import has_manual_barriers
from .occupancy import ALONE_OVERHEAD, registers_before_layouts
from .register_file import MOST, WARPGROUP
from .resize_tiles import ENABLE, WITHOUT
from .thread_group import group_of
from .units import Unit, units_of

GROUPS = 2


def widen_blocks(program: KernelProgram) -> KernelProgram:
    """The launch with twice as many threads, where its tiles would spill, and half as many registers are enough."""
    threads, limits = program.block[0], program.ctx.target.limits
    if program.config(ENABLE) is False or limits.name != "sm_90a" or any(map(program.config, WITHOUT)):
        return program
    if program.block != (WARPGROUP, 1, 1) or program.min_blocks or program.keep_registers or program.cooperative:
        return program
    if program.cluster != (1, 1, 1) or not _is_spread(program):
        return program
    needed = registers_before_layouts(program.body, threads) + ALONE_OVERHEAD
    gemms = [op for s in ir.collect(program.body, ir.Evaluate) if isinstance(op := as_tile_op(s), Gemm)]
    if needed <= MOST or not gemms or any(op.c.shape[0] % (GROUPS * ROWS) for op in gemms):
        return program
    ctx = program.ctx.copy()
    ctx.num_threads = GROUPS * threads
    ctx.ranges[ctx.tid] = (0, ctx.num_threads)
    wide = replace(program, ctx=ctx, block=(ctx.num_threads, 1, 1))
    if not all(op.runs_on_warpgroups(ctx) for op in gemms):
        return program
    text = f"{ctx.num_threads} threads instead of {threads}: their tiles take about {needed} registers of each"
    ctx.remark(program.span, text, rule="tile", tiles=1, threads=ctx.num_threads)
    return wide


def _once_a_thread(unit: Unit) -> bool:
    """True for a statement of which every thread counts: an addition outside of parallel loops, a line that each prints."""
    alone = isinstance(unit.stmt, ir.Evaluate) and unit.op is None
    return alone and any((ir.call_name(c) or "").startswith(("tl.atomic_", "tl.print")) for c in ir.collect(unit.stmt, ir.Call))


def _is_shared(call: ir.Call) -> bool:
    """True if what a call is about lies in shared memory."""
    return ir.scope_of(call.args[0].source).startswith("shared")


def _is_spread(program: KernelProgram) -> bool:
    """True if nothing but tile operators and parallel loops meets the threads."""
    body = program.body
    if ir.uses_var(body, {*program.thread_vars, program.tid}) or has_manual_barriers(body):
        return False
    if any(map(group_of, ir.collect(body, ir.IfThenElse))) or any(ir.scope_of(b) == "local" for b in ir.declared_buffers(body)):
        return False
    if any(_once_a_thread(u) for u in units_of(body)):
        return False
    calls = [c for c in ir.collect(body, ir.Call) if not ir.is_call(c, "tl.annotate_layout") or not _is_shared(c)]
    if any((ir.call_name(c) or "").startswith(("tl.call_extern", "tl.annotate_layout", "tl.warp_", "tl.shfl")) for c in calls):
        return False
    return not any("tl.loop_layout" in loop.annotations for loop in ir.collect(body, ir.For))
