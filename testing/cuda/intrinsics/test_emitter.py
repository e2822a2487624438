"""TensorCoreIntrinEmitter: products of a block from ldmatrix, mma and stores that the program places itself."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close
from tilelang.errors import DTypeError, LayoutError, SemanticError, ShapeError, UnsupportedError
from tilelang.intrinsics import get_swizzle_layout
from tilelang.intrinsics.mma_macro_generator import TensorCoreIntrinEmitter

SM80 = {"kind": "cuda", "arch": "sm_80"}
SM89 = {"kind": "cuda", "arch": "sm_89"}
SM90 = {"kind": "cuda", "arch": "sm_90a"}


def make_swizzle_layout(buffer):
    row = buffer.shape[-1]
    if row * T.dtype(buffer.dtype).bits % 256:
        return T.Layout(buffer.shape, lambda *indices: indices)
    return T.Layout(buffer.shape, lambda i, j: get_swizzle_layout(i, j, row, buffer.dtype))


def matmul(M, N, K, dtype, out_dtype, accum, chunk, warp_tile, trans_A=False, trans_B=True, stages=2, store="shared", **options):
    """A product in the manner of the documentation's lowest level: every instruction is the program's own."""
    emitter = TensorCoreIntrinEmitter(
        a_dtype=dtype,
        b_dtype=dtype,
        accum_dtype=accum,
        a_transposed=trans_A,
        b_transposed=trans_B,
        block_row_warps=2,
        block_col_warps=2,
        warp_row_tiles=warp_tile[0],
        warp_col_tiles=warp_tile[1],
        chunk=chunk,
        **options,
    )
    m, n, k = 2 * warp_tile[0], 2 * warp_tile[1], emitter.micro_size_k
    x, y = emitter.micro_size_x, emitter.micro_size_y
    rows, columns = emitter.warp_rows, emitter.warp_cols

    @T.prim_func
    def main(
        A: T.Tensor((K, M) if trans_A else (M, K), dtype),
        B: T.Tensor((N, K) if trans_B else (K, N), dtype),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, n), T.ceildiv(M, m), threads=emitter.threads) as (bx, by):
            A_shared = T.alloc_shared((chunk, m) if trans_A else (m, chunk), dtype)
            B_shared = T.alloc_shared((n, chunk) if trans_B else (chunk, n), dtype)
            C_shared = T.alloc_shared((m // x, n // y, x, y), out_dtype)
            A_local = T.alloc_local((rows * emitter.local_size_a), dtype)
            B_local = T.alloc_local((columns * emitter.local_size_b), dtype)
            C_local = T.alloc_local((rows * columns * emitter.local_size_out), accum)
            T.annotate_layout({A_shared: make_swizzle_layout(A_shared), B_shared: make_swizzle_layout(B_shared)})
            T.use_swizzle(panel_size=10)
            T.clear(C_local)
            for ko in T.Pipelined(K // chunk, num_stages=stages):
                if trans_A:
                    T.copy(A[ko * chunk, by * m], A_shared)
                else:
                    for i, j in T.Parallel(m, chunk):
                        A_shared[i, j] = A[by * m + i, ko * chunk + j]
                if trans_B:
                    for i, j in T.Parallel(n, chunk):
                        B_shared[i, j] = B[bx * n + i, ko * chunk + j]
                else:
                    T.copy(B[ko * chunk, bx * n], B_shared)
                for ki in T.serial(0, (chunk // k)):
                    emitter.ldmatrix_a(A_local, A_shared, ki)
                    emitter.ldmatrix_b(B_local, B_shared, ki)
                    emitter.mma(A_local, B_local, C_local)
            if store == "shared":
                emitter.stmatrix(C_local, C_shared)
                for i, j in T.Parallel(m, n):
                    C[by * m + i, bx * n + j] = C_shared[i // x, j // y, i % x, j % y]
            else:
                emitter.stmatrix(C_local, C, pid_m=by, pid_n=bx)

    return main


def _matrices(M, N, K, dtype, device, trans_A=False, trans_B=True):
    kind = getattr(torch, dtype)
    if "int" in dtype:
        low = 0 if dtype == "uint8" else -20
        a, b = (torch.randint(low, 20, s, device=device).to(kind) for s in ((M, K), (N, K)))
    else:
        a, b = (torch.randn(s, device=device).to(kind) for s in ((M, K), (N, K)))
    return a, b, [a.t().contiguous() if trans_A else a, b if trans_B else b.t().contiguous()]


def _check(out, a, b, dtype):
    exact = a.double() @ b.double().t()
    if "int" in dtype:
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=5e-2)
    else:
        assert_close(out, exact, terms=a.shape[1], scale=a.double().abs() @ b.double().abs().t())


CASES = [
    ("float16", "float16", "float32", 32, (32, 32), {}, SM80),
    ("float16", "float16", "float16", 32, (64, 16), dict(stages=0), SM80),
    ("bfloat16", "float32", "float32", 64, (16, 32), dict(store="global", is_m_first=True), SM90),
    ("float16", "float32", "float32", 32, (32, 24), dict(store="global"), SM80),
    ("float16", "float32", "float32", 32, (32, 32), dict(trans_A=True, trans_B=False), SM80),
    ("int8", "int32", "int32", 64, (32, 32), {}, SM80),
    ("uint8", "int32", "int32", 32, (16, 8), dict(trans_A=True, trans_B=False, store="global"), SM80),
    ("float32", "float32", "float32", 32, (32, 32), {}, SM80),
    ("float8_e4m3fn", "float32", "float32", 64, (32, 32), dict(store="global"), SM89),
]


@pytest.mark.parametrize("dtype, out_dtype, accum, chunk, warp_tile, options, target", CASES)
def test_product(dtype, out_dtype, accum, chunk, warp_tile, options, target, device):
    M, N, K = 4 * warp_tile[0], 2 * warp_tile[1], 128
    a, b, given = _matrices(M, N, K, dtype, device, options.get("trans_A", False), options.get("trans_B", True))
    program = matmul(M, N, K, dtype, out_dtype, accum, chunk, warp_tile, **options)
    _check(run(program, given, ((M, N), out_dtype), device=device, target=target), a, b, dtype)


def on_fragments(M, N, K, dtype, accum, trans_A, trans_B, atoms, registers):
    """C in a fragment, which copies and nests share; with `registers` A and B, too, all steps along k at once."""
    emitter = T.TensorCoreIntrinEmitter(dtype, dtype, accum, trans_A, trans_B, 2, 2, M // 2, N // 2, chunk=K)
    steps = K // emitter.micro_size_k

    @T.prim_func
    def main(
        A: T.Tensor((K, M) if trans_A else (M, K), dtype),
        B: T.Tensor((N, K) if trans_B else (K, N), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(1, threads=128):
            A_shared = T.alloc_shared(A.shape, dtype)
            B_shared = T.alloc_shared(B.shape, dtype)
            C_local = T.alloc_fragment((M, N), accum)
            T.annotate_layout({C_local: emitter.make_mma_store_layout(C_local)})
            T.copy(A, A_shared)
            T.copy(B, B_shared)
            T.fill(C_local, 1)
            if registers:
                A_local = T.alloc_fragment(A.shape, dtype)
                B_local = T.alloc_fragment(B.shape, dtype)
                T.annotate_layout({B_local: emitter.make_mma_load_layout(B_local, matrix="B")})
                T.copy(A_shared, A_local)
                T.copy(B_shared, B_local)
                for ki in T.serial(steps):
                    emitter.mma(A_local, B_local, C_local, k_inner=ki)
            else:
                A_array = T.alloc_local((emitter.warp_rows * emitter.local_size_a,), dtype)
                B_array = T.alloc_local((emitter.warp_cols * emitter.local_size_b,), dtype)
                for ki in T.serial(steps):
                    emitter.ldmatrix_a(A_array, A_shared, ki)
                    emitter.ldmatrix_b(B_array, B_shared, ki)
                    if atoms:
                        for i, j in T.grid(emitter.mma_num_inst_m, emitter.mma_num_inst_n):
                            emitter.mma_atom(A_array, B_array, C_local, i, j)
                    else:
                        emitter.mma(A_array, B_array, C_local)
            for i, j in T.Parallel(M, N):
                C_local[i, j] = C_local[i, j] * 2
            T.copy(C_local, C)

    return main


@pytest.mark.parametrize(
    "dtype, accum, trans_A, trans_B, atoms, registers",
    [
        ("float16", "float32", False, True, True, False),
        ("bfloat16", "float32", True, False, False, False),
        ("float16", "float32", False, True, False, True),
        ("int8", "int32", False, True, False, True),
        ("float16", "float16", True, False, False, True),
    ],
)
def test_fragments(dtype, accum, trans_A, trans_B, atoms, registers, device):
    M, N, K = 64, 32, 64
    a, b, given = _matrices(M, N, K, dtype, device, trans_A, trans_B)
    program = on_fragments(M, N, K, dtype, accum, trans_A, trans_B, atoms, registers)
    out = run(program, given, ((M, N), accum), device=device, target=SM80)
    _check((out.double() / 2 - 1).to(getattr(torch, accum)), a, b, "float16" if accum == "float16" else dtype)


def test_index_maps_are_inverse():
    from tilelang.cuda.intrinsics.layout import mma_layout as maps

    for packed, name in ((1, "16x8_to_mma_{}_32x4"), (2, "16x16_to_mma_{}_32x8"), (4, "16x32_to_mma_{}_32x16")):
        for letter in "ab":
            forward = getattr(maps, f"shared_{name.format(letter)}_layout")
            shared, registers = name.split("_to_mma_{}_")
            back = getattr(maps, f"mma_load_{letter}_{registers}_to_shared_{shared}_layout")
            places = {forward(i, j) for i in range(16) for j in range(8 * packed)}
            assert places == {(lane, e) for lane in range(32) for e in range(4 * packed)}
            assert all(back(*forward(i, j)) == (i, j) for i in range(16) for j in range(8 * packed))
    emitter = T.TensorCoreIntrinEmitter("float16", "float16", "float32", warp_row_tiles=16, warp_col_tiles=16)
    there, back = emitter.get_store_index_map(), emitter.get_store_index_map(inverse=True)
    assert all(back(*there(lane, e)) == (lane, e) for lane in range(32) for e in range(8))


def test_helpers():
    assert T.get_mma_micro_size("bfloat16") == (16, 16, 16) and T.get_mma_micro_size("int8") == (16, 16, 32)
    assert T.get_swizzle_layout(9, 16, 64, "float16") == (9, 24) and T.get_swizzle_layout(2, 0, 32, "float16") == (2, 8)
    assert T.get_ldmatrix_offset("A", 17, 0, 64) == 64 + 8 and T.get_ldmatrix_offset("B", 9, 0, 64, "int8", True) == 64 + 16
    with pytest.raises(DTypeError, match="no matrix instruction of 16 rows"):
        T.get_mma_micro_size("float64")
    with pytest.raises(UnsupportedError, match="whose other dimension is contiguous"):
        T.get_ldmatrix_offset("B", 0, 0, 64, "int8")
    with pytest.raises(LayoutError, match="24 bytes, are not swizzled"):
        T.get_swizzle_layout(0, 0, 12, "float16")
    with pytest.raises(DTypeError, match='"A" or "B"'):
        T.get_ldmatrix_offset("C", 0, 0, 64)


@pytest.mark.parametrize(
    "options, error, words",
    [
        (dict(a_dtype="float64", b_dtype="float64", accum_dtype="float64"), UnsupportedError, "float64 x float64 -> float64"),
        (dict(a_dtype="float16", b_dtype="bfloat16", accum_dtype="float32"), UnsupportedError, "float16 x bfloat16"),
        (dict(accum_dtype="float32", warp_row_tiles=24), ShapeError, "warp_row_tiles=24"),
        (dict(accum_dtype="float32", warp_row_tiles=16, chunk=24), ShapeError, "16 along k"),
        (dict(accum_dtype="float32", warp_row_tiles=16, num_elems_per_byte=2), UnsupportedError, "num_elems_per_byte=2"),
    ],
)
def test_partitions_that_do_not_exist(options, error, words):
    with pytest.raises(error) as caught:
        T.TensorCoreIntrinEmitter(**options)
    assert words in str(caught.value)


def test_permuted_operands_are_refused():
    with pytest.raises(UnsupportedError, match="transform_kind_b=2"):
        T.TensorCoreIntrinEmitterWithLadderTransform("float16", "float16", "float32", warp_row_tiles=16, transform_kind_b=2)


@pytest.mark.parametrize(
    "use, error, words",
    [
        (lambda e, A, a, C, c: e.mma(a, a, a), DTypeError, "the emitter's is float32"),
        (lambda e, A, a, C, c: e.mma(A, a, c), SemanticError, "in shared.dyn memory"),
        (lambda e, A, a, C, c: e.ldmatrix_a(a, a, 0), SemanticError, "one dimension"),
        (lambda e, A, a, C, c: e.stmatrix(c, C, pid_m=0), SemanticError, "pid_n=None"),
        (lambda e, A, a, C, c: e.stmatrix(c, c), SemanticError, "two or four dimensions"),
        (lambda e, A, a, C, c: e.make_mma_store_layout(A), SemanticError, "no fragment"),
        (lambda e, A, a, C, c: e.make_mma_load_layout(A, "C"), SemanticError, '"A" or "B"'),
    ],
)
def test_misuse(use, error, words):
    emitter = T.TensorCoreIntrinEmitter("float16", "float16", "float32", False, True, 2, 2, 16, 16, chunk=16)

    @T.prim_func
    def main(C: T.Tensor((32, 32), "float32")):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((32, 16), "float16")
            a = T.alloc_local((8,), "float16")
            c = T.alloc_local((8,), "float32")
            use(emitter, A_s, a, C, c)

    with pytest.raises(error) as caught:
        main.get()
    assert words in str(caught.value)
