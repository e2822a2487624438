"""Names of sm_100 that other tests do not run for their numbers. No such GPU was at hand: the simulator runs them."""

from __future__ import annotations

import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import compiled


@T.prim_func
def walk(O: T.Tensor((2, 3, 2), "int32")):
    """Blocks of a grid of three axes, done by whoever comes first."""
    with T.Kernel(2, 3, 2, threads=32) as (bx, by, bz):
        answer = T.alloc_shared((4,), "uint32")
        answered = T.alloc_barrier(1)
        tx = T.get_thread_binding()
        x, y, z = T.alloc_var("int32", init=bx), T.alloc_var("int32", init=by), T.alloc_var("int32", init=bz)
        going, turn = T.alloc_var("int32", init=1), T.alloc_var("int32", init=0)
        while going == 1:
            if tx == 0:
                T.mbarrier_arrive_expect_tx(answered, 16)
                T.clc_try_cancel(answer, answered)
                O[z, y, x] = x + 10 * y + 100 * z
            T.mbarrier_wait_parity(answered, turn % 2)
            if T.clc_is_canceled(answer):
                x = T.clc_get_first_ctaid_x(answer)
                y = T.clc_get_first_ctaid_y(answer)
                z = T.clc_get_first_ctaid_z(answer)
            else:
                going = 0
            turn = turn + 1
            T.fence_proxy_async()
            T.sync_threads()


def test_blocks_of_three_axes():
    out = torch.full((2, 3, 2), -1, dtype=torch.int32)
    compiled(walk)(out)
    z, y, x = torch.meshgrid(torch.arange(2), torch.arange(3), torch.arange(2), indexing="ij")
    assert torch.equal(out, (x + 10 * y + 100 * z).int())


@T.prim_func
def fences(A: T.Tensor((64,), "float32"), B: T.Tensor((64,), "float32")):
    with T.Kernel(1, threads=64):
        tile = T.alloc_shared((64,), "float32")
        tx = T.get_thread_binding()
        tile[tx] = A[tx]
        T.tcgen05_before_thread_sync()
        T.sync_threads()
        T.tcgen05_after_thread_sync()
        B[tx] = tile[63 - tx]


def test_fences_order_nothing_else():
    a, b = torch.randn(64), torch.zeros(64)
    compiled(fences)(a, b)
    assert torch.equal(b, a.flip(0))
