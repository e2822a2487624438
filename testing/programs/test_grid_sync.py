"""Cooperative launches: all blocks of a grid meet at T.sync_grid, and see what the others wrote before."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import FrontendError, TileLangError


def softmax_over_all(n, block, blocks, rounds):
    """Softmax of one vector by several blocks: the maximum and the sum cross the grid, more than once."""
    span = block * blocks

    @T.prim_func
    def main(X: T.Tensor((n,), "float32"), P: T.Tensor((2, blocks), "float32"), Y: T.Tensor((n,), "float32")):
        with T.Kernel(blocks, threads=block) as bx:
            tx = T.get_thread_binding()
            part = T.alloc_fragment((block,), "float32")
            best = T.alloc_fragment((1,), "float32")
            for _r in T.serial(rounds):
                T.fill(part, -T.infinity("float32"))
                for c in T.serial(T.ceildiv(n, span)):
                    for i in T.Parallel(block):
                        at = c * span + bx * block + i
                        part[i] = T.max(part[i], T.if_then_else(at < n, X[at], -T.infinity("float32")))
                T.reduce_max(part, best)
                if tx == 0:
                    P[0, bx] = best[0]
                T.sync_grid()
                top = T.alloc_var("float32", -T.infinity("float32"))
                for b in T.serial(blocks):
                    top = T.max(top, P[0, b])
                T.clear(part)
                for c in T.serial(T.ceildiv(n, span)):
                    for i in T.Parallel(block):
                        at = c * span + bx * block + i
                        part[i] += T.if_then_else(at < n, T.exp(X[at] - top), 0.0)
                T.reduce_sum(part, best)
                if tx == 0:
                    P[1, bx] = best[0]
                T.sync_grid()
                total = T.alloc_var("float32", 0.0)
                for b in T.serial(blocks):
                    total += P[1, b]
                for c in T.serial(T.ceildiv(n, span)):
                    for i in T.Parallel(block):
                        if c * span + bx * block + i < n:
                            Y[c * span + bx * block + i] = T.exp(X[c * span + bx * block + i] - top) / total
                T.sync_grid()

    return main


@pytest.mark.parametrize("n, rounds", [(1000, 1), (257, 3)])
def test_blocks_exchange_partial_results(n, rounds, device):
    x = random((n,), "float32", device)
    _, y = run(softmax_over_all(n, 64, 5, rounds), [x], ((2, 5), "float32"), ((n,), "float32"), device=device)
    assert_close(y, torch.softmax(x.double(), 0), terms=n)


def two_launches(n):
    @T.prim_func
    def main(A: T.Tensor((n, 64), "int32"), B: T.Tensor((n, 64), "int32"), C: T.Tensor((n, 64), "int32")):
        with T.Kernel(n, threads=64) as bx:
            tx = T.get_thread_binding()
            B[bx, tx] = A[bx, tx] + 1
            T.sync_grid()
            C[bx, tx] = B[(bx + 1) % n, tx]
        with T.Kernel(2, threads=64) as bx:
            tx = T.get_thread_binding()
            for i in T.serial(bx, n, 2):
                B[i, tx] = C[i, tx] * 2
            T.sync_grid()
            if bx == 0:
                C[0, tx] = B[n - 1, tx]

    return main


def test_two_cooperative_launches_share_the_counter(device):
    n = 3
    a = random((n, 64), "int32", device, -50, 50)
    kernel = tilelang.compile(two_launches(n))
    for _ in range(2):
        b, c = run(kernel, [a], ((n, 64), "int32"), ((n, 64), "int32"), device=device)
        shifted = (a + 1).roll(-1, 0)
        assert torch.equal(b, shifted * 2) and torch.equal(c[0], b[n - 1]) and torch.equal(c[1:], shifted[1:])
    workspace = kernel.artifact.plan.workspaces[0] if hasattr(kernel.artifact, "plan") else kernel.plan.workspaces[0]
    assert workspace.zeroed


def test_in_a_branch_that_threads_disagree_on():
    @T.prim_func
    def main(A: T.Tensor((64,), "int32")):
        with T.Kernel(2, threads=64) as bx:
            if T.get_thread_binding() < 5:
                T.sync_grid()
            A[T.get_thread_binding()] = bx

    with pytest.raises(TileLangError, match="sync_grid|barrier"):
        tilelang.compile(main)


def test_outside_a_kernel():
    @T.prim_func
    def main(A: T.Tensor((64,), "int32")):
        T.sync_grid()
        with T.Kernel(2, threads=64) as bx:
            A[T.get_thread_binding()] = bx

    with pytest.raises(FrontendError, match="T.sync_grid"):
        main.get()
