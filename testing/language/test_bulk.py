"""T.create_barriers, T.ptx_cp_async_bulk, T.create_tma_descriptor, T.tma_load: copies whose every argument is the author's."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from tilelang.engine import compile_prim_func
from tilelang.errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from tilelang.target import resolve_target

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def test_bulk_copies(device):
    N, K = 256, 96

    @T.prim_func
    def main(A: T.Tensor((N, K), "float32"), B: T.Tensor((N, K), "float32")):
        with T.Kernel(N // 32, threads=64) as bx:
            S = T.alloc_shared((2, 16, K), "float32")
            bars = T.create_barriers(2)
            tx = T.get_thread_binding()
            if tx == 0:
                for i in T.serial(2):
                    T.ptx_arrive_barrier_expect_tx(bars[i], 16 * K * 4)
                    T.ptx_cp_async_bulk(
                        "float32", S.data, i * 16 * K, T.address_of(A[bx * 32, 0]), i * 16 * K, 16 * K * 4, bars[i]
                    )
            for i in T.serial(2):
                T.ptx_wait_barrier(bars[i], 0)
                for r, c in T.Parallel(16, K):
                    B[bx * 32 + i * 16 + r, c] = S[i, r, c] * 2

    a = torch.randn((N, K), device=device)
    assert torch.equal(run(main, [a], ((N, K), "float32"), device=device, target=SM90), a * 2)


def test_barriers_counted_again(device):
    @T.prim_func
    def main(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            S = T.alloc_shared((64,), "float32")
            bars = T.create_barriers(1)
            tx = T.get_thread_binding()
            if tx == 0:
                T.ptx_init_barrier_thread_count(bars[0], 64)
                T.ptx_fence_barrier_init()
            T.sync_threads()
            if tx == 0:
                T.mbarrier_expect_tx(bars[0], 256)
                T.ptx_cp_async_bulk("float32", S, 0, A, 0, 256, bars[0])
            T.ptx_arrive_barrier(bars[0])
            T.ptx_wait_barrier(bars[0], 0)
            B[tx] = S[63 - tx]

    a = torch.randn(64, device=device)
    assert torch.equal(run(main, [a], ((64,), "float32"), device=device, target=SM90), a.flip(0))


def loads(M, N, dtype, code, m, n, swizzle, gemm=False):
    size = T.dtype(dtype).bits // 8

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, n), T.ceildiv(M, m), threads=128) as (bx, by):
            S = T.alloc_shared((2, m // 2, n), dtype)
            full = T.alloc_barrier(1)
            desc = T.create_tma_descriptor(code, 2, A.data, N, M, size, N * size, n, m // 2, 1, 1, 0, swizzle, 2, 0)
            tx = T.get_thread_binding()
            if tx == 0:
                T.mbarrier_expect_tx(full, m * n * size)
                T.tma_load(desc, full, T.access_ptr(S[0, 0, 0], "w"), bx * n, by * m, 0)
                T.tma_load(desc, full, T.address_of(S[1, 0, 0]), bx * n, by * m + m // 2)
                T.mbarrier_arrive(full)
            T.mbarrier_wait_parity(full, 0)
            for i, j in T.Parallel(m, n):
                if by * m + i < M:
                    if bx * n + j < N:
                        B[by * m + i, bx * n + j] = S[i // (m // 2), i % (m // 2), j]

    return main


@pytest.mark.parametrize(
    "M, N, dtype, code, m, n, swizzle",
    [
        (64, 64, "float16", 6, 32, 64, 3),
        (100, 72, "float16", 6, 32, 32, 2),  # tiles reach over both edges
        (64, 64, "float32", 7, 16, 32, 0),
        (64, 48, "bfloat16", 9, 32, 16, 1),
        (64, 64, "int8", 0, 32, 32, 0),
    ],
)
def test_boxes(M, N, dtype, code, m, n, swizzle, device):
    kind = getattr(torch, dtype)
    a = torch.randint(-100, 100, (M, N), device=device).to(kind)
    assert torch.equal(run(loads(M, N, dtype, code, m, n, swizzle), [a], ((M, N), dtype), device=device, target=SM90), a)


def test_a_product_reads_what_was_loaded_by_hand(device):
    """The swizzle of the descriptor is the layout that T.gemm sees."""

    @T.prim_func
    def main(A: T.Tensor((64, 64), "float16"), B: T.Tensor((64, 64), "float16"), C: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            A_s = T.alloc_shared((64, 64), "float16")
            B_s = T.alloc_shared((64, 64), "float16")
            C_l = T.alloc_fragment((64, 64), "float32")
            full = T.alloc_barrier(1)
            da = T.create_tma_descriptor(6, 2, A.data, 64, 64, 2, 128, 64, 64, 1, 1, 0, 3, 2, 0)
            tx = T.get_thread_binding()
            if tx == 0:
                T.mbarrier_expect_tx(full, 2 * 64 * 64 * 2)
                T.tma_load(da, full, A_s.data, 0, 0)
                T.ptx_cp_async_bulk("float16", B_s.data, 0, B.data, 0, 64 * 64 * 2, full)
                T.mbarrier_arrive(full)
            T.mbarrier_wait_parity(full, 0)
            T.gemm(A_s, B_s, C_l, transpose_B=True, clear_accum=True)
            T.copy(C_l, C)

    a, b = (torch.randint(-4, 5, (64, 64), device=device).half() for _ in range(2))
    out = run(main, [a, b], ((64, 64), "float32"), device=device, target=SM90)
    assert torch.equal(out, a.float() @ b.float().t())


GOOD = (7, 2, "A", 64, 64, 4, 256, 32, 16, 1, 1, 0, 3, 2, 0)


def _describe(A, **changed):
    args = [A.data if v == "A" else v for v in GOOD]
    for place, value in changed.items():
        args[int(place[1:])] = value
    return T.create_tma_descriptor(*args)


@pytest.mark.parametrize(
    "use, error, message",
    [
        (lambda A, S, bar: T.create_barriers(0), SemanticError, "T.create_barriers"),
        (lambda A, S, bar: T.ptx_cp_async_bulk("float32", S, 0, A, 0, 24, bar), SemanticError, "24 bytes"),
        (lambda A, S, bar: T.ptx_cp_async_bulk("float16", S, 0, A, 0, 32, bar), DTypeError, "float16 with S of float32"),
        (lambda A, S, bar: T.ptx_cp_async_bulk("float32", A, 0, S, 0, 32, bar), SemanticError, "shared_ptr .* global"),
        (lambda A, S, bar: T.ptx_cp_async_bulk("float32", S, 0, A, 0, 32, 0), DTypeError, "of 0"),
        (lambda A, S, bar: T.create_tma_descriptor(7), SemanticError, "1 arguments"),
        (lambda A, S, bar: _describe(A, _0=6), DTypeError, "code 6 of A, which is float32"),
        (lambda A, S, bar: _describe(A, _1=3), SemanticError, "rank 3"),
        (lambda A, S, bar: _describe(A, _4=32), SemanticError, "dimension 1 .* got 32 and 256"),
        (lambda A, S, bar: _describe(A, _6=512), SemanticError, "dimension 1 .* got 64 and 512"),
        (lambda A, S, bar: _describe(A, _8=512), ShapeError, "box"),
        (lambda A, S, bar: _describe(A, _9=2), UnsupportedError, "strides"),
        (lambda A, S, bar: _describe(A, _11=1), UnsupportedError, "interleave 1"),
        (lambda A, S, bar: _describe(A, _12=2), ShapeError, "swizzle of 64 bytes"),
        (lambda A, S, bar: _describe(A, _12=5), SemanticError, "swizzle 5"),
        (lambda A, S, bar: T.tma_load(A, bar, S, 0, 0), DTypeError, "a descriptor"),
        (lambda A, S, bar: T.tma_load(_describe(A), bar, S, 0), SemanticError, "1 coordinates"),
        (lambda A, S, bar: T.tma_load(_describe(A), bar, A, 0, 0), SemanticError, "global"),
        (lambda A, S, bar: T.tma_load(_describe(A, _12=0), bar, S[3, 0], 0, 0), None, ""),
        (lambda A, S, bar: T.tma_load(_describe(A), bar, T.address_of(S[3, 0]), 0, 0), UnsupportedError, "multiple of 8 rows"),
        (lambda A, S, bar: T.tma_load(_describe(A, _7=16), bar, S, 0, 0), UnsupportedError, "no stretch of S"),
    ],
)
def test_misuse(use, error, message):
    def compiled():
        @T.prim_func
        def main(A: T.Tensor((64, 64), "float32")):
            with T.Kernel(1, threads=128):
                S = T.alloc_shared((32, 32), "float32")
                bar = T.alloc_barrier(1)
                use(A, S, bar)

        compile_prim_func(main.get(), resolve_target(SM90))

    if error is None:
        compiled()
        return
    with pytest.raises(error, match=message):
        compiled()


def test_layouts_that_do_not_agree():
    def compiled(target=SM90):
        @T.prim_func
        def main(A: T.Tensor((64, 64), "float16")):
            with T.Kernel(1, threads=128):
                S = T.alloc_shared((64, 64), "float16")
                bar = T.alloc_barrier(1)
                T.annotate_layout({S: T.make_mma_swizzle_layout(S)})
                T.ptx_cp_async_bulk("float16", S, 0, A, 0, 64 * 64 * 2, bar)

        compile_prim_func(main.get(), resolve_target(target))

    with pytest.raises(UnsupportedError, match="swizzle"):
        compiled()
    with pytest.raises(UnsupportedError, match="sm_90"):
        compiled({"kind": "cuda", "arch": "sm_80"})
