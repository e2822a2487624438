"""2:4 sparse products whose instructions the program places itself: mma.sp and wgmma.sp."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, product_rounding
from tilelang.errors import DTypeError, ShapeError, UnsupportedError
from tilelang.intrinsics.mma_sp_macro_generator import SparseTensorCoreIntrinEmitter
from tilelang.intrinsics.wgmma_sp_macro_generator import WGSparseTensorCoreIntrinEmitter
from tilelang.utils.sparse import compress, randn_semi_sparse

SM80 = {"kind": "cuda", "arch": "sm_80"}
SM89 = {"kind": "cuda", "arch": "sm_89"}
SM90 = {"kind": "cuda", "arch": "sm_90a"}


def by_warps(M, N, K, dtype, accum, e_dtype, warp_k, tile, trans_A, trans_B, trans_E, fragments):
    emitter = SparseTensorCoreIntrinEmitter(
        a_dtype=dtype,
        e_dtype=e_dtype,
        b_dtype=dtype,
        accum_dtype=accum,
        a_transposed=trans_A,
        b_transposed=trans_B,
        e_transposed=trans_E,
        block_row_warps=2,
        block_col_warps=2,
        warp_row_tiles=tile[0],
        warp_col_tiles=tile[1],
        warp_k=warp_k,
    )
    m, n, words = 2 * tile[0], 2 * tile[1], warp_k // emitter.e_factor
    rows, columns = emitter.warp_rows, emitter.warp_cols

    @T.prim_func
    def main(
        A: T.Tensor((K // 2, M) if trans_A else (M, K // 2), dtype),
        E: T.Tensor((K // emitter.e_factor, M) if trans_E else (M, K // emitter.e_factor), e_dtype),
        B: T.Tensor((N, K) if trans_B else (K, N), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(T.ceildiv(N, n), T.ceildiv(M, m), threads=emitter.threads) as (bx, by):
            A_shared = T.alloc_shared((warp_k // 2, m) if trans_A else (m, warp_k // 2), dtype)
            E_shared = T.alloc_shared((words, m) if trans_E else (m, words), e_dtype)
            B_shared = T.alloc_shared((n, warp_k) if trans_B else (warp_k, n), dtype)
            A_local = T.alloc_local((rows * emitter.local_size_a,), dtype)
            E_local = T.alloc_local((rows * emitter.local_size_e,), e_dtype)
            B_local = T.alloc_local((columns * emitter.local_size_b,), dtype)
            C_local = T.alloc_local((rows * columns * emitter.local_size_out,), accum)
            T.clear(C_local)
            for ko in T.serial(K // warp_k):
                T.copy(A[ko * (warp_k // 2), by * m] if trans_A else A[by * m, ko * (warp_k // 2)], A_shared)
                T.copy(E[ko * words, by * m] if trans_E else E[by * m, ko * words], E_shared)
                T.copy(B[bx * n, ko * warp_k] if trans_B else B[ko * warp_k, bx * n], B_shared)
                if fragments:
                    A_all = T.alloc_fragment(A_shared.shape, dtype)
                    T.copy(A_shared, A_all)
                    E_all = T.alloc_local((warp_k // emitter.micro_size_k * rows * emitter.local_size_e,), e_dtype)
                    B_all = T.alloc_local((warp_k // emitter.micro_size_k * columns * emitter.local_size_b,), dtype)
                    for ki in T.unroll(warp_k // emitter.micro_size_k):
                        emitter.ldmatrix_e(E_local, E_shared, ki)
                        emitter.ldmatrix_b(B_local, B_shared, ki)
                        for x in T.unroll(rows * emitter.local_size_e):
                            E_all[ki * rows * emitter.local_size_e + x] = E_local[x]
                        for x in T.unroll(columns * emitter.local_size_b):
                            B_all[ki * columns * emitter.local_size_b + x] = B_local[x]
                    for ki in T.unroll(warp_k // emitter.micro_size_k):
                        emitter.mma_sp(A_all, E_all, B_all, C_local, k_inner=ki)
                else:
                    for ki in T.serial(warp_k // emitter.micro_size_k):
                        emitter.ldmatrix_a(A_local, A_shared, ki)
                        emitter.ldmatrix_e(E_local, E_shared, ki)
                        emitter.ldmatrix_b(B_local, B_shared, ki)
                        emitter.mma_sp(A_local, E_local, B_local, C_local)
                T.sync_threads()
            emitter.stmatrix(C_local, C, pid_m=by, pid_n=bx)

    return main


def by_warpgroups(M, N, K, dtype, accum, e_dtype, warp_k, warps, trans_B, registers, pending):
    emitter = WGSparseTensorCoreIntrinEmitter(
        dtype, e_dtype, dtype, accum, False, trans_B, False, *warps, M // warps[0], N // warps[1], warp_k
    )
    words = warp_k // emitter.e_factor

    @T.prim_func
    def main(
        A: T.Tensor((M, K // 2), dtype),
        E: T.Tensor((M, K // emitter.e_factor), e_dtype),
        B: T.Tensor((N, K) if trans_B else (K, N), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(1, threads=emitter.threads):
            A_shared = T.alloc_shared((M, warp_k // 2), dtype)
            E_shared = T.alloc_shared((M, words), e_dtype)
            B_shared = T.alloc_shared((N, warp_k) if trans_B else (warp_k, N), dtype)
            C_local = T.alloc_fragment((M, N), accum)
            T.clear(C_local)
            for ko in T.serial(K // warp_k):
                T.copy(A[0, ko * (warp_k // 2)], A_shared)
                T.copy(E[0, ko * words], E_shared)
                T.copy(B[0, ko * warp_k] if trans_B else B[ko * warp_k, 0], B_shared)
                if registers:
                    A_local = T.alloc_fragment((M, warp_k // 2), dtype)
                    T.copy(A_shared, A_local)
                    emitter.wgmma_rs(A_local, E_shared, B_shared, C_local, clear_accum=ko == 0)
                elif pending:
                    emitter.wgmma_ss(A_shared, E_shared, B_shared, C_local, wg_wait=-1)
                    emitter.wgmma_wait(0)
                else:
                    emitter.wgmma_ss(A_shared, E_shared, B_shared, C_local)
            T.copy(C_local, C)

    return main


def _given(M, N, K, dtype, e_dtype, device, trans_A=False, trans_B=True, trans_E=False):
    kind = getattr(torch, dtype)
    if "int" in dtype:
        mask = randn_semi_sparse(M, K, dtype=torch.float16, device=device) != 0
        low = 1 if dtype == "uint8" else -60
        dense = (torch.randint(low, 60, (M, K), device=device) * mask).to(kind)
        b = torch.randint(low, 60, (N, K), device=device).to(kind)
    else:
        dense = randn_semi_sparse(M, K, dtype=torch.float32 if dtype == "float32" else torch.float16, device=device).to(kind)
        b = torch.randn((N, K), device=device).to(kind)
    kept, places = compress(dense, metadata_dtype=getattr(torch, e_dtype))
    given = [
        kept.t().contiguous() if trans_A else kept,
        places.t().contiguous() if trans_E else places,
        b if trans_B else b.t().contiguous(),
    ]
    return dense, b, given


def _check(out, a, b, dtype):
    exact = a.double() @ b.double().t()
    if "int" in dtype:
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=1e-1)
    else:
        assert_close(out, exact, **product_rounding(out, a, b.t()))


@pytest.mark.parametrize(
    "dtype, accum, e_dtype, warp_k, tile, trans, fragments, target",
    [
        ("float16", "float32", "int16", 64, (32, 32), (False, True, False), False, SM80),
        ("float16", "float16", "uint8", 64, (16, 8), (False, True, False), False, SM80),
        ("float16", "float32", "int32", 64, (32, 24), (True, False, True), False, SM80),
        ("bfloat16", "float32", "int16", 96, (16, 32), (False, False, False), True, SM90),
        ("float32", "float32", "int16", 32, (16, 16), (False, True, False), False, SM80),
        ("float32", "float32", "int32", 16, (16, 16), (False, False, False), False, SM80),
        ("int8", "int32", "int32", 128, (16, 32), (False, True, False), False, SM80),
        ("uint8", "int32", "int16", 64, (16, 8), (False, True, True), True, SM80),
        ("int8", "int32", "uint8", 64, (16, 16), (False, False, False), False, SM80),
        ("float8_e4m3fn", "float32", "int32", 64, (16, 32), (False, True, False), False, SM89),
    ],
)
def test_mma_sp(dtype, accum, e_dtype, warp_k, tile, trans, fragments, target, device):
    M, N, K = 4 * tile[0], 2 * tile[1], 2 * warp_k
    dense, b, given = _given(M, N, K, dtype, e_dtype, device, *trans)
    program = by_warps(M, N, K, dtype, accum, e_dtype, warp_k, tile, *trans, fragments)
    _check(run(program, given, ((M, N), accum), device=device, target=target), dense, b, dtype)


@pytest.mark.parametrize(
    "M, N, K, dtype, accum, e_dtype, warp_k, warps, trans_B, registers, pending",
    [
        (64, 64, 128, "float16", "float32", "int16", 64, (4, 1), True, False, False),
        (128, 64, 128, "bfloat16", "float32", "uint8", 64, (8, 1), False, False, True),
        (128, 48, 128, "float16", "float16", "int32", 64, (4, 1), True, True, False),
        (64, 64, 64, "float16", "float32", "int16", 64, (4, 2), True, True, False),
        (64, 32, 64, "float32", "float32", "int16", 32, (4, 1), True, False, False),
        (64, 32, 256, "int8", "int32", "int32", 128, (4, 1), True, False, False),
        (64, 32, 128, "float8_e5m2", "float32", "uint8", 64, (4, 1), True, True, False),
    ],
)
def test_wgmma_sp(M, N, K, dtype, accum, e_dtype, warp_k, warps, trans_B, registers, pending, device):
    dense, b, given = _given(M, N, K, dtype, e_dtype, device, trans_B=trans_B)
    program = by_warpgroups(M, N, K, dtype, accum, e_dtype, warp_k, warps, trans_B, registers, pending)
    _check(run(program, given, ((M, N), accum), device=device, target=SM90), dense, b, dtype)


def test_attributes():
    emitter = SparseTensorCoreIntrinEmitter(
        "float16", "int16", "float16", "float32", warp_row_tiles=32, warp_col_tiles=32, warp_k=64
    )
    assert (emitter.SPARSE_FACTOR, emitter.SPARSE_SELECTOR, emitter.e_factor, emitter.local_size_e) == (2, 0, 16, 2)
    assert (emitter.micro_size_k, emitter.local_size_a, emitter.local_size_b, emitter.shape) == (32, 8, 16, "m16n8k32")
    assert T.SparseTensorCoreIntrinEmitter is SparseTensorCoreIntrinEmitter
    assert issubclass(T.WGSparseTensorCoreIntrinEmitter, SparseTensorCoreIntrinEmitter)


def _options(**given):
    return {"e_dtype": "int16", "accum_dtype": "float32", "warp_row_tiles": 16, "warp_col_tiles": 16, "warp_k": 64, **given}


@pytest.mark.parametrize(
    "emitter, given, error, message",
    [
        (SparseTensorCoreIntrinEmitter, dict(e_dtype="float16"), DTypeError, "e_dtype=float16"),
        (SparseTensorCoreIntrinEmitter, dict(warp_k=48), ShapeError, "warp_k=48"),
        (SparseTensorCoreIntrinEmitter, dict(a_dtype="float64", b_dtype="float64"), UnsupportedError, "float64 x float64"),
        (WGSparseTensorCoreIntrinEmitter, {}, ShapeError, "block_row_warps=2"),
        (WGSparseTensorCoreIntrinEmitter, dict(a_dtype="float64", b_dtype="float64"), UnsupportedError, "no wgmma"),
    ],
)
def test_misuse_of_parameters(emitter, given, error, message):
    with pytest.raises(error, match=message):
        emitter(**_options(**given))


@pytest.mark.parametrize(
    "use, error, message",
    [
        (lambda e, A, E, w: e.ldmatrix_e(w, A, 0), DTypeError, "metadata of ldmatrix_e is float16, the emitter's int16"),
        (lambda e, A, E, w: e.mma(A, E, A, w), UnsupportedError, "its A is sparse"),
        (lambda e, A, E, w: e.mma_sp(w, T.alloc_local((4,), "int32"), w, w), DTypeError, "E .* is int32, the emitter's is int16"),
    ],
)
def test_misuse_of_operands(use, error, message):
    emitter = SparseTensorCoreIntrinEmitter(**_options())

    def program():
        @T.prim_func
        def main(A: T.Tensor((32, 32), "float16")):
            with T.Kernel(1, threads=128):
                A_shared = T.alloc_shared((32, 32), "float16")
                E_shared = T.alloc_shared((32, 4), "int16")
                words = T.alloc_local((2,), "int16")
                use(emitter, A_shared, E_shared, words)

        return main

    with pytest.raises(error, match=message):
        program().get()
