"""Warp operations among some lanes, while the others do something else."""

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import UnsupportedError

LOW, HIGH, EVEN = 0x0000FFFF, 0xFFFF0000, 0x55555555


@T.prim_func
def halves(
    A: T.Tensor((64,), "float32"), K: T.Tensor((64,), "int32"), O: T.Tensor((5, 64), "float32"), M: T.Tensor((6, 64), "uint32")
):
    with T.Kernel(1, threads=64):
        t = T.get_thread_binding()
        if t % 32 < 16:
            O[0, t] = T.shfl_sync(A[t], 3, mask=LOW)
            O[1, t] = T.shfl_xor(A[t], 5, 8, LOW)
            M[0, t] = T.ballot_sync(A[t] > 0, LOW)
            M[1, t] = T.match_any_sync(K[t], LOW)
            M[2, t] = T.match_all_sync(K[t // 16 * 16], LOW)
            T.sync_warp(LOW)
        else:
            M[0, t] = T.ballot_sync(A[t] < 0, HIGH)
            O[0, t] = T.shfl_down(A[t], 3, mask=HIGH)
            T.sync_warp(HIGH)
            O[1, t] = T.shfl_up(A[t], 1, 4, HIGH)
            M[1, t] = T.match_any_sync(K[t], HIGH)
            M[2, t] = T.match_all_sync(K[t], HIGH)
        if t % 2 == 0:
            M[3, t] = T.cast(T.any_sync(A[t] > 1, EVEN), "uint32")
            M[4, t] = T.cast(T.all_sync(A[t] > -10, EVEN), "uint32")
            O[2, t] = T.shfl_xor(A[t], 4, 32, EVEN)
        else:
            M[3, t] = T.cast(5, "uint32")
            M[4, t] = T.cast(5, "uint32")
            O[2, t] = 0
        O[3, t] = T.shfl_sync(A[t], 31)
        mask = T.if_then_else(t < 32, T.uint32(0xFFFFFFFF), T.uint32(0xFFFFFFFF))
        O[4, t] = T.shfl_sync(A[t], 7, mask=mask)
        M[5, t] = T.ballot(A[t] > 0)


def test_groups_of_lanes(device):
    a, k = random(64, "float32", device), random(64, "int32", device, 0, 3)
    o, m = run(halves, [a, k], ((5, 64), "float32"), ((6, 64), "uint32"), device=device)
    a, k, o = a.cpu(), k.cpu(), o.cpu()
    m = m.cpu().view(torch.int32).long() & 0xFFFFFFFF
    for t in range(64):
        lane, base = t % 32, t // 32 * 32
        low = lane < 16
        group = [base + x for x in (range(16) if low else range(16, 32))]
        if low:
            assert o[0, t] == a[base + 3]
            assert o[1, t] == a[base + ((lane ^ 5) if (lane ^ 5) <= (lane | 7) else lane)]
        else:
            assert o[0, t] == a[base + (lane + 3 if lane + 3 < 32 else lane)]
            assert o[1, t] == a[base + (lane - 1 if lane % 4 else lane)]
        votes = [(a[x] > 0) if low else (a[x] < 0) for x in group]
        assert m[0, t] == sum(1 << x % 32 for x, v in zip(group, votes) if v)
        assert m[1, t] == sum(1 << x % 32 for x in group if k[x] == k[t])
        same = low or bool((k[group] == k[t]).all())
        assert m[2, t] == ((LOW if low else HIGH) if same else 0)
        even = [base + x for x in range(0, 32, 2)]
        assert m[3, t] == (5 if t % 2 else int((a[even] > 1).any())) and m[4, t] == (5 if t % 2 else 1)
        assert o[2, t] == (0 if t % 2 else a[base + (lane ^ 4)])
        assert o[3, t] == a[base + 31] and o[4, t] == a[base + 7]
        assert m[5, t] == sum(1 << x for x in range(32) if a[base + x] > 0)


def test_nobody_takes_part():
    @T.prim_func
    def main(A: T.Tensor((32,), "float32")):
        with T.Kernel(1, threads=32):
            A[T.get_thread_binding()] = T.shfl_sync(A[0], 1, mask=0)

    with pytest.raises(UnsupportedError, match="mask 0"):
        tilelang.compile(main)


def test_a_lane_outside_its_mask(device):
    if device == "cuda":
        pytest.skip("a GPU does not tell")

    @T.prim_func
    def main(A: T.Tensor((32,), "float32")):
        with T.Kernel(1, threads=32):
            A[T.get_thread_binding()] = T.shfl_sync(A[T.get_thread_binding()], 1, mask=0xFFFF)

    with pytest.raises(Exception, match="0x0000ffff, among which"):
        tilelang.compile(main)(torch.zeros(32))
