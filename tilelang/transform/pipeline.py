"""The passes, in order.

A pass takes and returns a `KernelProgram` (one launch). This module is imported at the first compilation, never at
`import tilelang`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from ..errors import ResourceError
from ..tileop import registry as _registry  # noqa: F401 - the operators must be known before the first pass asks
from . import insert_barriers as barriers
from . import plan_shared_memory as arena
from .allocate_tensor_memory import allocate_tensor_memory
from .apply_safe_values import apply_safe_values
from .bind_scalars import bind_scalars
from .bind_views import bind_views
from .check_semantics import check_semantics
from .clear_accumulators import clear_accumulators
from .expand_private import expand_private
from .expand_reducers import expand_reducers
from .expand_sparse import expand_sparse
from .fence_async_proxy import fence_async_proxy
from .find_stored_tensors import find_stored_tensors
from .finish_products import finish_products
from .finish_stores import finish_stores
from .flatten_buffers import flatten_buffers
from .group_threads import group_threads
from .grow_fragments import grow_fragments
from .heaviest_first import heaviest_first
from .infer_layouts import infer_layouts
from .join_roles import join_roles
from .kernel_program import KernelProgram
from .lower_tile_operators import lower_producer, lower_tile_operators
from .manual_barriers import initialise_barriers
from .overlap_gemms import overlap_gemms
from .pack_sub_byte import pack_sub_byte
from .persist_blocks import ENABLE as PERSISTENT_BLOCKS
from .pipelining.lower_pipelines import lower_pipelines as lower_pipelined_loops
from .pipelining.specialize import MORE_RESERVE, NotSpecialized
from .print_once import print_once
from .report_code import report_code
from .resize_tiles import ENABLE as TILE_RESIZING
from .resize_tiles import resize_tiles
from .roll_spilled_loops import roll_spilled_loops
from .schedule.materialize import NO_TMA as SCHEDULE_WITHOUT_TMA
from .schedule.materialize import materialize_schedule
from .show_layouts import show_layouts
from .simplify import simplify
from .specialize_warps import DISABLE as DISABLE_WARP_SPECIALIZED
from .specialize_warps import ScheduledCopyRefused, both_roles, check_tensor_loads, ring_tiles, specialize_warps
from .stage_stores import stage_stores
from .store_by_warpgroups import store_by_warpgroups
from .stream_k import ENABLE as STREAM_K
from .stream_k import NotShared, check_slots
from .uniform_branches import uniform_branches
from .vectorize_loops import vectorize_loops
from .widen_blocks import widen_blocks
from .widen_indices import widen_indices

Pass = Callable[[KernelProgram], KernelProgram]


def lower_pipelines(program: KernelProgram) -> KernelProgram:
    """`T.Pipelined` loops become prologues and steady loops of asynchronous copies."""
    return replace(program, body=lower_pipelined_loops(program.body, program.ctx))


def plan_shared_memory(program: KernelProgram) -> KernelProgram:
    """Every shared buffer gets its place in one arena."""
    try:
        return replace(program, shared_plan=arena.plan_shared_memory(program.body, program.ctx, ring_tiles(program)))
    except ResourceError as error:
        if program.producer is None:
            raise
        raise NotSpecialized(f"{error.message} with it", program.span, error.excess) from None


def insert_barriers(program: KernelProgram) -> KernelProgram:
    """`tl.sync_threads` between units whose effects conflict."""
    plan = program.shared_plan
    assert plan is not None, "the shared plan comes first: aliasing decides about barriers"
    return replace(program, body=barriers.insert_barriers(program.body, program.ctx, plan, program.thread_vars))


CUDA: tuple[Pass, ...] = (
    # what the program says
    apply_safe_values,
    expand_reducers,
    check_semantics,
    expand_sparse,
    pack_sub_byte,
    bind_views,
    grow_fragments,
    expand_private,
    bind_scalars,
    materialize_schedule,
    group_threads,
    initialise_barriers,
    # how its work is arranged
    resize_tiles,
    widen_blocks,
    find_stored_tensors,
    heaviest_first,
    stage_stores,
    specialize_warps,
    lower_pipelines,
    allocate_tensor_memory,
    infer_layouts,
    check_tensor_loads,
    check_slots,
    clear_accumulators,
    finish_products,
    overlap_gemms,
    store_by_warpgroups,
    plan_shared_memory,
    insert_barriers,
    fence_async_proxy,
    finish_stores,
    # what each operator becomes
    print_once,
    lower_tile_operators,
    lower_producer,
    vectorize_loops,
    roll_spilled_loops,
    # plain device code
    both_roles(simplify),
    both_roles(widen_indices),
    flatten_buffers,
    join_roles,
    uniform_branches,
    # what the author is told
    report_code,
    show_layouts,
)


def run_passes(program: KernelProgram, passes: Sequence[Pass] = CUDA) -> KernelProgram:
    """Run passes over one launch.

    Where persistent blocks or a producer warp turn out not to fit (the shared layouts or the size of shared memory), the launch
    starts over with fewer slots of their ring, if those are what is too many, or without them.
    """
    start, ctx = program, program.ctx.copy()
    try:
        for step in passes:
            program = step(program)
        return program
    except NotSpecialized as refusal:
        if 0 < refusal.excess <= program.spare_bytes and MORE_RESERVE not in ctx.pass_configs:
            ctx.pass_configs = {**ctx.pass_configs, MORE_RESERVE: refusal.excess}
            return run_passes(replace(start, ctx=ctx), passes)
        what, change = "producer warp", {DISABLE_WARP_SPECIALIZED: True}
        if isinstance(refusal, ScheduledCopyRefused):
            what, change = "TMA for the copies of the schedule", {SCHEDULE_WITHOUT_TMA: True}
        elif isinstance(refusal, NotShared):
            what, change = "tiles that blocks share", {STREAM_K: False}
        elif program.resized:
            what, change = "tiles of another size", {TILE_RESIZING: False}
        elif program.persistent:
            what, change = "persistent blocks", {PERSISTENT_BLOCKS: False}
        ctx.remark(refusal.span or program.span, f"no {what}: {refusal.reason}")
        ctx.pass_configs = {**ctx.pass_configs, **change}
        return run_passes(replace(start, ctx=ctx), passes)
