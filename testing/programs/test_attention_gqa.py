"""Grouped-query attention with [batch, length, head, dim] tensors, built of macros, with a log-sum-exp output."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def attention(batch, heads, groups, length, dim, causal, block_M, block_N, stages, threads, dtype="float16"):
    scale = (1.0 / dim) ** 0.5 * 1.44269504
    q_shape = [batch, length, heads, dim]
    kv_shape = [batch, length, heads // groups, dim]
    accum = "float32"

    @T.macro
    def scores(K, Q_shared, K_shared, acc_s, k, bx, by, bz):
        T.copy(K[bz, k * block_N : (k + 1) * block_N, by // groups, :], K_shared)
        if causal:
            for i, j in T.Parallel(block_M, block_N):
                acc_s[i, j] = T.if_then_else(bx * block_M + i >= k * block_N + j, 0, -T.infinity(acc_s.dtype))
        else:
            for i, j in T.Parallel(block_M, block_N):
                acc_s[i, j] = T.if_then_else(k * block_N + j >= length, -T.infinity(acc_s.dtype), 0)
        T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)

    @T.macro
    def softmax(acc_s, acc_s_cast, scores_max, scores_max_prev, scores_scale, scores_sum, logsum):
        T.copy(scores_max, scores_max_prev)
        T.fill(scores_max, -T.infinity(accum))
        T.reduce_max(acc_s, scores_max, dim=1, clear=False)
        for i in T.Parallel(block_M):
            scores_max[i] = T.max(scores_max[i], scores_max_prev[i])
        for i in T.Parallel(block_M):
            scores_scale[i] = T.exp2(scores_max_prev[i] * scale - scores_max[i] * scale)
        for i, j in T.Parallel(block_M, block_N):
            acc_s[i, j] = T.exp2(acc_s[i, j] * scale - scores_max[i] * scale)
        T.reduce_sum(acc_s, scores_sum, dim=1)
        for i in T.Parallel(block_M):
            logsum[i] = logsum[i] * scores_scale[i] + scores_sum[i]
        T.copy(acc_s, acc_s_cast)

    @T.macro
    def rescale(acc_o, scores_scale):
        for i, j in T.Parallel(block_M, dim):
            acc_o[i, j] *= scores_scale[i]

    @T.prim_func
    def main(
        Q: T.Tensor(q_shape, dtype),
        K: T.Tensor(kv_shape, dtype),
        V: T.Tensor(kv_shape, dtype),
        Output: T.Tensor(q_shape, dtype),
        lse: T.Tensor([batch, heads, length], accum),
    ):
        with T.Kernel(T.ceildiv(length, block_M), heads, batch, threads=threads) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_M, dim], dtype)
            K_shared = T.alloc_shared([block_N, dim], dtype)
            V_shared = T.alloc_shared([block_N, dim], dtype)
            O_shared = T.alloc_shared([block_M, dim], dtype)
            acc_s = T.alloc_fragment([block_M, block_N], accum)
            acc_s_cast = T.alloc_fragment([block_M, block_N], dtype)
            acc_o = T.alloc_fragment([block_M, dim], accum)
            scores_max = T.alloc_fragment([block_M], accum)
            scores_max_prev = T.alloc_fragment([block_M], accum)
            scores_scale = T.alloc_fragment([block_M], accum)
            scores_sum = T.alloc_fragment([block_M], accum)
            logsum = T.alloc_fragment([block_M], accum)
            T.annotate_layout(
                {
                    Q_shared: tilelang.layout.make_swizzled_layout(Q_shared),
                    O_shared: tilelang.layout.make_swizzled_layout(O_shared),
                }
            )
            T.copy(Q[bz, bx * block_M : (bx + 1) * block_M, by, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, -T.infinity(accum))
            loop_range = (
                T.min(T.ceildiv(length, block_N), T.ceildiv((bx + 1) * block_M, block_N))
                if causal
                else T.ceildiv(length, block_N)
            )
            for k in T.Pipelined(loop_range, num_stages=stages):
                scores(K, Q_shared, K_shared, acc_s, k, bx, by, bz)
                softmax(acc_s, acc_s_cast, scores_max, scores_max_prev, scores_scale, scores_sum, logsum)
                rescale(acc_o, scores_scale)
                T.copy(V[bz, k * block_N : (k + 1) * block_N, by // groups, :], V_shared)
                T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block_M, dim):
                acc_o[i, j] /= logsum[i]
            T.copy(acc_o, O_shared)
            T.copy(O_shared, Output[bz, bx * block_M : (bx + 1) * block_M, by, :])
            for i in T.Parallel(block_M):
                logsum[i] = T.log2(logsum[i]) + scores_max[i] * scale
            T.copy(logsum, lse[bz, by, bx * block_M : (bx + 1) * block_M])

    return main


def reference(q, k, v, causal):
    """Output and log2-sum-exp in float64, [batch, length, head, dim]."""
    groups = q.shape[2] // k.shape[2]
    q, k, v = (x.double().cpu().transpose(1, 2) for x in (q, k, v))
    k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
    x = q @ k.mT / math.sqrt(q.shape[-1])
    if causal:
        x = x.masked_fill(torch.ones(x.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    p = torch.softmax(x, -1)
    return (p @ v).transpose(1, 2), torch.logsumexp(x, -1) * math.log2(math.e), (p @ v.abs()).transpose(1, 2)


@pytest.mark.parametrize(
    "causal, length, dim, tile, stages, threads",
    [
        (False, 128, 64, (64, 64), 1, 128),
        (True, 128, 64, (64, 64), 2, 128),
        (True, 100, 128, (128, 64), 2, 256),
        (False, 70, 48, (32, 80), 1, 64),
        (True, 97, 96, (64, 48), 0, 128),
    ],
)
def test_grouped_query_attention(causal, length, dim, tile, stages, threads, device):
    batch, heads, groups = 2, 4, 2
    q = random((batch, length, heads, dim), "float16", device)
    k, v = (random((batch, length, heads // groups, dim), "float16", device) for _ in range(2))
    program = attention(batch, heads, groups, length, dim, causal, *tile, stages, threads)
    out, lse = run(
        program, [q, k, v], ((batch, length, heads, dim), "float16"), ((batch, heads, length), "float32"), device=device
    )
    expected, sums, scale = reference(q, k, v, causal)
    assert_close(out, expected, scale=scale / 4, arithmetic="float16")
    assert_close(lse, sums, scale=sums.abs() + 4, arithmetic="float32", terms=length)
