"""A producer serves loops before which no block waits for another one; where blocks meet behind the last loop, it has ended."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

from .test_tma import HOPPER

M, N, K, STEP = 64, 64, 256, 64


def product(meets):
    """C[r] = A[r] @ B[r]^T of each block; the blocks of a cluster meet `meets` the loop."""

    @T.prim_func
    def main(A: T.Tensor((2, M, K), "float16"), B: T.Tensor((2, N, K), "float16"), C: T.Tensor((2, M, N), "float32")):
        with T.Kernel(2, cluster_dims=(2, 1, 1), threads=128) as bx:
            A_s, B_s = T.alloc_shared((M, STEP), "float16"), T.alloc_shared((N, STEP), "float16")
            C_f = T.alloc_fragment((M, N), "float32")
            T.clear(C_f)
            if meets == "before":
                T.cluster_sync()
            for k in T.Pipelined(K // STEP, num_stages=2):
                T.copy(A[bx, 0, k * STEP], A_s)
                T.copy(B[bx, 0, k * STEP], B_s)
                T.gemm(A_s, B_s, C_f, transpose_B=True)
                if meets == "in":
                    T.cluster_sync()
            if meets == "behind":
                T.cluster_sync()
            T.copy(C_f, C[bx, 0, 0])

    return main


@pytest.mark.parametrize("meets", ("before", "in", "behind"))
def test_where_blocks_meet(meets):
    a, b, c = torch.randn(2, M, K).half(), torch.randn(2, N, K).half(), torch.full((2, M, N), float("nan"))
    kernel = tilelang.compile(product(meets), target=HOPPER, execution_backend="simulator")
    kernel(a, b, c)
    torch.testing.assert_close(c, a.float() @ b.float().transpose(1, 2), rtol=1e-3, atol=1e-2)
    refused = "all threads of the cluster or the grid meet" in str(kernel.remarks)
    assert refused == (meets != "behind") == ("mbarrier_wait(full" not in kernel.get_kernel_source())
    report = kernel.check(a, b, c, schedules=2)
    assert report.ok, str(report)
