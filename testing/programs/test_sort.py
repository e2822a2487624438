"""Sorting and reducing by hand in shared memory: exchanges inside branches that threads take separately."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import SemanticError


def bitonic(N):
    stages = N.bit_length() - 1

    @T.prim_func
    def main(A: T.Tensor((4, N), "float32"), B: T.Tensor((4, N), "float32"), I: T.Tensor((4, N), "int32")):
        with T.Kernel(4, threads=N // 2) as bx:
            key, place = T.alloc_shared((N,), "float32"), T.alloc_shared((N,), "int32")
            tx = T.get_thread_binding()
            T.copy(A[bx, :], key)
            for i in T.Parallel(N):
                place[i] = i
            for stage in T.serial(stages):
                for step in T.serial(stage + 1):
                    T.sync_threads()
                    distance = 1 << (stage - step)
                    low = tx // distance * distance * 2 + tx % distance
                    high = low + distance
                    descending = low >> (stage + 1) & 1
                    if (key[low] > key[high]) == (descending == 0):
                        k = T.alloc_var("float32")
                        k = key[low]
                        key[low] = key[high]
                        key[high] = k
                        p = T.alloc_var("int32")
                        p = place[low]
                        place[low] = place[high]
                        place[high] = p
            T.copy(key, B[bx, :])
            T.copy(place, I[bx, :])

    return main


@pytest.mark.parametrize("N", [64, 512])
def test_bitonic(N, device):
    """Each pair belongs to one thread, which the compiler cannot prove: the author's barriers are enough."""
    a = random((4, N), "float32", device)
    keys, places = run(bitonic(N), [a], ((4, N), "float32"), ((4, N), "int32"), device=device)
    assert torch.equal(keys, a.sort(1).values) and torch.equal(a.gather(1, places.long()), keys)


def halving(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), B: T.Tensor((N,), "float32"), C: T.Tensor((32,), "float32")):
        with T.Kernel(1, threads=N):
            tx, s, w = T.get_thread_binding(), T.alloc_shared((N,), "float32"), T.alloc_shared((32,), "float32")
            half = T.alloc_var("int32", init=N // 2)
            s[tx] = A[tx]
            while half > 0:
                T.sync_threads()
                if tx < half:
                    s[tx] = T.max(s[tx], s[tx + half])
                half = half >> 1
            T.sync_threads()
            B[tx] = s[0]
            if tx < 32:
                w[tx] = A[tx]
                T.sync_warp()
                C[tx] = w[31 - tx]

    return main


def test_halving_and_a_warps_exchange(device):
    a = random((128,), "float32", device)
    best, turned = run(halving(128), [a], ((128,), "float32"), ((32,), "float32"), device=device)
    assert (best == a.max()).all() and torch.equal(turned, a[:32].flip(0))


def test_known_races_are_refused():
    @T.prim_func
    def main(A: T.Tensor((128,), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=128):
            tx, s = T.get_thread_binding(), T.alloc_shared((64,), "float32")
            if tx % 2 == 0:
                s[tx // 2] = A[tx]
                B[tx // 2] = s[63 - tx // 2]

    with pytest.raises(SemanticError, match="written and then read by different threads"):
        run(main, [torch.zeros(128)], ((64,), "float32"), device="cpu", target="cuda", execution_backend="simulator")
