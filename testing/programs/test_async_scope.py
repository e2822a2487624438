"""Rows gathered by cp.async in `with T.attr(..., "async_scope", 1)`, as hand-written producers do."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import poisoned, random

ROWS, WIDTH, TILE = 200, 64, 64


def producer_consumer(vector: int, dtype: str):
    """A warp group gathers rows; the other waits for an mbarrier that the copies arrive at."""
    lanes = WIDTH // vector
    step = 128 // lanes

    @T.prim_func
    def main(A: T.Tensor((ROWS, WIDTH), dtype), rows: T.Tensor((TILE,), "int32"), C: T.Tensor((TILE, WIDTH), dtype)):
        with T.Kernel(1, threads=256):
            tile = T.alloc_shared((TILE, WIDTH), dtype)
            ready = T.alloc_barrier(128)
            tx = T.get_thread_binding()
            if tx >= 128:
                for r in T.serial(TILE // step):
                    row = r * step + (tx - 128) // lanes
                    with T.attr("default", "async_scope", 1):
                        for v in T.vectorized(vector):
                            tile[row, tx % lanes * vector + v] = T.if_then_else(
                                rows[row] >= 0, A[rows[row], tx % lanes * vector + v], 0
                            )
                T.cp_async_barrier_noinc(ready[0])
            else:
                T.barrier_wait(ready, 0)
                T.copy(tile, C)

    return main


@pytest.mark.parametrize(
    ("vector", "dtype", "size"), [(8, "float16", 16), (2, "float32", 8), (4, "int8", 4), (16, "float16", 16)]
)
def test_gather(vector, dtype, size, device):
    a, rows = random((ROWS, WIDTH), dtype, device), torch.randint(-1, ROWS, (TILE,), dtype=torch.int32, device=device)
    kernel = tilelang.compile(producer_consumer(vector, dtype))
    assert f"cp_async<{size}>" in kernel.get_kernel_source()
    out = poisoned((TILE, WIDTH), dtype, device)
    kernel(a, rows, out.tensor)
    out.assert_guards()
    assert torch.equal(out.tensor, torch.where(rows[:, None] >= 0, a[rows.clamp(min=0).long()], torch.zeros_like(a[:1])))


def test_groups_and_other_loops(device):
    """Commits and waits by hand; a loop that computes stays what it is."""

    @T.prim_func
    def main(A: T.Tensor((TILE, WIDTH), "float32"), C: T.Tensor((TILE, WIDTH), "float32")):
        with T.Kernel(1, threads=64):
            tile, twice = T.alloc_shared((TILE, WIDTH), "float32"), T.alloc_shared((TILE, WIDTH), "float32")
            tx = T.get_thread_binding()
            with T.attr("default", "async_scope", 1):
                for c in T.serial(WIDTH // 4):
                    for v in T.vectorized(4):
                        tile[tx, c * 4 + v] = A[tx, c * 4 + v]
                    for v in T.vectorized(4):
                        twice[tx, c * 4 + v] = A[tx, c * 4 + v] * 2
            T.ptx_commit_group()
            T.ptx_wait_group(0)
            T.sync_threads()
            for i, j in T.Parallel(TILE, WIDTH):
                C[i, j] = tile[i, j] + twice[i, j]

    a = random((TILE, WIDTH), "float32", device)
    kernel = tilelang.compile(main, out_idx=-1)
    assert kernel.get_kernel_source().count("cp_async<16>") == 1
    torch.testing.assert_close(kernel(a), 3 * a)
