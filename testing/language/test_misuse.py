"""What a user is told who misuses a name: the exception, its text, the fix and the line of the program.

The tables are by name, and docs/coverage.md counts them. Names whose misuse needs a program of its own are tested beside their
numbers.
"""

from __future__ import annotations

import pytest

import tilelang
import tilelang.language as T
from tilelang.errors import DTypeError, FrontendError, SemanticError, ShapeError, UnsupportedError
from tilelang.frontend.builder import JITNoBuilderError

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def message_of(statement, error, target=SM90) -> str:
    """What is raised by a kernel whose only statement this is."""

    @T.prim_func
    def main(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=128):
            statement(A)

    with pytest.raises(error) as caught:
        tilelang.compile(main, target=target)
    place = caught.value.span
    assert place is not None and place.file == __file__, "the message does not show the line of the program"
    return str(caught.value)


# Functions of values, with as many operands; none takes a whole buffer.
OF_VALUES = {
    1: (
        "__cos __exp __exp10 __log __log10 __log2 __sin __tan abs abs2 acos acosh all_sync any_sync asin asinh atan atanh "
        "ballot ballot_sync bitwise_not ceil clz cos cosh erf evaluate exp10 exp2 fabs fast_rcp floor ieee_frcp ieee_frsqrt "
        "ieee_fsqrt If ignore_loop_partition isfinite isinf isnan likely log log10 log1p log2 match_all_sync nearbyint Not "
        "round rsqrt sigmoid sin sinh sqrt syncthreads_and syncthreads_count syncthreads_or tan tanh trunc "
        "tvm_thread_invariant warp_reduce_bitand warp_reduce_bitor warp_reduce_max warp_reduce_min warp_reduce_sum"
    ),
    2: (
        "Add And atan2 bitwise_and bitwise_or bitwise_xor copysign Div EQ FloorDiv floordiv FloorMod floormod fmod fmul GE "
        "GT hypot ieee_fdiv ieee_sub ldexp LE LT Max max max2 Min min min2 Mod Mul mul2 NE nextafter Or pow shfl_down "
        "shfl_up shfl_xor shift_left shift_right stg256 stg32 stg64 Sub sub2 truncdiv truncmod"
    ),
    3: "__fns BaseTileScheduler clamp fma fma2 ieee_fmaf",
    5: "tvm_warp_shuffle tvm_warp_shuffle_down tvm_warp_shuffle_up",
}
VALUE_CASES = [(name, count) for count, names in OF_VALUES.items() for name in names.split()]


@pytest.mark.parametrize("name, count", VALUE_CASES, ids=[name for name, _ in VALUE_CASES])
def test_a_whole_buffer_as_a_value(name, count):
    text = message_of(lambda A: getattr(T, name)(*[A] * count), DTypeError)
    assert "must be a scalar value, got buffer A" in text and "index it down to one element" in text


# Names that ask about, or act on, the kernel that is being written: their arguments.
IN_KERNELS = {
    "activemask": (), "annotate_consumer_reg_alloc": (), "annotate_producer_reg_dealloc": (), "cluster_arrive": (),
    "cluster_arrive_relaxed": (), "cluster_wait": (), "disable_warp_group_reg_alloc": (), "fence_proxy_async": (),
    "get_block_binding": (), "get_block_bindings": (), "get_block_extents": (), "get_cluster_dims": (), "get_cluster_extents": (),
    "get_cluster_ids": (), "get_lane_idx": (), "get_thread_binding": (), "get_thread_bindings": (), "get_thread_extent": (),
    "get_thread_extents": (), "get_warp_group_idx": (), "get_warp_idx": (), "get_warp_idx_sync": (), "no_set_max_nreg": (),
    "pdl_sync": (), "pdl_trigger": (), "print": ("text",), "ptx_commit_group": (), "ptx_fence_barrier_init": (), "sync_warp": (),
    "tcgen05_after_thread_sync": (), "tcgen05_before_thread_sync": (), "tma_store_arrive": (), "tvm_warp_activemask": (),
    "warpgroup_arrive": (), "warpgroup_commit_batch": (), "inc_max_nreg": (24,), "dec_max_nreg": (24,), "wait_wgmma": (0,),
    "alloc_shared": ((8,), "float32"), "alloc_fragment": ((8,), "float32"), "alloc_local": ((8,), "float32"),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_KERNELS)
def test_outside_a_kernel(name):
    with pytest.raises(JITNoBuilderError) as caught:
        getattr(T, name)(*IN_KERNELS[name])
    assert "outside a kernel" in str(caught.value) and "@T.prim_func" in str(caught.value)


def shared(shape=(8,), dtype="float32"):
    return T.alloc_shared(shape, dtype)


# A statement, the exception, and what its text says.
STATEMENTS = {
    "align_up": (lambda A: T.align_up("8", 4), DTypeError, "T.ceildiv of '8' and 4"),
    "all_of": (lambda A: T.all_of(A[0] > 0), DTypeError, "takes a buffer or a region of one"),
    "alloc_barrier": (lambda A: T.alloc_barrier(0), SemanticError, "how many threads arrive"),
    "alloc_global": (lambda A: T.alloc_global((2.5,), "int32"), DTypeError, "extents are integers"),
    "allocate": (lambda A: T.allocate(("n",), "int32"), DTypeError, "extents are integers"),
    "And": (lambda A: T.And(A, True), DTypeError, "must be a scalar value"),
    "annotate_layout": (lambda A: T.annotate_layout([A]), DTypeError, "takes a dict of buffers to layouts"),
    "assume": (lambda A: T.assume(), DTypeError, "T.assume without a condition"),
    "atomic_addx2": (lambda A: T.atomic_addx2(1.0, A), DTypeError, "must be a buffer, a region or an element"),
    "atomic_addx4": (lambda A: T.atomic_addx4(1.0, A), DTypeError, "must be a buffer, a region or an element"),
    "atomic_and": (lambda A: T.atomic_and(A[0], 1), DTypeError, "bit operations take integers"),
    "atomic_load": (lambda A: T.atomic_load(A), DTypeError, "index it"),
    "atomic_max": (lambda A: T.atomic_max(3, A[0]), DTypeError, "must be a buffer, a region or an element"),
    "atomic_min": (lambda A: T.atomic_min(3, A[0]), DTypeError, "must be a buffer, a region or an element"),
    "atomic_store": (lambda A: T.atomic_store(A, 1), DTypeError, "index it"),
    "atomic_xor": (lambda A: T.atomic_xor(A[0], 1), DTypeError, "bit operations take integers"),
    "break_loop": (lambda A: T.break_loop(), FrontendError, "write it in a loop"),
    "Call": (lambda A: T.Call("float32", "tirx.exp2", A[0]), DTypeError, "the operands of T.Call"),
    "buffer_store": (lambda A: T.buffer_store(1.0, A, [0]), DTypeError, "the first argument is a buffer"),
    "c2d_im2col": (lambda A: T.c2d_im2col(A, shared(), 0, 0, 3, 1, 1, 1), ShapeError, "im2col"),
    "call_pure_extern": (lambda A: T.call_pure_extern("float32", 3), DTypeError, "name must be a string"),
    "Cast": (lambda A: T.Cast("float17", A[0]), DTypeError, "'float17' is not an element type"),
    "cdiv": (lambda A: T.cdiv(A, 4), DTypeError, "arithmetic on the whole buffer A"),
    "ceildiv": (lambda A: T.ceildiv("8", 4), DTypeError, "both sides must be numbers or values"),
    "clear": (lambda A: T.clear("A"), DTypeError, "T.clear takes a buffer or a region of one"),
    "comm_reducer": (lambda A: T.comm_reducer("sum", [0]), DTypeError, "lambda x, y: x + y"),
    "continue_loop": (lambda A: T.continue_loop(), FrontendError, "write it in a loop"),
    "copy": (lambda A: T.copy(A, shared((4,))), ShapeError, "copy extents do not match: A is 8 and shared is 4"),
    "cp_async_barrier_noinc": (lambda A: T.cp_async_barrier_noinc(A), DTypeError, "pass a barrier of T.alloc_barrier"),
    "deallocate_tmem": (lambda A: T.deallocate_tmem(A), SemanticError, "pass a tile of T.alloc_tmem"),
    "dynamic": (lambda A: T.dynamic(8), DTypeError, "a name, or several in one string"),
    "Else": (lambda A: T.Else(), FrontendError, "use it in a for or with statement"),
    "env_thread": (lambda A: T.env_thread("warpIdx.x"), SemanticError, "one of blockIdx.x"),
    "fill": (lambda A: T.fill(A[0] + 1, 0), DTypeError, "must be a buffer or a region of one"),
    "finalize_reducer": (lambda A: T.finalize_reducer(A), DTypeError, "allocate it with T.alloc_reducer"),
    "FloatImm": (lambda A: T.FloatImm("float32", "1"), DTypeError, "a Python number"),
    "FragmentBuffer": (lambda A: T.FragmentBuffer(("n",), "float32"), DTypeError, "extents are integers"),
    "func_attr": (lambda A: T.func_attr("fast"), SemanticError, "give a dict"),
    "func_name": (lambda A: T.func_name("my kernel"), SemanticError, "a name that C++ takes"),
    "GemmWarpPolicy": (
        lambda A: T.gemm(shared((16, 16)), shared((16, 16)), T.alloc_fragment((16, 16), "float32"), policy="Rows"),
        SemanticError, "T.GemmWarpPolicy.Square, FullRow or FullCol",
    ),
    "handle_add_byte_offset": (
        lambda A: T.handle_add_byte_offset(A.data, 6), DTypeError, "6 bytes behind A, whose elements take 4",
    ),
    "isnullptr": (lambda A: T.isnullptr(3), DTypeError, "a T.ptr parameter, a buffer"),
    "iter_var": (lambda A: T.iter_var("i", (0, 8), "CommReduce", ""), UnsupportedError, "loops are for statements"),
    "IterVar": (lambda A: T.IterVar((0, 8), 3, 1, "threadIdx.x"), DTypeError, "a name, or None"),
    "undef": (lambda A: T.undef("float17"), DTypeError, "not an element type"),
    "get_tvm_dtype": (lambda A: T.get_tvm_dtype("float17"), DTypeError, "'float17' is not an element type"),
    "grid": (lambda A: T.grid("n"), DTypeError, "extents are integers"),
    "index_to_coordinates": (lambda A: T.index_to_coordinates("3", [4, 4]), DTypeError, "both sides must be numbers or values"),
    "inline": (lambda A: T.inline(3), FrontendError, "decorate a method of a T.meta_class"),
    "IntImm": (lambda A: T.IntImm("int32", "1"), DTypeError, "a Python number"),
    "is_f8f6f4_family": (lambda A: T.is_f8f6f4_family("float17"), DTypeError, "not an element type"),
    "is_float4": (lambda A: T.is_float4("float17"), DTypeError, "not an element type"),
    "is_float4_e2m1fn": (lambda A: T.is_float4_e2m1fn("float17"), DTypeError, "not an element type"),
    "Kernel": (lambda A: T.Kernel("n"), DTypeError, "grid extent 0 of T.Kernel is 'n'; extents are integers"),
    "ldg128": (lambda A: T.ldg128(3), DTypeError, "pass an element, a region or a buffer"),
    "ldg256": (lambda A: T.ldg256(3), DTypeError, "pass an element, a region or a buffer"),
    "lds128": (lambda A: T.lds128(A), SemanticError, "which is in global"),
    "lds32": (lambda A: T.lds32(A), SemanticError, "use T.ldg32"),
    "lds64": (lambda A: T.lds64(A), SemanticError, "use T.ldg64"),
    "Let": (lambda A: T.Let(3, A[0], A[0]), FrontendError, "makes a variable"),
    "LocalBuffer": (lambda A: T.LocalBuffer(("n",), "float32"), DTypeError, "extents are integers"),
    "loop_break": (lambda A: T.loop_break(), FrontendError, "write it in a loop"),
    "make_mma_swizzle_layout": (lambda A: T.make_mma_swizzle_layout("A_s"), DTypeError, "pass a tile of T.alloc_shared"),
    "max_value": (lambda A: T.max_value("float17"), DTypeError, "not an element type"),
    "mbarrier_arrive": (lambda A: T.mbarrier_arrive(A), DTypeError, "pass a barrier of T.alloc_barrier"),
    "mbarrier_arrive_expect_tx": (lambda A: T.mbarrier_arrive_expect_tx(A, 8), DTypeError, "pass a barrier of T.alloc_barrier"),
    "mbarrier_expect_tx": (lambda A: T.mbarrier_expect_tx(A, 8), DTypeError, "pass a barrier of T.alloc_barrier"),
    "mbarrier_wait_parity": (lambda A: T.mbarrier_wait_parity(A, 0), DTypeError, "pass a barrier of T.alloc_barrier"),
    "mma_gemm_blockscaled": (
        lambda A: T.mma_gemm_blockscaled(
            A, A, A, A, A, k_start=0, sf_a_granularity_k=16, sf_b_granularity_k=16, sf_layout="blocked"
        ), SemanticError, "one of row_major, column_major",
    ),
    "min_value": (lambda A: T.min_value("float17"), DTypeError, "not an element type"),
    "mma_store_index_map": (lambda A: T.mma_store_index_map(A, 0), DTypeError, "arithmetic on the whole buffer A"),
    "Parallel": (lambda A: T.Parallel(), ShapeError, "T.Parallel(n) or T.Parallel(m, n)"),
    "parallel": (lambda A: T.parallel("n"), DTypeError, "extents are integers"),
    "Pipelined": (lambda A: T.Pipelined(4, num_stages="two"), SemanticError, "num_stages"),
    "ptx_arrive_barrier": (lambda A: T.ptx_arrive_barrier(A), DTypeError, "pass a barrier of T.alloc_barrier"),
    "ptx_arrive_barrier_expect_tx": (lambda A: T.ptx_arrive_barrier_expect_tx(A, 8), DTypeError, "pass a barrier"),
    "ptx_arrive_cluster_barrier": (lambda A: T.ptx_arrive_cluster_barrier(A, 0), DTypeError, "pass a barrier"),
    "ptx_cp_async_barrier": (lambda A: T.ptx_cp_async_barrier(A), DTypeError, "pass a barrier of T.alloc_barrier"),
    "ptx_init_barrier_thread_count": (lambda A: T.ptx_init_barrier_thread_count(A, 8), DTypeError, "pass a barrier"),
    "ptx_wait_barrier": (lambda A: T.ptx_wait_barrier(A, 0), DTypeError, "pass a barrier of T.alloc_barrier"),
    "ptx_wgmma_rs": (
        lambda A: T.ptx_wgmma_rs("float32", "m64n7k16", True, "fp16", "fp16", "fp32", A, 0, A, 0, A, 0),
        (SemanticError, UnsupportedError, ShapeError), "m64n7k16",
    ),
    "ptx_wgmma_sp_rs": (
        lambda A: T.ptx_wgmma_sp_rs("float32", "m64n7k32", True, "fp16", "fp16", "fp32", A, 0, A, 0, A, 0, A, 0, 0),
        (SemanticError, UnsupportedError, ShapeError), "m64n7k32",
    ),
    "ramp": (lambda A: T.ramp(0, 1, 1), SemanticError, "give a constant of at least 2"),
    "reduce": (lambda A: T.reduce(A, A, "mean", 0, True), SemanticError, "one of sum, max, min"),
    "reduce_absmax": (lambda A: T.reduce_absmax(A[0], A), (DTypeError, ShapeError), "T.reduce_absmax"),
    "reduce_abssum": (lambda A: T.reduce_abssum(A[0], A), (DTypeError, ShapeError), "T.reduce_abssum"),
    "reduce_bitor": (lambda A: T.reduce_bitor("A", A), DTypeError, "must be a buffer or a region of one"),
    "reduce_bitxor": (lambda A: T.reduce_bitxor("A", A), DTypeError, "must be a buffer or a region of one"),
    "reduce_max": (lambda A: T.reduce_max(shared((8, 4)), shared((4,)), dim=1), ShapeError, "T.reduce_max"),
    "reduce_min": (lambda A: T.reduce_min(shared((8, 4)), shared((4,)), dim=1), ShapeError, "T.reduce_min"),
    "sblock": (lambda A: T.sblock("root"), FrontendError, "use it in a for or with statement"),
    "sblock_alloc_buffer": (lambda A: T.sblock_alloc_buffer(("n",), "int32"), DTypeError, "extents are integers"),
    "sblock_attr": (lambda A: T.sblock_attr("fast"), SemanticError, "give a dict"),
    "Select": (lambda A: T.Select(A, 1, 2), FrontendError, "the buffer A as a condition"),
    "serial": (lambda A: T.serial(0, 4, 0), SemanticError, "the step of T.serial is 0"),
    "Serial": (lambda A: T.Serial("n"), DTypeError, "extents are integers"),
    "SharedBuffer": (lambda A: T.SharedBuffer(("n",), "float32"), DTypeError, "extents are integers"),
    "sts128": (lambda A: T.sts128(3, A[0]), DTypeError, "pass an element, a region or a buffer"),
    "sts64": (lambda A: T.sts64(3, A[0]), DTypeError, "pass an element, a region or a buffer"),
    "symbolic": (lambda A: T.symbolic(8), DTypeError, "a name, or several in one string"),
    "target": (lambda A: T.target("vulkan"), UnsupportedError, 'target="cuda"'),
    "tcgen05_mma_arrive": (lambda A: T.tcgen05_mma_arrive(A), DTypeError, "pass a barrier of T.alloc_barrier"),
    "Then": (lambda A: T.Then(), FrontendError, "use it in a for or with statement"),
    "Unroll": (lambda A: T.Unroll(8, explicit=True, unroll_factor=2), SemanticError, "choose one"),
    "unroll": (lambda A: T.unroll(8, unroll_factor=0), SemanticError, "must be a positive int"),
    "var": (lambda A: T.var("v", "float17"), DTypeError, "not an element type"),
    "vectorhigh": (lambda A: T.vectorhigh("float32x2", A[0]), DTypeError, "half the lanes"),
    "Vectorized": (lambda A: T.Vectorized(T.dynamic("n")), ShapeError, "give a constant"),
    "WarpSpecializeFrame": (lambda A: T.WarpSpecializeFrame(3), SemanticError, "name warpgroups from 0 to 0"),
    "wgmma_gemm": (lambda A: T.wgmma_gemm(A[0], A, A), ShapeError, "pass the buffer, or a slice of it"),
    "wgmma_gemm_sp": (lambda A: T.wgmma_gemm_sp("A", A, A, A), DTypeError, "must be a buffer or a region of one"),
}  # fmt: skip


@pytest.mark.parametrize("name", STATEMENTS)
def test_statements(name):
    statement, error, text = STATEMENTS[name]
    assert text in message_of(statement, error)


# Signatures: what stands in the parameters of a function.
SIGNATURES = {
    "Buffer": (lambda: T.Buffer(("n",), "float32"), DTypeError, "extents are integers"),
    "buffer_decl": (lambda: T.buffer_decl((1.5,), "float32"), DTypeError, "write // instead of /"),
    "buffer_var": (lambda: T.buffer_var("float32", "shared"), DTypeError, "parameters point to global memory"),
    "handle": (lambda: T.handle("float32", "shared"), DTypeError, "parameters point to global memory"),
    "Ptr": (lambda: T.Ptr("float32", "shared"), DTypeError, "parameters point to global memory"),
    "prim_func": (lambda: T.prim_func(3), FrontendError, "decorate a plain function"),
    "Tensor": (lambda: T.Tensor((-1,), "float32"), ShapeError, "extents are not negative"),
    "WSSyncKind": (lambda: T.WSSync("pause", "a"), SemanticError, "one of 'producer_acquire'"),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures(name):
    make, error, text = SIGNATURES[name]
    with pytest.raises(error) as caught:
        make()
    assert text in str(caught.value)
