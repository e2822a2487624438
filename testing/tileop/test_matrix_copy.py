"""Nests that copy between shared tiles and matrix fragments, transposed or not, are ldmatrix and stmatrix."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

from .test_tma import HOPPER

M, N, K = 64, 32, 64

STORES = {  # spelling: (shape of the tile, instruction)
    "straight": ((M, N), "stmatrix_x4("),
    "transposed": ((N, M), "stmatrix_x4_trans("),
    "counted in the order of the tile": ((N, M), "stmatrix_x4_trans("),
    "beyond the tile": ((N, M - 8), None),
    "scaled": ((N, M), None),
}


def stored(spelling):
    """C = A @ B^T, or its transpose, through a shared tile that a nest writes."""
    shape = STORES[spelling][0]

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor(shape, "float16")):
        with T.Kernel(1, threads=128):
            A_s, B_s = T.alloc_shared((M, K), "float16"), T.alloc_shared((N, K), "float16")
            C_f, C_s = T.alloc_fragment((M, N), "float32"), T.alloc_shared(shape, "float16")
            T.copy(A, A_s)
            T.copy(B, B_s)
            T.gemm(A_s, B_s, C_f, transpose_B=True, clear_accum=True)
            if spelling == "straight":
                for i, j in T.Parallel(M, N):
                    C_s[i, j] = C_f[i, j]
            elif spelling == "counted in the order of the tile":
                for i, j in T.Parallel(N, M):
                    C_s[i, j] = C_f[j, i]
            elif spelling == "scaled":
                for i, j in T.Parallel(M, N):
                    C_s[j, i] = C_f[i, j] * 2
            else:
                for i, j in T.Parallel(M, N):
                    C_s[j, i] = C_f[i, j]
            T.copy(C_s, C)

    return main


@pytest.mark.parametrize("spelling", STORES)
def test_accumulators_to_shared_memory(spelling):
    shape, instruction = STORES[spelling]
    a, b, c = torch.randn(M, K).half(), torch.randn(N, K).half(), torch.full(shape, float("nan")).half()
    kernel = tilelang.compile(stored(spelling), target=HOPPER, execution_backend="simulator")
    kernel(a, b, c)
    want = a.float() @ b.float().T * (2 if spelling == "scaled" else 1)
    want = want if spelling == "straight" else want.T[:, : shape[1]]
    torch.testing.assert_close(c.float(), want, rtol=1e-3, atol=2e-2)
    source = kernel.get_kernel_source()
    assert "stmatrix" not in source if instruction is None else instruction in source
    conflicts = [r for r in str(kernel.remarks).splitlines() if "writes C_s" in r and "conflicts" in r]
    assert not conflicts or instruction is None
    report = kernel.check(a, b, c, schedules=1)
    assert report.ok, str(report)


@T.prim_func
def loaded(A: T.Tensor((K, M), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float32")):
    with T.Kernel(1, threads=128):
        A_s, B_s = T.alloc_shared((K, M), "float16"), T.alloc_shared((N, K), "float16")
        A_f, C_f = T.alloc_fragment((M, K), "float16"), T.alloc_fragment((M, N), "float32")
        T.copy(A, A_s)
        T.copy(B, B_s)
        for i, j in T.Parallel(M, K):
            A_f[i, j] = A_s[j, i]
        T.gemm(A_f, B_s, C_f, transpose_B=True, clear_accum=True)
        T.copy(C_f, C)


def test_operand_from_a_transposed_tile():
    a, b, c = torch.randn(K, M).half(), torch.randn(N, K).half(), torch.full((M, N), float("nan"))
    kernel = tilelang.compile(loaded, target=HOPPER, execution_backend="simulator")
    kernel(a, b, c)
    torch.testing.assert_close(c, a.float().T @ b.float().T, rtol=1e-3, atol=2e-2)
    assert "ldmatrix_x4_trans(" in kernel.get_kernel_source()
    report = kernel.check(a, b, c, schedules=1)
    assert report.ok, str(report)
