"""Cluster launch control (sm_100): every block's work is done once, whoever does it. No such GPU was at hand."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import assembles, clean, compiled
from tilelang.errors import ShapeError, SimulationError, UnsupportedError


def walk(blocks, cluster=1):
    """Each cluster doubles its own tiles, then those of clusters that it takes over; counts say who did how much."""

    @T.prim_func
    def main(A: T.Tensor((blocks, 32), "float32"), B: T.Tensor((blocks, 32), "float32"), counts: T.Tensor((blocks,), "int32")):
        with T.Kernel(blocks, threads=32, cluster_dims=cluster) as bx:
            answer = T.alloc_shared((4,), "uint32")
            answered = T.alloc_cluster_barrier([1])
            tx, rank = T.get_thread_binding(), T.block_rank_in_cluster()
            tile, going, turn = T.alloc_var("int32", init=bx), T.alloc_var("int32", init=1), T.alloc_var("int32", init=0)
            while going == 1:
                if tx == 0:
                    T.mbarrier_arrive_expect_tx(answered, 16)
                    T.atomic_add(counts[bx], 1)
                if cluster > 1:
                    T.cluster_sync()
                if tx == 0:
                    if cluster == 1:
                        T.clc_try_cancel(answer, answered)
                    elif rank == 0:
                        T.clc_try_cancel_multicast(answer, answered)
                B[tile, tx] = A[tile, tx] * 2.0
                T.mbarrier_wait_parity(answered, turn % 2)
                if T.clc_is_canceled(answer):
                    tile = T.clc_get_first_ctaid_x(answer) + rank
                else:
                    going = 0
                turn = turn + 1
                T.fence_proxy_async()
                T.sync_threads()

    return main


@pytest.mark.parametrize("blocks, cluster", [(12, 1), (12, 2)])
def test_work_is_done_once(blocks, cluster):
    kernel = compiled(walk(blocks, cluster))
    a, b, counts = torch.randn(blocks, 32), torch.full((blocks, 32), float("nan")), torch.zeros(blocks, dtype=torch.int32)
    kernel(a, b, counts)
    assert torch.equal(b, a * 2) and counts.sum() == blocks and (counts == 0).any()
    clean(kernel, a, b, counts)
    assembles(kernel)


def test_refusals():
    with pytest.raises(UnsupportedError, match="came with sm_100; the target is sm_90a"):
        compiled(walk(4), "sm_90a")
    with pytest.raises(ShapeError, match="16 bytes"):

        @T.prim_func
        def small(A: T.Tensor((4,), "float32")):
            with T.Kernel(1, threads=32) as _:
                answer, answered = T.alloc_shared((3,), "uint32"), T.alloc_barrier(1)
                T.clc_try_cancel(answer, answered)

        compiled(small)


def test_an_answer_that_nobody_waited_for():
    @T.prim_func
    def main(A: T.Tensor((4,), "int32")):
        with T.Kernel(1, threads=32) as _:
            answer, answered = T.alloc_shared((4,), "uint32"), T.alloc_barrier(1)
            if T.get_thread_binding() == 0:
                T.mbarrier_arrive_expect_tx(answered, 16)
                T.clc_try_cancel(answer, answered)
                A[0] = T.clc_get_first_ctaid_y(answer) + T.clc_get_first_ctaid_z(answer)

    with pytest.raises(SimulationError, match="no answer of try_cancel"):
        compiled(main)(torch.zeros(4, dtype=torch.int32))
