# ruff: noqa: F401  (everything imported here is the language; __all__ is made of it below)
"""What a kernel author writes, imported as T. Importing it loads neither TVM nor torch."""

from __future__ import annotations

from types import ModuleType as _Module
from typing import Any

from ..frontend.macro import Ref, macro
from ..frontend.prim_func import PrimFuncSource as _Function
from ..frontend.prim_func import prim_func
from .allocate import alloc_fragment, alloc_global, alloc_local, alloc_shared, alloc_var
from .allreduce import CommReducer, attr, comm_reducer, tvm_thread_allreduce
from .annotate import (
    annotate_compile_flags,
    annotate_l2_hit_ratio,
    annotate_layout,
    annotate_min_blocks_per_sm,
    annotate_pass_configs,
    annotate_restrict_buffers,
    annotate_safe_value,
    use_swizzle,
)
from .async_copy import async_copy, ptx_commit_group, ptx_cp_async, ptx_wait_group
from .atomic import (
    atomic_add,
    atomic_addx2,
    atomic_addx4,
    atomic_and,
    atomic_load,
    atomic_max,
    atomic_min,
    atomic_or,
    atomic_store,
    atomic_xor,
)
from .barrier import (
    alloc_barrier,
    barrier_arrive,
    barrier_wait,
    cp_async_barrier_noinc,
    fence_proxy_async,
    mbarrier_arrive,
    mbarrier_arrive_expect_tx,
    mbarrier_expect_tx,
    mbarrier_wait_parity,
    ptx_arrive_barrier,
    ptx_arrive_barrier_expect_tx,
    ptx_arrive_cluster_barrier,
    ptx_cp_async_barrier,
    ptx_fence_barrier_init,
    ptx_init_barrier_thread_count,
    ptx_wait_barrier,
)
from .bits import bitwise_and, bitwise_not, bitwise_or, bitwise_xor, clz, popcount, shift_left, shift_right
from .bits import find_first_set as _find_first_set
from .bits import find_nth_set as _find_nth_set
from .block_scales import gemm_blockscaled, mma_gemm_blockscaled
from .buffer import Element as _Element
from .bulk import create_barriers, create_tma_descriptor, ptx_cp_async_bulk, tma_load
from .cluster import (
    ClusterKernel,
    alloc_cluster_barrier,
    block_rank_in_cluster,
    cluster_arrive,
    cluster_arrive_relaxed,
    cluster_sync,
    cluster_wait,
    get_cluster_dims,
    get_cluster_extent,
    get_cluster_extents,
    get_cluster_id,
    get_cluster_ids,
    get_cluster_size,
    pdl_sync,
    pdl_trigger,
    sync_grid,
)
from .copy import copy
from .copy_cluster import copy_cluster
from .debug import assume, device_assert, evaluate, print
from .descriptor import (
    alloc_descriptor,
    alloc_wgmma_desc,
    increase_descriptor_offset,
    initialize_wgmma_descriptor,
    ptx_wgmma_rs,
    ptx_wgmma_sp_rs,
    ptx_wgmma_sp_ss,
    ptx_wgmma_ss,
)
from .dtypes import NAMES as _DTYPES
from .dtypes import dtype
from .expr import Expr as _Expr
from .extern import access_ptr, address_of, call_extern, import_source
from .fill import clear, fill
from .fixed_point import q_multiply_shift, q_multiply_shift_per_axis
from .gather import c2d_im2col, dp4a, im2col, transpose
from .gemm import GemmWarpPolicy, gemm
from .gemm_sp import gemm_sp, tcgen05_gemm_sp, wgmma_gemm_sp
from .host_call import call_packed
from .ieee import ieee_add, ieee_fdiv, ieee_fmaf, ieee_frcp, ieee_frsqrt, ieee_fsqrt, ieee_mul, ieee_sub
from .kernel import (
    Kernel,
    get_block_binding,
    get_block_bindings,
    get_block_extent,
    get_block_extents,
    get_thread_binding,
    get_thread_bindings,
    get_thread_extent,
    get_thread_extents,
)
from .launch_control import (
    clc_get_first_ctaid_x,
    clc_get_first_ctaid_y,
    clc_get_first_ctaid_z,
    clc_is_canceled,
    clc_try_cancel,
    clc_try_cancel_multicast,
)
from .loops import Parallel, Pipelined, Serial, Unroll, Vectorized, grid, parallel, serial, unroll, vectorized
from .math import (
    FAST as _FAST_MATH,
)
from .math import (
    Cast,
    abs,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cast,
    ceil,
    copysign,
    cos,
    cosh,
    erf,
    exp,
    exp2,
    exp10,
    fabs,
    fast_rcp,
    floor,
    fma,
    fmod,
    fmul,
    hypot,
    infinity,
    isfinite,
    isinf,
    isnan,
    ldexp,
    log,
    log1p,
    log2,
    log10,
    max_value,
    min_value,
    nearbyint,
    nextafter,
    pow,
    reinterpret,
    round,
    rsqrt,
    sigmoid,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    trunc,
)
from .matrix import mma_fill, mma_store, mma_store_index_map, ptx_ldmatrix, ptx_mma, ptx_mma_sp
from .meta_class import inline, meta_class
from .pointer import Ptr, buffer_var, handle, handle_add_byte_offset, isnullptr, make_tensor, make_tensor_from_addr, ptr
from .predicate import all_of, any_of
from .random import rng_init, rng_rand, rng_rand_float
from .reduce import (
    reduce,
    reduce_absmax,
    reduce_abssum,
    reduce_bitand,
    reduce_bitor,
    reduce_bitxor,
    reduce_max,
    reduce_min,
    reduce_sum,
)
from .reducer import alloc_reducer, finalize_reducer, reducer_init, reducer_update
from .scan import cummax, cumsum
from .scheduler import BaseTileScheduler, Persistent, PersistentTileScheduler
from .select import Select, align_up, cdiv, ceildiv, clamp, floordiv, floormod, if_then_else, max, min, truncdiv, truncmod
from .source_kernel import CUDASourceCodeKernel
from .tcgen05_descriptor import alloc_tcgen05_instr_desc, alloc_tcgen05_smem_desc, initialize_tcgen05_descriptor
from .tcgen05_mma import ptx_tcgen05_mma_ss, ptx_tcgen05_mma_ts
from .tensor import StridedTensor, Tensor, const, dynamic, empty, symbolic
from .tensor_memory import (
    alloc_tmem,
    deallocate_tmem,
    tcgen05_after_thread_sync,
    tcgen05_before_thread_sync,
    tcgen05_cp_warpx4,
    tcgen05_gemm,
    tcgen05_gemm_blockscaled,
    tcgen05_mma_arrive,
    tcgen05_sf_warp_transpose,
)
from .tma import tma_copy, tma_store_arrive, tma_store_wait
from .tma_rows import tma_gather4, tma_gather4_bytes, tma_scatter4
from .tvm_blocks import Range, axis, init, reads, sblock, sblock_attr, where, writes
from .tvm_buffers import BufferName as Buffer
from .tvm_buffers import (
    FragmentBuffer,
    LocalBuffer,
    SharedBuffer,
    alloc_buffer,
    decl_buffer,
    index_to_coordinates,
    match_buffer,
    tvm_access_ptr,
    type_annotation,
)
from .tvm_frames import (
    Assert,
    Else,
    If,
    IterVar,
    Then,
    While,
    buffer_store,
    continue_loop,
    env_thread,
    func_attr,
    func_name,
    iter_var,
    launch_thread,
    loop_break,
    thread_binding,
    var,
)
from .tvm_nodes import NODES as _NODES
from .tvm_nodes import (
    Call,
    FloatImm,
    IntImm,
    Let,
    Not,
    StringImm,
    call_intrin,
    call_pure_extern,
    ignore_loop_partition,
    likely,
    tvm_thread_invariant,
)
from .tvm_values import (
    bind,
    get_let_value,
    get_tvm_dtype,
    has_let_value,
    is_f8f6f4_family,
    is_float4,
    is_float4_e2m1_unpacked,
    is_float4_e2m1fn,
    let,
    meta_var,
    target,
    thread_return,
    undef,
    vectorcombine,
    vectorhigh,
    vectorlow,
    void,
    warpgroup_fence_operand,
)
from .vector import Broadcast, Ramp, Shuffle, abs2, add2, extract_lane, fma2, max2, min2, mul2, sub2
from .view import reshape, view
from .warp import (
    activemask,
    all_sync,
    any_sync,
    ballot,
    ballot_sync,
    get_lane_idx,
    get_warp_group_idx,
    get_warp_idx,
    get_warp_idx_sync,
    match_all_sync,
    match_any_sync,
    named_barrier_arrive,
    shfl_down,
    shfl_sync,
    shfl_up,
    shfl_xor,
    shuffle_elect,
    sync_threads,
    sync_warp,
    syncthreads_and,
    syncthreads_count,
    syncthreads_or,
    tvm_storage_sync,
    tvm_warp_activemask,
    tvm_warp_shuffle,
    tvm_warp_shuffle_down,
    tvm_warp_shuffle_up,
    warp_reduce_bitand,
    warp_reduce_bitor,
    warp_reduce_max,
    warp_reduce_min,
    warp_reduce_sum,
)
from .warp_group import (
    WarpSpecialize,
    annotate_consumer_reg_alloc,
    annotate_producer_reg_dealloc,
    dec_max_nreg,
    disable_warp_group_reg_alloc,
    inc_max_nreg,
    no_set_max_nreg,
    set_max_nreg,
    ws,
)
from .warp_matrix import tvm_fill_fragment, tvm_load_matrix_sync, tvm_mma_sync, tvm_store_matrix_sync
from .wgmma import wait_wgmma, warpgroup_arrive, warpgroup_commit_batch, warpgroup_wait, wgmma_gemm
from .wide_access import (
    ldg32,
    ldg64,
    ldg128,
    ldg256,
    lds32,
    lds64,
    lds128,
    stg32,
    stg64,
    stg128,
    stg256,
    sts32,
    sts64,
    sts128,
)
from .wide_access import read_only_load as _read_only_load
from .ws_schedule import (
    WSID,
    WSInstr,
    WSOpRef,
    WSPipeline,
    WSRole,
    WSSchedule,
    WSScope,
    WSSync,
    WSSyncKind,
    annotate_ws_pipeline_depth,
    annotate_ws_schedule,
    ws_op,
)

broadcast, ramp = Broadcast, Ramp
alloc_tcgen05_instruction_desc = alloc_tcgen05_instr_desc
Var = SizeVar = var
PrimExpr, break_loop = _Expr, loop_break
KernelLaunchFrame, WarpSpecializeFrame = Kernel, ws
tvm_call_packed = call_packed
BufferLoad, PrimFunc, AnyDType = _Element, _Function, dtype
buffer_decl, sblock_alloc_buffer, allocate = decl_buffer, alloc_buffer, alloc_buffer
_FAST: dict[str, Any] = {**_FAST_MATH, "__ldg": _read_only_load, "__ffs": _find_first_set, "__fns": _find_nth_set, **_NODES}
globals().update(_DTYPES)  # T.float16, T.int32x4, ...
globals().update(_FAST)  # T.__exp, ...
_ELSEWHERE = {  # names of other packages, imported when they are asked for
    "Layout": "tilelang.layout",
    "Fragment": "tilelang.layout",
    **dict.fromkeys(
        "make_mma_swizzle_layout get_swizzle_layout get_ldmatrix_offset get_mma_micro_size TensorCoreIntrinEmitter"
        " TensorCoreIntrinEmitterWithLadderTransform WGMMATensorCoreIntrinEmitter WGMMADescriptorParams"
        " compute_gmma_descriptor TCGEN05TensorCoreIntrinEmitter TCGEN05DescriptorParams compute_umma_descriptor"
        " SparseTensorCoreIntrinEmitter WGSparseTensorCoreIntrinEmitter".split(),
        "tilelang.cuda.intrinsics",
    ),
}

# Not `annotations` of __future__, nor the modules of this package.
__all__ = [name for name, value in list(globals().items()) if not name.startswith("_") and not isinstance(value, _Module)]
__all__ = sorted({*__all__, *_FAST, *_ELSEWHERE} - {"annotations", "Any"})


def __getattr__(name: str) -> Any:
    if name in _ELSEWHERE:
        from importlib import import_module

        return getattr(import_module(_ELSEWHERE[name]), name)
    from .unavailable import explain

    raise explain(name)
