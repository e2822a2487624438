"""Barriers are left out where computing all indices shows that every element belongs to one thread; elsewhere they stay."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

SM80 = {"kind": "cuda", "arch": "sm_80"}
THREADS = 64


def program(place, n=8, rows=1, again=False):
    """Each thread adds to elements that `place(tx, i, by)` names, in `n` iterations (the tensor's extent says how many, if 0)."""
    m = T.dynamic("m")

    @T.prim_func
    def main(A: T.Tensor((m, THREADS), "float32"), C: T.Tensor((rows * 4, 128), "float32")):
        with T.Kernel(rows, threads=THREADS) as by:
            tx = T.get_thread_binding()
            for i in T.serial(n or m):
                r, c = place(tx, i, by)
                C[r, c] = C[r, c] + A[i, tx]
            if again:
                for i in T.serial(n or m):
                    r, c = place(tx, i, by)
                    C[r, c] = C[r, c] * 2

    return main


def accumulator(tx, i, by):
    """An m16n8 instruction's order, two warps side by side, two tiles."""
    return by * 4 + tx % 32 // 8 % 4, tx // 32 * 64 + i // 2 * 16 + tx % 8 * 2 + i % 2


def swizzled(tx, i, by):
    return by * 4 + i // 2, (tx ^ (i // 2)) + i % 2 * 64


def rotated(tx, i, by):
    """Another thread's element in the next iteration."""
    return by * 4, (tx + i) % THREADS


def colliding(tx, i, by):
    """Threads 2j and 2j + 1 share elements, in different iterations."""
    return by * 4, tx // 2 * 4 + (i + tx % 2) % 4


def barriers(func):
    source = tilelang.compile(func, target=SM80, execution_backend="simulator").get_kernel_source()
    return source.count("tl::sync_threads()")


@pytest.mark.parametrize("place", [accumulator, swizzled])
def test_permutations_need_no_barrier(place):
    func = program(place, rows=3)
    assert barriers(func) == 0
    kernel = tilelang.compile(func, target=SM80, execution_backend="simulator")
    a, c = torch.randn(8, THREADS), torch.zeros(12, 128)
    report = kernel.check(a, c)
    assert not report.findings, str(report)
    kernel(a, c)
    expected = torch.zeros(12, 128)
    for by in range(3):
        for i in range(8):
            for tx in range(THREADS):
                expected[place(tx, i, by)] += a[i, tx]
    assert torch.equal(c, expected)


@pytest.mark.parametrize("place", [rotated, colliding])
def test_elements_that_change_hands_keep_theirs(place):
    func = program(place)
    assert barriers(func) > 0
    kernel = tilelang.compile(func, target=SM80, execution_backend="simulator")
    report = kernel.check(torch.randn(8, THREADS), torch.zeros(4, 128), schedules=3)
    assert not report.findings, str(report)


def test_trip_counts_that_nobody_knows():
    """The iterations cannot be listed: what they touch stays unknown."""
    assert barriers(program(lambda tx, i, by: (by * 4, (tx + i * THREADS) % 128), n=0)) > 0


def test_behind_the_loop_all_iterations_count():
    """A second loop meets what the first one touched as one piece."""
    func = program(accumulator, again=True)
    kernel = tilelang.compile(func, target=SM80, execution_backend="simulator")
    report = kernel.check(torch.randn(8, THREADS), torch.zeros(4, 128))
    assert not report.findings and barriers(func) <= 1, str(report)
