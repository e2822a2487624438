"""Tiles of more elements than a thread has registers: right, and said to lie in local memory."""

from __future__ import annotations

import re

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run


def normalised(M, N, bm, threads):
    @T.prim_func
    def main(A: T.Tensor((M, N), "float32"), B: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, bm), threads=threads) as bx:
            x = T.alloc_fragment((bm, N), "float32")
            s = T.alloc_fragment((bm,), "float32")
            T.copy(A[bx * bm, 0], x)
            T.reduce_absmax(x, s, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] = x[i, j] / s[i] + j
            T.copy(x, B[bx * bm, 0])

    return main


@pytest.mark.parametrize("bm, threads, large", [(40, 32, True), (20, 32, False), (40, 128, False), (70, 64, True)])
def test_rows(bm, threads, large, device):
    M, N = 101, 300
    a = torch.randn(M, N, device=device)
    kernel = tilelang.compile(normalised(M, N, bm, threads))
    b = run(kernel, [a], ((M, N), "float32"), device=device)
    expected = a.double() / a.double().abs().amax(1, keepdim=True) + torch.arange(N, device=device)
    torch.testing.assert_close(b.double(), expected, rtol=1e-6, atol=1e-6)
    said = [str(r) for r in kernel.remarks if "lies in local memory" in str(r)]
    assert len(said) == large, said
    if large:  # padding comes on top
        needed = re.search(r"x needs (\d+) registers of a thread's 255", said[0])
        assert needed is not None and bm * N / threads <= int(needed[1]) <= 2 * bm * N / threads
