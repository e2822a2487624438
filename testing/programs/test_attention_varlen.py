"""Attention over sequences of different lengths packed one after another, with offsets read from a tensor."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def attention(
    batch, heads, groups, total_q, total_k, dim, causal, block_M=64, block_N=64, stages=1, threads=128, dtype="float16"
):
    scale = (1.0 / dim) ** 0.5 * 1.44269504
    accum = "float32"

    @T.prim_func
    def main(
        Q: T.Tensor([total_q, heads, dim], dtype),
        K: T.Tensor([total_k, heads // groups, dim], dtype),
        V: T.Tensor([total_k, heads // groups, dim], dtype),
        starts_q: T.Tensor([batch + 1], "int32"),
        starts_k: T.Tensor([batch + 1], "int32"),
        longest_q: T.int32,
        Output: T.Tensor([total_q, heads, dim], dtype),
    ):
        with T.Kernel(T.ceildiv(longest_q, block_M), heads, batch, threads=threads) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_M, dim], dtype)
            K_shared = T.alloc_shared([block_N, dim], dtype)
            V_shared = T.alloc_shared([block_N, dim], dtype)
            acc_s = T.alloc_fragment([block_M, block_N], accum)
            acc_s_cast = T.alloc_fragment([block_M, block_N], dtype)
            acc_o = T.alloc_fragment([block_M, dim], accum)
            scores_max = T.alloc_fragment([block_M], accum)
            scores_max_prev = T.alloc_fragment([block_M], accum)
            scores_scale = T.alloc_fragment([block_M], accum)
            scores_sum = T.alloc_fragment([block_M], accum)
            logsum = T.alloc_fragment([block_M], accum)
            head = by // groups
            q_start = starts_q[bz]
            k_start = starts_k[bz]
            q_length = starts_q[bz + 1] - q_start
            k_length = starts_k[bz + 1] - k_start
            T.copy(Q[q_start + bx * block_M : q_start + (bx + 1) * block_M, by, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, -T.infinity(accum))
            offset = k_length - q_length
            visible = T.min(k_length, offset + (bx + 1) * block_M) if causal else k_length
            steps = T.if_then_else(bx * block_M < q_length, T.ceildiv(T.max(visible, 0), block_N), 0)
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(K[k_start + k * block_N : k_start + (k + 1) * block_N, head, :], K_shared)
                if causal:
                    for i, j in T.Parallel(block_M, block_N):
                        acc_s[i, j] = T.if_then_else(
                            (bx * block_M + i + offset < k * block_N + j)
                            or (bx * block_M + i >= q_length or k * block_N + j >= k_length),
                            -1e9,
                            0,
                        )
                else:
                    for i, j in T.Parallel(block_M, block_N):
                        acc_s[i, j] = T.if_then_else((bx * block_M + i >= q_length or k * block_N + j >= k_length), -1e9, 0)
                T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(scores_max, scores_max_prev)
                T.reduce_max(acc_s, scores_max, dim=1, clear=False)
                for i in T.Parallel(block_M):
                    scores_scale[i] = T.exp2(scores_max_prev[i] * scale - scores_max[i] * scale)
                for i, j in T.Parallel(block_M, block_N):
                    acc_s[i, j] = T.exp2(acc_s[i, j] * scale - scores_max[i] * scale)
                T.reduce_sum(acc_s, scores_sum, dim=1)
                for i in T.Parallel(block_M):
                    logsum[i] = logsum[i] * scores_scale[i] + scores_sum[i]
                T.copy(acc_s, acc_s_cast)
                for i, j in T.Parallel(block_M, dim):
                    acc_o[i, j] *= scores_scale[i]
                T.copy(V[k_start + k * block_N : k_start + (k + 1) * block_N, head, :], V_shared)
                T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block_M, dim):
                # a query that sees no key gives zero
                acc_o[i, j] = T.if_then_else(scores_max[i] > -1e8, acc_o[i, j] / logsum[i], 0)
            for i, d in T.Parallel(block_M, dim):
                if bx * block_M + i < q_length:
                    Output[q_start + bx * block_M + i, by, d] = acc_o[i, d]

    return main


def reference(q, k, v, lengths_q, lengths_k, causal):
    groups = q.shape[1] // k.shape[1]
    outs, scales = [], []
    q, k, v = (x.double().cpu() for x in (q, k, v))
    for qs, ks, vs in zip(q.split(lengths_q), k.split(lengths_k), v.split(lengths_k)):
        qs, ks, vs = (x.transpose(0, 1) for x in (qs, ks, vs))
        ks, vs = ks.repeat_interleave(groups, 0), vs.repeat_interleave(groups, 0)
        x = qs @ ks.mT / math.sqrt(q.shape[-1])
        if causal:
            hidden = torch.ones(x.shape[-2:], dtype=torch.bool).triu(1 + x.shape[-1] - x.shape[-2])
            x = x.masked_fill(hidden, -torch.inf)
        p = torch.softmax(x, -1).nan_to_num(0)
        outs.append((p @ vs).transpose(0, 1))
        scales.append((p @ vs.abs()).transpose(0, 1))
    return torch.cat(outs), torch.cat(scales)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("stages", [0, 2])
def test_packed_sequences(causal, stages, device):
    heads, groups, dim = 4, 2, 64
    lengths_q, lengths_k = [17, 64, 1, 101], [40, 64, 130, 33]
    starts_q, starts_k = (torch.tensor([0, *x], device=device).cumsum(0).int() for x in (lengths_q, lengths_k))
    total_q, total_k = T.dynamic("total_q, total_k")
    kernel = tilelang.compile(attention(4, heads, groups, total_q, total_k, dim, causal, stages=stages))
    q = random((sum(lengths_q), heads, dim), "float16", device)
    k, v = (random((sum(lengths_k), heads // groups, dim), "float16", device) for _ in range(2))
    out = run(kernel, [q, k, v, starts_q, starts_k, max(lengths_q)], ((sum(lengths_q), heads, dim), "float16"), device=device)
    expected, scale = reference(q, k, v, lengths_q, lengths_k, causal)
    assert_close(out, expected, scale=scale / 4, arithmetic="float16")
