"""Flash attention, forward: online softmax over blocks of keys, with and without a causal mask."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.matrix import sampled
from testing.programs.reference import assert_close, random


def attention(B, H, Sq, Sk, D, causal, bm, bn, stages, threads, dtype="float16", through_shared=True):
    scale = math.log2(math.e) / math.sqrt(D)
    offset = Sk - Sq  # the last query sees the last key

    @T.prim_func
    def main(
        Q: T.Tensor((B, H, Sq, D), dtype),
        K: T.Tensor((B, H, Sk, D), dtype),
        V: T.Tensor((B, H, Sk, D), dtype),
        O: T.Tensor((B, H, Sq, D), dtype),
    ):
        with T.Kernel(T.ceildiv(Sq, bm), H, B, threads=threads) as (bx, by, bz):
            Qs = T.alloc_shared((bm, D), dtype)
            Ks = T.alloc_shared((bn, D), dtype)
            Vs = T.alloc_shared((bn, D), dtype)
            Os = T.alloc_shared((bm, D), dtype)
            s = T.alloc_fragment((bm, bn), "float32")
            p = T.alloc_fragment((bm, bn), dtype)
            o = T.alloc_fragment((bm, D), "float32")
            m = T.alloc_fragment((bm,), "float32")
            m0 = T.alloc_fragment((bm,), "float32")
            r = T.alloc_fragment((bm,), "float32")
            part = T.alloc_fragment((bm,), "float32")
            total = T.alloc_fragment((bm,), "float32")
            T.copy(Q[bz, by, bx * bm : (bx + 1) * bm, :], Qs)
            T.clear(o)
            T.clear(total)
            T.fill(m, -T.infinity("float32"))
            steps = T.min(T.ceildiv(Sk, bn), T.ceildiv((bx + 1) * bm + offset, bn)) if causal else T.ceildiv(Sk, bn)
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(K[bz, by, k * bn : (k + 1) * bn, :], Ks)
                for i, j in T.Parallel(bm, bn):
                    if causal:
                        s[i, j] = T.if_then_else(
                            bx * bm + i + offset >= k * bn + j and k * bn + j < Sk, 0, -T.infinity("float32")
                        )
                    else:
                        s[i, j] = T.if_then_else(k * bn + j < Sk, 0, -T.infinity("float32"))
                T.gemm(Qs, Ks, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(m, m0)
                T.reduce_max(s, m, dim=1, clear=False)
                for i in T.Parallel(bm):
                    r[i] = T.exp2(m0[i] * scale - m[i] * scale)
                for i, j in T.Parallel(bm, bn):
                    s[i, j] = T.exp2(s[i, j] * scale - m[i] * scale)
                T.reduce_sum(s, part, dim=1)
                for i in T.Parallel(bm):
                    total[i] = total[i] * r[i] + part[i]
                T.copy(s, p)
                for i, j in T.Parallel(bm, D):
                    o[i, j] *= r[i]
                T.copy(V[bz, by, k * bn : (k + 1) * bn, :], Vs)
                T.gemm(p, Vs, o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, D):
                o[i, j] /= total[i]
            if through_shared:
                T.copy(o, Os)
                T.copy(Os, O[bz, by, bx * bm : (bx + 1) * bm, :])
            else:
                T.copy(o, O[bz, by, bx * bm : (bx + 1) * bm, :])

    return main


def check(out, q, k, v, causal):
    """The probabilities are rounded to the dtype of the operands before the second product."""
    q, k, v = q.double().cpu(), k.double().cpu(), v.double().cpu()
    x = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        x = x.masked_fill(torch.ones(x.shape[-2:], dtype=torch.bool).triu(1 + x.shape[-1] - x.shape[-2]), -torch.inf)
    p = torch.softmax(x, -1)
    name = str(out.dtype).removeprefix("torch.")
    assert_close(out, p @ v, scale=p @ v.abs() / 4, arithmetic=name)


@sampled(
    {
        "causal": [False, True],
        "D": [64, 128],
        "tile": [(64, 64), (128, 32), (48, 80), (96, 112), (16, 48), (1, 96)],
        "S": [128, 100, 33],
        "stages": [0, 1, 2, 3],
        "threads": [64, 128, 256],
        "dtype": ["float16", "bfloat16"],
    }
)
def test_attention(causal, D, tile, S, stages, threads, dtype, device):
    B, H = 1, 2
    q, k, v = (random((B, H, S, D), dtype, device) for _ in range(3))
    program = attention(B, H, S, S, D, causal, *tile, stages, threads, dtype)
    check(run(program, [q, k, v], ((B, H, S, D), dtype), device=device), q, k, v, causal)


@pytest.mark.parametrize("causal", [False, True])
def test_more_keys_than_queries(causal, device):
    q = random((2, 1, 40, 64), "float16", device)
    k, v = (random((2, 1, 150, 64), "float16", device) for _ in range(2))
    program = attention(2, 1, 40, 150, 64, causal, 32, 64, 2, 128, through_shared=False)
    check(run(program, [q, k, v], ((2, 1, 40, 64), "float16"), device=device), q, k, v, causal)


@pytest.mark.parametrize("causal", [False, True])
def test_dynamic_sequence(causal, device):
    """One kernel for every sequence length."""
    S = T.dynamic("S")
    kernel = tilelang.compile(attention(1, 2, S, S, 64, causal, 64, 32, 2, 128), pass_configs={"tl.enable_fast_math": True})
    for length in (1, 64, 77, 128):
        q, k, v = (random((1, 2, length, 64), "float16", device) for _ in range(3))
        check(run(kernel, [q, k, v], ((1, 2, length, 64), "float16"), device=device), q, k, v, causal)
