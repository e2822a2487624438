"""Softmax, RMSNorm and layer norm over rows, in one pass and blockwise."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.matrix import sampled
from testing.programs.reference import assert_close, random

LOG2E = 1.4426950408889634


def softmax(M, N, bm, threads, dtype):
    """One row or several a block, held in registers; columns past N are never read."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=threads) as bx:
            x = T.alloc_fragment((bm, N), "float32")
            m = T.alloc_fragment((bm,), "float32")
            s = T.alloc_fragment((bm,), "float32")
            T.copy(A[bx * bm : (bx + 1) * bm, :], x)
            T.reduce_max(x, m, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] = T.exp2((x[i, j] - m[i]) * LOG2E)
            T.reduce_sum(x, s, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] /= s[i]
            T.copy(x, B[bx * bm : (bx + 1) * bm, :])

    return main


def rms_norm(M, N, bm, threads, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=threads) as bx:
            x = T.alloc_fragment((bm, N), "float32")
            y = T.alloc_fragment((bm, N), "float32")
            s = T.alloc_fragment((bm,), "float32")
            T.copy(A[bx * bm : (bx + 1) * bm, :], x)
            for i, j in T.Parallel(bm, N):
                y[i, j] = x[i, j] * x[i, j]
            T.reduce_sum(y, s, dim=1)
            for i in T.Parallel(bm):
                s[i] = T.rsqrt(s[i] / N + 1e-6)
            for i, j in T.Parallel(bm, N):
                x[i, j] *= s[i]
            T.copy(x, B[bx * bm : (bx + 1) * bm, :])

    return main


def layer_norm(M, N, bm, threads, dtype):
    """With weight and bias; mean and deviation in two reductions."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), W: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=threads) as bx:
            x = T.alloc_fragment((bm, N), "float32")
            y = T.alloc_fragment((bm, N), "float32")
            w = T.alloc_fragment((N,), "float32")
            c = T.alloc_fragment((N,), "float32")
            mean = T.alloc_fragment((bm,), "float32")
            var = T.alloc_fragment((bm,), "float32")
            T.copy(A[bx * bm : (bx + 1) * bm, :], x)
            T.copy(W, w)
            T.copy(C, c)
            T.reduce_sum(x, mean, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] = x[i, j] - mean[i] / N
            for i, j in T.Parallel(bm, N):
                y[i, j] = x[i, j] * x[i, j]
            T.reduce_sum(y, var, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] = x[i, j] * T.rsqrt(var[i] / N + 1e-5) * w[j] + c[j]
            T.copy(x, B[bx * bm : (bx + 1) * bm, :])

    return main


SHAPES = {
    "N": [64, 80, 112, 1000, 1],
    "bm": [1, 4, 48],
    "threads": [32, 128, 256],
    "dtype": ["float16", "bfloat16", "float32"],
}


@sampled(SHAPES)
def test_softmax(N, bm, threads, dtype, device):
    M = 2 * bm + 1
    a = random((M, N), dtype, device, -8, 8)
    out = run(softmax(M, N, bm, threads, dtype), [a], ((M, N), dtype), device=device)
    assert_close(out, torch.softmax(a.double(), -1), arithmetic="float32", scale=1.0, ulps=3)


@sampled(SHAPES)
def test_rms_norm(N, bm, threads, dtype, device):
    M = 2 * bm + 1
    a = random((M, N), dtype, device)
    out = run(rms_norm(M, N, bm, threads, dtype), [a], ((M, N), dtype), device=device)
    x = a.double()
    assert_close(out, x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6), arithmetic="float32", terms=N, ulps=3)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
@pytest.mark.parametrize("bm, N, threads", [(1, 1024, 128), (4, 96, 64), (16, 80, 128), (3, 111, 96)])
def test_layer_norm(bm, N, threads, dtype, device):
    M = 2 * bm + 1
    a, w, c = random((M, N), dtype, device), random(N, dtype, device), random(N, dtype, device)
    out = run(layer_norm(M, N, bm, threads, dtype), [a, w, c], ((M, N), dtype), device=device)
    expected = torch.nn.functional.layer_norm(a.double(), (N,), w.double(), c.double(), 1e-5)
    size = (expected - c.double()).abs() + w.double().abs() + c.double().abs()
    assert_close(out, expected, arithmetic="float32", terms=N, scale=size, ulps=3)


def online_softmax(M, N, bm, bn, dtype):
    """Two passes over column blocks with a running maximum and sum: rows longer than registers hold."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=128) as bx:
            x = T.alloc_fragment((bm, bn), "float32")
            m = T.alloc_fragment((bm,), "float32")
            m0 = T.alloc_fragment((bm,), "float32")
            s = T.alloc_fragment((bm,), "float32")
            part = T.alloc_fragment((bm,), "float32")
            T.fill(m, -T.infinity("float32"))
            T.clear(s)
            for k in T.Pipelined(T.ceildiv(N, bn), num_stages=0):
                for i, j in T.Parallel(bm, bn):
                    x[i, j] = T.if_then_else(
                        bx * bm + i < M and k * bn + j < N, T.cast(A[bx * bm + i, k * bn + j], "float32"), -T.infinity("float32")
                    )
                T.copy(m, m0)
                T.reduce_max(x, m, dim=1, clear=False)
                for i, j in T.Parallel(bm, bn):
                    x[i, j] = T.if_then_else(bx * bm + i < M, T.exp(x[i, j] - m[i]), 0.0)
                T.reduce_sum(x, part, dim=1)
                for i in T.Parallel(bm):
                    s[i] = T.if_then_else(bx * bm + i < M, s[i] * T.exp(m0[i] - m[i]) + part[i], 1.0)
            for k in T.serial(T.ceildiv(N, bn)):
                T.copy(A[bx * bm, k * bn], x)
                for i, j in T.Parallel(bm, bn):
                    x[i, j] = T.exp(x[i, j] - m[i]) / s[i]
                T.copy(x, B[bx * bm, k * bn])

    return main


@pytest.mark.parametrize("M, N, bm, bn", [(5, 300, 4, 128), (20, 257, 16, 48), (9, 64, 8, 80), (3, 500, 1, 112)])
def test_online_softmax(M, N, bm, bn, device):
    a = random((M, N), "float16", device, -6, 6)
    out = run(online_softmax(M, N, bm, bn, "float16"), [a], ((M, N), "float16"), device=device)
    assert_close(out, torch.softmax(a.double(), -1), arithmetic="float32", scale=1.0, ulps=3)
