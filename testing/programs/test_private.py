"""T.Parallel over a thread's own arrays: every thread runs all of it."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random
from tilelang.errors import SemanticError


def test_filled_and_changed(device):
    @T.prim_func
    def main(A: T.Tensor((128, 8), "float16"), B: T.Tensor((128, 8), "float32")):
        with T.Kernel(1, threads=128):
            tx = T.get_thread_binding()
            x = T.alloc_local((8,), "float16")
            y = T.alloc_local((2, 4), "float32")
            for i in T.Parallel(8):
                x[i] = A[tx, i]
            for i, j in T.Parallel(2, 4):
                y[i, j] = x[i * 4 + j] * T.cast(tx, "float32")
            for i in T.vectorized(8):
                B[tx, i] = y[i // 4, i % 4]

    a = random((128, 8), "float16", device)
    out = run(main, [a], ((128, 8), "float32"), device=device)
    assert_close(out, a.double().cpu() * torch.arange(128)[:, None])


def test_summed(device):
    """An element that all iterations update: one after the other."""

    @T.prim_func
    def main(A: T.Tensor((64, 16), "float32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            tx = T.get_thread_binding()
            x = T.alloc_local((16,), "float32")
            total = T.alloc_local((1,), "float32")
            T.clear(total)
            for i in T.Parallel(16):
                x[i] = A[tx, i]
            for i in T.Parallel(16):
                total[0] += x[i] * x[i]
            for i in T.Parallel(8):
                for k in T.serial(2):
                    x[i] += x[i + 8] * k
            B[tx] = total[0] + x[0]

    a = random((64, 16), "float32", device)
    out = run(main, [a], ((64,), "float32"), device=device)
    d = a.double().cpu()
    assert_close(out, d.square().sum(1) + d[:, 0] + d[:, 8], terms=16, scale=d.square().sum(1) + 2)


def test_shared_work_on_private_arrays_is_refused():
    @T.prim_func
    def main(B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=64):
            x = T.alloc_local((64,), "float32")
            T.clear(x)
            for i in T.Parallel(64):
                B[i] = x[i]

    with pytest.raises(SemanticError, match="every thread has its own x"):
        tilelang.compile(main)


def test_filling_tiles_with_a_scalar(device):
    @T.prim_func
    def main(A: T.Tensor((4, 64), "float32")):
        with T.Kernel(4, threads=64) as b:
            value = T.alloc_var("float32", init=1.5)
            f, s = T.alloc_fragment((64,), "float32"), T.alloc_shared((64,), "float32")
            value = value + b
            T.fill(f, value)
            T.fill(s, value * 2)
            for i in T.Parallel(64):
                A[b, i] = f[i] + s[i]

    expected = 3 * (torch.arange(4, device=device) + 1.5)
    assert torch.equal(run(main, [], ((4, 64), "float32"), device=device), expected[:, None].expand(4, 64))
