"""Programs on cumulative sums: nucleus (top-p) filters, gated recurrences in log space, offsets of sorted tokens."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def top_p(rows, N, p, threads=128):
    """Of probabilities sorted downwards, keeps those before which less than `p` has been seen, and rescales them."""

    @T.prim_func
    def main(P: T.Tensor((rows, N), "float32"), Out: T.Tensor((rows, N), "float32"), Count: T.Tensor((rows,), "int32")):
        with T.Kernel(rows, threads=threads) as bx:
            probs = T.alloc_fragment((N,), "float32")
            sums = T.alloc_shared((N,), "float32")
            kept = T.alloc_fragment((N,), "float32")
            ones = T.alloc_fragment((N,), "int32")
            total = T.alloc_fragment((1,), "float32")
            count = T.alloc_fragment((1,), "int32")
            T.copy(P[bx, 0], probs)
            T.copy(P[bx, 0], sums)
            T.cumsum(sums, dim=0)
            for i in T.Parallel(N):
                before = sums[i] - probs[i]
                kept[i] = T.if_then_else(before < p, probs[i], 0.0)
                ones[i] = T.if_then_else(before < p, 1, 0)
            T.reduce_sum(kept, total, dim=0)
            T.reduce_sum(ones, count, dim=0)
            for i in T.Parallel(N):
                kept[i] = kept[i] / total[0]
            T.copy(kept, Out[bx, 0])
            T.copy(count, Count[bx])

    return main


@pytest.mark.parametrize("N", [64, 200])
def test_top_p(N, device):
    rows, p = 5, 0.83
    probs = torch.rand(rows, N, device=device).mul(6).softmax(-1).sort(-1, descending=True).values
    out, count = run(top_p(rows, N, p), [probs], ((rows, N), "float32"), ((rows,), "int32"), device=device)
    wide = probs.double().cpu()
    keep = wide.cumsum(-1) - wide < p
    expected = torch.where(keep, wide, 0)
    assert_close(count, keep.sum(-1))
    assert_close(out, expected / expected.sum(-1, keepdim=True), terms=N, scale=1.0)


def gated_sum(rows, length, chunk, width):
    """y_t = sum over s <= t of exp(g_t - g_s) x_s with g the cumulative log gates, one chunk at a time."""

    @T.prim_func
    def main(
        G: T.Tensor((rows, length), "float32"),
        X: T.Tensor((rows, length, width), "float16"),
        Y: T.Tensor((rows, length, width), "float32"),
    ):
        with T.Kernel(rows, threads=128) as bx:
            g = T.alloc_shared((chunk,), "float32")
            x = T.alloc_shared((chunk, width), "float16")
            decay = T.alloc_shared((chunk, chunk), "float16")
            carried = T.alloc_fragment((width,), "float32")
            y = T.alloc_fragment((chunk, width), "float32")
            last = T.alloc_shared((chunk, width), "float32")
            T.clear(carried)
            for c in T.serial(T.ceildiv(length, chunk)):
                T.copy(G[bx, c * chunk], g)
                T.copy(X[bx, c * chunk, 0], x)
                T.cumsum(g, dim=0)
                for i, j in T.Parallel(chunk, chunk):
                    decay[i, j] = T.if_then_else(i >= j, T.exp(g[i] - g[j]), 0.0)
                T.gemm(decay, x, y, clear_accum=True)
                for i, j in T.Parallel(chunk, width):
                    y[i, j] += T.exp(g[i]) * carried[j]
                T.copy(y, last)
                T.copy(y, Y[bx, c * chunk, 0])
                for j in T.Parallel(width):
                    carried[j] = last[chunk - 1, j]

    return main


@pytest.mark.parametrize("length", [128, 90])
def test_gated_sum(length, device):
    rows, width = 2, 32
    g = -random((rows, length), "float32", device, 0, 0.2)
    x = random((rows, length, width), "float16", device)
    out = run(gated_sum(rows, length, 64, width), [g, x], ((rows, length, width), "float32"), device=device)
    gd, xd = g.double().cpu().cumsum(-1), x.double().cpu()
    weight = (gd[:, :, None] - gd[:, None]).exp().tril()
    assert_close(out, weight @ xd, dtype="float16", terms=4, scale=weight @ xd.abs(), arithmetic="float16")
