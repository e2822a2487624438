"""Clusters of blocks, and kernels that may start before the ones that they depend on have ended."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import ShapeError, UnsupportedError

SM90 = {"kind": "cuda", "arch": "sm_90a"}


def ranks(blocks, dims):
    @T.prim_func
    def main(A: T.Tensor((blocks, 4), "int32")):
        with T.ClusterKernel(blocks, cluster_dims=dims, threads=32) as bx:
            if T.get_thread_binding() == 0:
                A[bx, 0] = T.block_rank_in_cluster()
                A[bx, 1] = T.get_cluster_id()
                A[bx, 2] = T.get_cluster_size()
                A[bx, 3] = T.get_cluster_extent()
            T.cluster_sync()

    return main


@pytest.mark.parametrize("dims", [2, (4, 1, 1)])
def test_ranks(dims, device):
    blocks, width = 8, 2 if dims == 2 else 4
    out = run(ranks(blocks, dims), [], ((blocks, 4), "int32"), device=device, target=SM90)
    expected = [[b % width, b // width, width, blocks // width] for b in range(blocks)]
    assert out.tolist() == expected


def test_overlap_needs_sm90():
    for arch, overlaps in (("sm_90a", True), ("sm_80", False)):
        kernel = tilelang.compile(chained(200), target={"kind": "cuda", "arch": arch})
        assert [k.overlaps for k in kernel.artifact.plan.kernels] == [False, overlaps]


def rasterized(columns, rows, dims, panel, order):
    @T.prim_func
    def main(A: T.Tensor((rows, columns), "int32"), R: T.Tensor((rows, columns), "int32")):
        with T.Kernel(columns, rows, cluster_dims=dims, threads=32) as (bx, by):
            T.use_swizzle(panel, order=order)
            if T.get_thread_binding() == 0:
                T.atomic_add(A[by, bx], 1)
                R[by, bx] = T.block_rank_in_cluster()

    return main


@pytest.mark.parametrize(
    "columns, rows, dims, panel, order", [(12, 10, (2, 1, 1), 4, "row"), (8, 12, (2, 2, 1), 3, "column"), (5, 7, 1, 2, "mlx")]
)
def test_swizzled_grids_keep_clusters_together(columns, rows, dims, panel, order, device):
    visits = torch.zeros(rows, columns, dtype=torch.int32, device=device)
    program = rasterized(columns, rows, dims, panel, order)
    ranks = run(program, [visits], ((rows, columns), "int32"), device=device, inout=(0,), target=SM90)
    wide, high = (1, 1) if dims == 1 else dims[:2]
    assert (visits == 1).all()
    expected = [[bx % wide + by % high * wide for bx in range(columns)] for by in range(rows)]
    assert ranks.tolist() == expected


def gathered(n, width):
    """Every block tells the first one of its cluster when its part is in global memory."""

    @T.prim_func
    def main(A: T.Tensor((n, 128), "float32"), W: T.Tensor((n, 128), "float32"), B: T.Tensor((n // width, 128), "float32")):
        with T.Kernel(n, threads=128, cluster_dims=(width, 1, 1)) as bx:
            done = T.alloc_cluster_barrier(128 * width)
            tx = T.get_thread_binding()
            W[bx, tx] = A[bx, tx] * 2
            T.cluster_sync()
            T.mbarrier_arrive(done, 0)
            if T.block_rank_in_cluster() == 0:
                T.mbarrier_wait_parity(done, 0)
                total = T.alloc_var("float32", 0)
                for i in T.serial(width):
                    total += W[bx + i, tx]
                B[bx // width, tx] = total
            T.cluster_sync()

    return main


def test_arrivals_at_another_block(device):
    n, width = 8, 4
    a = random((n, 128), "float32", device)
    _, out = run(gathered(n, width), [a], ((n, 128), "float32"), ((n // width, 128), "float32"), device=device, target=SM90)
    torch.testing.assert_close(out, (a * 2).view(-1, width, 128).sum(1))


def chained(n):
    @T.prim_func
    def main(A: T.Tensor((n,), "float32"), W: T.Tensor((n,), "float32"), B: T.Tensor((n,), "float32")):
        with T.Kernel(T.ceildiv(n, 128), threads=128) as bx:
            for i in T.Parallel(128):
                W[bx * 128 + i] = A[bx * 128 + i] + 1
            T.pdl_trigger()
        with T.Kernel(T.ceildiv(n, 128), threads=128) as bx:
            T.pdl_sync()
            for i in T.Parallel(128):
                B[bx * 128 + i] = W[bx * 128 + i] * 2

    return main


def test_dependent_launch(device):
    a = random((300,), "float32", device)
    _, out = run(chained(300), [a], ((300,), "float32"), ((300,), "float32"), device=device, target=SM90)
    torch.testing.assert_close(out, (a + 1) * 2)


def chained_product(M, N, K):
    """The second launch has a producer warp, which waits for what the first one writes."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        B: T.Tensor((N, K), "float16"),
        W: T.Tensor((M, K), "float16"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(M // 64, threads=128) as bx:
            for i, j in T.Parallel(64, K):
                W[bx * 64 + i, j] = A[bx * 64 + i, j] * 2
        with T.Kernel(N // 64, M // 64, threads=128) as (bx, by):
            As, Bs = T.alloc_shared((64, 64), "float16"), T.alloc_shared((64, 64), "float16")
            Cl = T.alloc_fragment((64, 64), "float32")
            T.pdl_trigger()
            T.pdl_sync()
            T.clear(Cl)
            for k in T.Pipelined(K // 64, num_stages=2):
                T.copy(W[by * 64, k * 64], As)
                T.copy(B[bx * 64, k * 64], Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[by * 64, bx * 64])

    return main


def test_a_producer_waits_for_the_launches_before(device):
    M, N, K = 128, 64, 192
    a, b = random((M, K), "float16", device), random((N, K), "float16", device)
    shapes = [((M, K), "float16"), ((M, N), "float32")]
    _, out = run(chained_product(M, N, K), [a, b], *shapes, device=device, target=SM90)
    torch.testing.assert_close(out, 2 * a.float() @ b.float().T, rtol=1e-2, atol=1e-2)
    source = tilelang.compile(chained_product(M, N, K), target=SM90).get_kernel_source()
    producer = source[source.index("tl::tma_prefetch") : source.index("tl::tma_load")]
    assert "tl::grid_dependency_wait()" in producer and source.count("tl::grid_dependency_wait()") == 2


def test_clusters_need_hopper():
    with pytest.raises(UnsupportedError, match="cluster_dims"):
        tilelang.compile(ranks(8, 2), target={"kind": "cuda", "arch": "sm_80"})


def test_cluster_dims_are_positive():
    with pytest.raises(ShapeError, match="cluster_dims"):

        @T.prim_func
        def main(A: T.Tensor((4,), "int32")):
            with T.Kernel(4, cluster_dims=(0, 1)):
                A[0] = 1

        main.get()
