"""Producer and consumer warps for `T.Pipelined` loops whose tiles TMA can bring; other loops keep to the block's own threads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from math import prod

from .. import ir
from ..errors import UnsupportedError
from ..tileop.tma import ExplicitTensorCopy, TensorLoad
from .join_steps import join_steps
from .kernel_program import KernelProgram
from .manual_barriers import has_manual_barriers
from .persist_blocks import in_order, persistent
from .pipelining.specialize import NotSpecialized, specialize, until_last_load
from .register_file import WARP
from .thread_group import group_of
from .units import units_of

DISABLE = "tl.disable_warp_specialized"
DISABLE_TMA = "tl.disable_tma_lower"


def specialize_warps(program: KernelProgram) -> KernelProgram:
    """Split the launch into a producer's program and the consumers' body; a remark says why where that cannot be."""
    limits = program.ctx.target.limits
    if not limits.has_tma or program.config(DISABLE) or program.config(DISABLE_TMA) or not _has_pipeline(program):
        return program
    try:
        _check_block(program)
        several = persistent(program)
        if several is not None:
            try:
                return _specialized(several)
            except NotSpecialized as refusal:
                program.ctx.remark(refusal.span or program.span, f"no persistent blocks: {refusal.reason}")
        return _specialized(join_steps(in_order(program)))
    except NotSpecialized as refusal:
        if program.resized:
            raise
        program.ctx.remark(refusal.span or program.span, f"no producer warp: {refusal.reason}")
        return program


def _check_block(program: KernelProgram) -> None:
    """Raise NotSpecialized where the launch as a whole has no place for a producer."""
    if program.may_alias or not program.config("tirx.noalias", True):
        raise NotSpecialized("parameters may overlap: what the kernel stores may be what a producer loads ahead")
    if has_manual_barriers(program.body) or any(map(group_of, ir.collect(program.body, ir.IfThenElse))):
        raise NotSpecialized("the author divides the block's threads and orders them")
    early = [call for stmt in until_last_load(program.body) for call in ir.collect(stmt, ir.Call)]
    if any(map(_is_cluster_arrival, early)) or any(ir.is_call(c, "tl.grid_sync") for c in ir.collect(program.body, ir.Call)):
        raise NotSpecialized("all threads of the cluster or the grid meet, a producer's among them")
    threads = program.block[0]
    if program.block[1:] != (1, 1) or threads % WARP or threads + WARP > program.ctx.target.limits.max_threads:
        shape = " x ".join(map(str, program.block))
        raise NotSpecialized(f"a block of {shape} threads has no room for a producer warp")


def _specialized(program: KernelProgram) -> KernelProgram:
    """The launch in two roles, with decisions of its own."""
    ctx = program.ctx.copy()
    extents = [ir.const_int(ir.simplify(ir.as_expr(e))) for e in program.grid]
    known = [e for e in extents if e is not None]
    launch = specialize(program.body, ctx, prod(known) if len(known) == len(extents) else None)
    rings = tuple(launch.rings)
    return replace(program, ctx=ctx, body=launch.consumer, producer=launch.producer, rings=rings, spare_bytes=launch.spare_bytes)


def _is_cluster_arrival(call: ir.Call) -> bool:
    return ir.call_name(call).startswith("tl.cluster_arrive") or ir.call_name(call) == "tl.cluster_sync"


def _has_pipeline(program: KernelProgram) -> bool:
    return any(key in loop.annotations for loop in ir.collect(program.body, ir.For) for key in ("tl.num_stages", "tl.stage"))


class ScheduledCopyRefused(NotSpecialized):
    """A copy that a schedule gave to TMA cannot be done by it."""


def check_tensor_loads(program: KernelProgram) -> KernelProgram:
    """Now that shared layouts are known: the producer's copies, and those of a schedule, are still what TMA can do.

    Raises
    ------
    NotSpecialized
        One is not; the launch has to start over without a producer.
    """
    for unit in units_of(program.producer) if program.producer is not None else ():
        if isinstance(unit.op, TensorLoad):
            with unit.within(program.ctx):
                boxes = unit.op.boxes(program.ctx)
            if isinstance(boxes, str):
                raise NotSpecialized(boxes, unit.stmt.span)
    for unit in units_of(program.body):
        if isinstance(unit.op, ExplicitTensorCopy) and unit.op.scheduled:
            with unit.within(program.ctx):
                try:
                    unit.op.boxes(program.ctx)
                except UnsupportedError as refusal:
                    raise ScheduledCopyRefused(refusal.message, unit.stmt.span) from None
    return program


def ring_tiles(program: KernelProgram) -> set[ir.Var]:
    """The tiles that the producer fills: it may start with the kernel."""
    loads = [] if program.producer is None else units_of(program.producer)
    return {unit.op.dst.source for unit in loads if isinstance(unit.op, TensorLoad)}


def both_roles(step: Callable[[KernelProgram], KernelProgram]) -> Callable[[KernelProgram], KernelProgram]:
    """A pass over the body that is also run over the producer's program, if there is one."""

    @wraps(step)
    def run(program: KernelProgram) -> KernelProgram:
        after = step(program)
        if program.producer is None:
            return after
        return replace(after, producer=step(replace(program, body=program.producer)).body)

    return run
