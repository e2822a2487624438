"""T.copy from an accumulator to a tensor: through shared memory and TMA where that is legal, with the same result."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T

from .test_tma import run


def product(M, N, K, bm, bn, threads, dtype, out, stages=2, epilogue=False, column=0):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N + column), out)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As, Bs = T.alloc_shared((bm, 32), dtype), T.alloc_shared((bn, 32), dtype)
            Cl = T.alloc_fragment((bm, bn), "float32")
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, 32), num_stages=stages):
                T.copy(A[by * bm, k * 32], As)
                T.copy(B[bx * bn, k * 32], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            if epilogue:
                for i, j in T.Parallel(bm, bn):
                    Cl[i, j] = T.max(Cl[i, j], 0.0)
            T.copy(Cl, C[by * bm, column + bx * bn])

    return main


def stored_by_tma(kernel) -> bool:
    return any("tma store" in str(r) for r in kernel.remarks)


@pytest.mark.parametrize(
    "M, N, K, bm, bn, threads, dtype, out, options, staged",
    [
        (256, 256, 96, 128, 128, 128, "float16", "float16", {}, True),
        (200, 328, 72, 64, 64, 128, "bfloat16", "bfloat16", {"stages": 3}, True),  # ragged rows and columns
        (192, 256, 64, 64, 256, 128, "float16", "bfloat16", {"epilogue": True}, True),
        (128, 128, 64, 64, 64, 128, "float16", "float8_e4m3fn", {}, True),
        (128, 192, 64, 128, 64, 256, "float16", "float16", {"column": 8}, True),
        (128, 192, 64, 128, 64, 256, "float16", "float16", {"column": 4}, False),  # boxes start on 16 bytes
        (128, 131, 64, 64, 64, 128, "float16", "float16", {}, False),  # and rows are 16 bytes apart
        (128, 128, 64, 64, 64, 128, "float16", "float32", {}, False),  # whole sectors without it
    ],
)
def test_products(M, N, K, bm, bn, threads, dtype, out, options, staged):
    a, b = (torch.randn(n, K).to(getattr(torch, dtype)) for n in (M, N))
    column = options.get("column", 0)
    kernel, c = run(product(M, N, K, bm, bn, threads, dtype, out, **options), a, b, (M, N + column), getattr(torch, out))
    assert stored_by_tma(kernel) == staged
    expected = a.float() @ b.float().T
    if options.get("epilogue"):
        expected = expected.relu()
    tolerance = 0.13 if out == "float8_e4m3fn" else 2e-2
    torch.testing.assert_close(c[:, column:].float(), expected, rtol=tolerance, atol=tolerance)
    assert c[:, :column].float().isnan().all()


def test_it_is_checked_and_can_be_switched_off():
    a, b = torch.randn(200, 64).half(), torch.randn(136, 64).half()
    program = product(200, 136, 64, 64, 64, 128, "float16", "float16")
    kernel, c = run(program, a, b, (200, 136), torch.float16)
    report = kernel.check(a, b, torch.zeros_like(c), schedules=2)
    assert not report.findings, report
    direct, same = run(program, a, b, (200, 136), torch.float16, **{"tl.enable_staged_stores": False})
    assert not stored_by_tma(direct) and torch.equal(c, same)


def test_a_tensor_that_is_read_keeps_its_direct_store():
    M = 64

    @T.prim_func
    def main(A: T.Tensor((M, M), "float16"), C: T.Tensor((M, M), "float16"), D: T.Tensor((M, M), "float16")):
        with T.Kernel(1, threads=128):
            As, Ds = T.alloc_shared((M, M), "float16"), T.alloc_shared((M, M), "float16")
            Cl = T.alloc_fragment((M, M), "float32")
            T.copy(A, As)
            T.clear(Cl)
            T.gemm(As, As, Cl, transpose_B=True)
            T.copy(Cl, C)
            T.sync_threads()
            T.copy(C, Ds)
            T.copy(Ds, D)

    a = torch.randn(M, M).half()
    c = torch.full((M, M), float("nan")).half()
    kernel, d = run(main, a, c, (M, M), torch.float16)
    assert not any("copies Cl_tile" in str(r) for r in kernel.remarks)
    assert torch.equal(c, d)
    torch.testing.assert_close(c.float(), a.float() @ a.float().T, rtol=2e-2, atol=2e-2)
