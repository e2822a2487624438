"""wgmma by hand: descriptors, single instructions, and the emitter that places them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, product_rounding
from tilelang.errors import DTypeError, LayoutError, SemanticError, ShapeError, UnsupportedError
from tilelang.layout import SharedLayout, make_wgmma_swizzled_layout

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def matmul(M, N, K, dtype, accum, warps, chunk, trans_A=False, trans_B=True, form="whole", stages=0, width=None):
    """`form`: whole, atoms (ss), or registers (rs); `width`: another swizzle than the widest."""
    rows, columns = warps
    emitter = T.WGMMATensorCoreIntrinEmitter(dtype, dtype, accum, trans_A, trans_B, rows, columns, M // rows, N // columns, chunk)

    @T.prim_func
    def main(
        A: T.Tensor((K, M) if trans_A else (M, K), dtype),
        B: T.Tensor((N, K) if trans_B else (K, N), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(1, threads=32 * rows * columns):
            A_shared = T.alloc_shared((chunk, M) if trans_A else (M, chunk), dtype)
            B_shared = T.alloc_shared((N, chunk) if trans_B else (chunk, N), dtype)
            C_local = T.alloc_fragment((M, N), accum)
            if width is not None:
                T.annotate_layout({S: SharedLayout(S.shape, T.dtype(dtype).bits, width) for S in (A_shared, B_shared)})
            a_params = emitter.compute_wgmma_a_desc_params(A_shared)
            b_params = emitter.compute_wgmma_b_desc_params(B_shared)
            T.clear(C_local)
            for ko in T.Pipelined(K // chunk, num_stages=stages):
                T.copy(A[ko * chunk, 0] if trans_A else A[0, ko * chunk], A_shared)
                T.copy(B[0, ko * chunk] if trans_B else B[ko * chunk, 0], B_shared)
                if form == "whole":
                    emitter.wgmma(A_shared, B_shared, C_local)
                elif form == "registers":
                    A_local = T.alloc_fragment((M, chunk), dtype)
                    T.copy(A_shared, A_local)
                    emitter.wgmma_rs(A_local, B_shared, C_local, clear_accum=ko == 0)
                else:
                    desc_a, desc_b = T.alloc_wgmma_desc(), T.alloc_wgmma_desc()
                    emitter.init_wgmma_a_desc(desc_a, A_shared, a_params)
                    emitter.init_wgmma_b_desc(desc_b, B_shared, b_params)
                    emitter.wgmma_fence_c(C_local)
                    emitter.wgmma_arrive()
                    for j, i, ki in T.grid(emitter.wgmma_num_inst_n, emitter.wgmma_num_inst_m, emitter.wgmma_num_k_atoms):
                        emitter.wgmma_ss_atom(desc_a, desc_b, C_local, i, j, ki, a_params, b_params, clear_accum=ko == 0)
                    emitter.wgmma_commit()
                    emitter.wgmma_wait(0)
                    emitter.wgmma_fence_c(C_local)
            T.copy(C_local, C)

    return main


def _check(out, a, b, dtype):
    exact = a.double() @ b.double().t()
    if dtype == "int8":
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=1e-1)
    else:
        assert_close(out, exact, **product_rounding(out, a, b.t()))


CASES = [
    (64, 64, 128, "float16", "float32", (4, 1), 64, {}),
    (64, 64, 128, "float16", "float16", (4, 1), 32, dict(form="atoms")),
    (128, 64, 128, "bfloat16", "float32", (8, 1), 64, dict(form="atoms", stages=2)),
    (128, 32, 64, "float16", "float32", (4, 1), 32, dict(trans_A=True, trans_B=False)),
    (64, 128, 64, "float16", "float32", (4, 2), 64, dict(trans_B=False, form="atoms")),
    (64, 64, 128, "float16", "float32", (4, 1), 64, dict(form="registers")),
    (128, 96, 64, "bfloat16", "float32", (8, 1), 64, dict(form="registers", trans_B=False, width=64)),
    (64, 48, 128, "int8", "int32", (4, 1), 128, {}),
    (64, 32, 128, "float8_e4m3fn", "float32", (4, 1), 64, dict(form="atoms", width=32)),
    (64, 32, 64, "float32", "float32", (4, 1), 32, {}),
]


@pytest.mark.parametrize("M, N, K, dtype, accum, warps, chunk, options", CASES)
def test_product(M, N, K, dtype, accum, warps, chunk, options, device):
    kind = getattr(torch, dtype)
    scale = 8 if dtype == "int8" else 1
    a, b = (torch.randn(s, device=device).mul(scale).to(kind) for s in ((M, K), (N, K)))
    given = [a.t().contiguous() if options.get("trans_A") else a, b if options.get("trans_B", True) else b.t().contiguous()]
    program = matmul(M, N, K, dtype, accum, warps, chunk, **options)
    _check(run(program, given, ((M, N), accum), device=device, target=SM90), a, b, dtype)


def by_hand(dtype, sparse, registers):
    """One instruction from T.initialize_wgmma_descriptor and T.ptx_wgmma_*, C in an array, A in shared memory or `registers`."""
    k = 32 if sparse else 16

    @T.prim_func
    def main(
        A: T.Tensor((64, 16), dtype), B: T.Tensor((32, k), dtype), E: T.Tensor((64, 2), "int16"), C: T.Tensor((64, 32), "float32")
    ):
        with T.Kernel(1, threads=128):
            tx = T.get_thread_binding()
            A_s, B_s = T.alloc_shared((64, 16), dtype), T.alloc_shared((32, k), dtype)
            T.annotate_layout({A_s: make_wgmma_swizzled_layout(A_s), B_s: make_wgmma_swizzled_layout(B_s)})
            c, e = T.alloc_local((16,), "float32"), T.alloc_local((2,), "int16")
            da, db = T.alloc_descriptor("wgmma"), T.alloc_wgmma_desc()
            T.copy(A, A_s)
            T.copy(B, B_s)
            T.initialize_wgmma_descriptor(da, T.address_of(A_s[0, 0]), 3, 1, 16)
            T.initialize_wgmma_descriptor(db, T.access_ptr(B_s, "r"), 2 if sparse else 3, 1, 32 if sparse else 16)
            for i in T.serial(2):
                e[i] = E[tx // 32 * 16 + tx % 32 // 4 + i * 8, tx % 2]
            a = T.alloc_local((8,), dtype)
            for i in T.serial(8):  # PTX ISA, "Register fragments for wgmma": A
                a[i] = A[tx // 32 * 16 + tx % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + tx % 4 * 2 + i % 2]
            T.warpgroup_arrive()
            types = ("fp16", "fp16", "fp32")
            if sparse and registers:
                T.ptx_wgmma_sp_rs("float32", "m64n32k32", True, *types, a, 0, db, 0, c, 0, e, 0, 0, False, 1, 1)
            elif registers:
                T.ptx_wgmma_rs("float32", "m64n32k16", True, *types, a.data, 0, db.data, 0, c.data, 0, False, 1, -1)
            elif sparse:
                T.ptx_wgmma_sp_ss("float32", "m64n32k32", True, True, *types, da, 0, db, 0, c, 0, e, 0, 0, False, 1, 1)
            else:
                T.ptx_wgmma_ss("float32", "m64n32k16", True, True, *types, da.data, 0, db.data, 0, c.data, 0, False, 1, -1)
            T.warpgroup_commit_batch()
            T.warpgroup_wait(0)
            for i in T.serial(16):
                C[tx // 32 * 16 + tx % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + tx % 4 * 2 + i % 2] = c[i]

    return main


@pytest.mark.parametrize("registers", (False, True))
@pytest.mark.parametrize("sparse", (False, True))
def test_one_instruction(sparse, registers, device):
    from tilelang.utils.sparse import compress, randn_semi_sparse

    b = torch.randn(32, 32 if sparse else 16, device=device).half()
    a = randn_semi_sparse(64, 32, device=device) if sparse else torch.randn(64, 16, device=device).half()
    kept, places = compress(a) if sparse else (a, torch.zeros(64, 2, dtype=torch.int16, device=device))
    out = run(by_hand("float16", sparse, registers), [kept, b, places], ((64, 32), "float32"), device=device, target=SM90)
    exact = a.double() @ b.double().t() * (1 if sparse else -1)
    torch.testing.assert_close(out.double(), exact, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bits, width", [(16, 128), (16, 64), (8, 32), (32, 128)])
@pytest.mark.parametrize("transposed", (False, True))
def test_descriptors_lead_to_every_core_matrix(bits, width, transposed):
    """What the parameters say of the first rows of all core matrices is where the layout puts them."""
    buffer = _Tile((64, 256 * 8 // bits), f"uint{bits}")
    layout = SharedLayout(buffer.shape, bits, width)
    params = T.compute_gmma_descriptor(layout, buffer, transposed, 16)
    assert params.swizzle_mode.swizzle_byte_size() == width and params.is_k_major == (not transposed)
    for line in range(0, 64, 8):
        for column in range(0, buffer.shape[1], width * 8 // bits):
            mn, k = (column, line) if transposed else (line, column)
            assert params.byte_offset(mn, k) == layout.offset((line, column)) * bits // 8


def test_slices_and_core_matrices():
    buffer = _Tile((128, 64), "float16")
    layout = SharedLayout((128, 64), 16, 128)
    assert T.compute_gmma_descriptor(layout, buffer, False, region=[(64, 64), (0, 64)]).slice_byte_offset == 64 * 128
    plain = T.Layout((64, 16), lambda i, j: (i // 8, j // 8, i % 8, j % 8))
    params = T.compute_gmma_descriptor(plain, _Tile((64, 16), "float16"), False)
    assert params.swizzle_mode.is_none() and (params.leading_byte_offset, params.stride_byte_offset) == (8, 16)
    with pytest.raises(LayoutError, match="none that wgmma can walk"):
        T.compute_gmma_descriptor(SharedLayout.linear((64, 64), 16), _Tile((64, 64), "float16"), False)
    with pytest.raises(ShapeError, match="one dimension|1 dimensions"):
        T.compute_gmma_descriptor(layout, _Tile((64,), "float16"), False)


def _Tile(shape, dtype):
    from tilelang.language.buffer import Buffer

    return Buffer("tile", shape, T.dtype(dtype), "shared.dyn")


def test_numpy_and_expressions_agree():
    layout = SharedLayout((16, 64), 16, 128)
    i, j = np.meshgrid(np.arange(16), np.arange(64), indexing="ij")
    assert np.array_equal(layout.offset([i, j]), [[layout.offset((r, c)) for c in range(64)] for r in range(16)])


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(a_dtype="float64"), UnsupportedError, "no wgmma of float64"),
        (dict(a_dtype="int8", b_dtype="int8", accum_dtype="int32", a_transposed=True), UnsupportedError, "k is not contiguous"),
        (dict(block_row_warps=2), ShapeError, "block_row_warps=2"),
        (dict(block_row_warps=4, block_col_warps=2, is_m_first=True), UnsupportedError, "is_m_first"),
        (dict(block_row_warps=4, reduce_k=2), UnsupportedError, "reduce_k=2"),
    ],
)
def test_partitions_that_do_not_exist(options, error, words):
    given = {"a_dtype": "float16", "b_dtype": "float16", "accum_dtype": "float32", "warp_row_tiles": 16, "chunk": 64, **options}
    with pytest.raises(error) as caught:
        T.WGMMATensorCoreIntrinEmitter(**given)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "use, error, words",
    [
        (lambda d, S, c: T.alloc_descriptor("tcgen05"), UnsupportedError, '"wgmma"'),
        (lambda d, S, c: T.alloc_wgmma_desc("uint32"), DTypeError, "a descriptor of uint32"),
        (lambda d, S, c: T.initialize_wgmma_descriptor(c, T.address_of(S[0, 0])), DTypeError, "T.alloc_wgmma_desc"),
        (lambda d, S, c: T.initialize_wgmma_descriptor(d, T.address_of(S[0, 0]), 4), SemanticError, "layout_type_=4"),
        (lambda d, S, c: T.initialize_wgmma_descriptor(d, c, 0), SemanticError, "memory of shared.dyn"),
        (lambda d, S, c: T.increase_descriptor_offset(d, 8), SemanticError, "multiple of 16"),
        (lambda d, S, c: _ss(d, c, "m64n12k16"), UnsupportedError, "m64n<n>k16"),
        (lambda d, S, c: _ss(d, c, "m64n64k16", "fp16", "bf16"), UnsupportedError, "no wgmma of float16 and bfloat16"),
        (lambda d, S, c: _ss(d, c, "m64n64k32", "e4m3", "e4m3", major=False), UnsupportedError, "MN-major"),
        (lambda d, S, c: _ss(d, S, "m64n64k16"), SemanticError, "in shared.dyn memory"),
        (lambda d, S, c: _ss(d, c, "m64n64k16", accum="fp16"), DTypeError, "its accumulators float16"),
        (lambda d, S, c: _ss(d, c, "m64n64k16", sign=2), SemanticError, "scale_in_a=2"),
    ],
)
def test_misuse(use, error, words):
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16")):
        with T.Kernel(1, threads=128):
            S = T.alloc_shared((64, 64), "float16")
            c = T.alloc_local((32,), "float32")
            d = T.alloc_wgmma_desc()
            use(d, S, c)

    with pytest.raises(error) as caught:
        main.get()
    assert words in str(caught.value)


def _ss(d, c, prefix, a="fp16", b="fp16", accum="fp32", major=True, sign=1):
    T.ptx_wgmma_ss("float32", prefix, True, major, a, b, accum, d, 0, d, 0, c, 0, True, sign, 1)


def test_wgmma_needs_hopper():
    with pytest.raises(UnsupportedError, match="wgmma on sm_80"):
        tilelang.compile(by_hand("float16", True, False), target={"kind": "cuda", "arch": "sm_80"})
