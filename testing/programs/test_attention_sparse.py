"""Attention that skips blocks of keys: a block mask in global memory, a sliding window with sink logits, selected blocks."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def block_sparse(batch, heads, length, dim, block, causal, stages=2, dtype="float16"):
    scale = (1.0 / dim) ** 0.5 * 1.44269504
    shape = [batch, heads, length, dim]
    blocks = (length + block - 1) // block

    @T.prim_func
    def main(
        Q: T.Tensor(shape, dtype),
        K: T.Tensor(shape, dtype),
        V: T.Tensor(shape, dtype),
        BlockSparseMask: T.Tensor([batch, heads, blocks, blocks], "bool"),
        Output: T.Tensor(shape, dtype),
    ):
        with T.Kernel(blocks, heads, batch, threads=128) as (bx, by, bz):
            Q_shared = T.alloc_shared([block, dim], dtype)
            K_shared = T.alloc_shared([block, dim], dtype)
            V_shared = T.alloc_shared([block, dim], dtype)
            O_shared = T.alloc_shared([block, dim], dtype)
            acc_s = T.alloc_fragment([block, block], "float32")
            acc_s_cast = T.alloc_fragment([block, block], dtype)
            acc_o = T.alloc_fragment([block, dim], "float32")
            scores_max = T.alloc_fragment([block], "float32")
            scores_max_prev = T.alloc_fragment([block], "float32")
            scores_scale = T.alloc_fragment([block], "float32")
            scores_sum = T.alloc_fragment([block], "float32")
            logsum = T.alloc_fragment([block], "float32")
            block_mask = T.alloc_local([blocks], "bool")
            T.copy(Q[bz, by, bx * block : (bx + 1) * block, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, -T.infinity("float32"))
            for vj in T.serial(blocks):
                block_mask[vj] = BlockSparseMask[bz, by, bx, vj]
            loop_range = T.min(blocks, bx + 1) if causal else blocks
            for k in T.Pipelined(loop_range, num_stages=stages):
                if block_mask[k]:
                    T.copy(K[bz, by, k * block : (k + 1) * block, :], K_shared)
                    for i, j in T.Parallel(block, block):
                        if causal:
                            acc_s[i, j] = T.if_then_else(bx * block + i >= k * block + j, 0, -T.infinity(acc_s.dtype))
                        else:
                            acc_s[i, j] = T.if_then_else(k * block + j < length, 0, -T.infinity(acc_s.dtype))
                    T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                    T.copy(scores_max, scores_max_prev)
                    T.reduce_max(acc_s, scores_max, dim=1, clear=False)
                    for i in T.Parallel(block):
                        scores_scale[i] = T.exp2(scores_max_prev[i] * scale - scores_max[i] * scale)
                    for i, j in T.Parallel(block, block):
                        acc_s[i, j] = T.exp2(acc_s[i, j] * scale - scores_max[i] * scale)
                    T.reduce_sum(acc_s, scores_sum, dim=1)
                    for i in T.Parallel(block):
                        logsum[i] = logsum[i] * scores_scale[i] + scores_sum[i]
                    T.copy(acc_s, acc_s_cast)
                    for i, j in T.Parallel(block, dim):
                        acc_o[i, j] *= scores_scale[i]
                    T.copy(V[bz, by, k * block : (k + 1) * block, :], V_shared)
                    T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block, dim):
                acc_o[i, j] /= logsum[i]
            T.copy(acc_o, O_shared)
            T.copy(O_shared, Output[bz, by, bx * block : (bx + 1) * block, :])

    return main


def softmax_reference(q, k, v, visible, sinks=None):
    """[batch, heads, length, dim]; `visible` is a mask; a sink is one more logit whose value is zero."""
    q, k, v = (x.double().cpu() for x in (q, k, v))
    x = (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(~visible, -torch.inf)
    if sinks is not None:
        x = torch.cat([x, sinks.double().cpu()[None, :, None, None].expand(*x.shape[:3], 1)], -1)
    p = torch.softmax(x, -1)[..., : k.shape[-2]]
    return p @ v, p @ v.abs()


@pytest.mark.parametrize("causal, length, stages", [(True, 192, 1), (True, 192, 2), (False, 180, 0)])
def test_block_sparse(causal, length, stages, device):
    batch, heads, dim, block = 1, 2, 64, 64
    q, k, v = (random((batch, heads, length, dim), "float16", device) for _ in range(3))
    blocks = -(-length // block)
    mask = torch.rand(batch, heads, blocks, blocks) < 0.5
    mask.diagonal(dim1=-2, dim2=-1)[:] = True
    program = block_sparse(batch, heads, length, dim, block, causal, stages)
    out = run(program, [q, k, v, mask.to(device)], ((batch, heads, length, dim), "float16"), device=device)
    visible = mask.repeat_interleave(block, -1).repeat_interleave(block, -2)[..., :length, :length]
    if causal:
        visible = visible & torch.ones(length, length, dtype=torch.bool).tril()
    expected, scale = softmax_reference(q, k, v, visible)
    assert_close(out, expected, scale=scale, arithmetic="float16")


def sink_attention(batch, heads, groups, length, dim, window, block_M=64, block_N=64, stages=2, dtype="bfloat16"):
    scale = (1.0 / dim) ** 0.5 * 1.44269504

    @T.prim_func
    def main(
        Q: T.Tensor([batch, heads, length, dim], dtype),
        K: T.Tensor([batch, heads // groups, length, dim], dtype),
        V: T.Tensor([batch, heads // groups, length, dim], dtype),
        Sinks: T.Tensor([heads], dtype),
        Output: T.Tensor([batch, heads, length, dim], dtype),
    ):
        with T.Kernel(T.ceildiv(length, block_M), heads, batch, threads=128) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_M, dim], dtype)
            K_shared = T.alloc_shared([block_N, dim], dtype)
            V_shared = T.alloc_shared([block_N, dim], dtype)
            acc_s = T.alloc_fragment([block_M, block_N], "float32")
            acc_s_cast = T.alloc_fragment([block_M, block_N], dtype)
            acc_o = T.alloc_fragment([block_M, dim], "float32")
            scores_max = T.alloc_fragment([block_M], "float32")
            scores_max_prev = T.alloc_fragment([block_M], "float32")
            scores_scale = T.alloc_fragment([block_M], "float32")
            scores_sum = T.alloc_fragment([block_M], "float32")
            logsum = T.alloc_fragment([block_M], "float32")
            sinks = T.alloc_fragment([block_M], dtype)
            T.copy(Q[bz, by, bx * block_M : (bx + 1) * block_M, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, -T.infinity("float32"))
            for i in T.Parallel(block_M):
                sinks[i] = Sinks[by]
            end = T.min(T.ceildiv(length, block_N), T.ceildiv((bx + 1) * block_M, block_N))
            start = T.alloc_local([1], "int32")
            if window is not None:
                start[0] = T.max(0, (bx * block_M - window) // block_N)
            else:
                start[0] = 0
            for k in T.Pipelined(start[0], end, num_stages=stages):
                T.copy(K[bz, by // groups, k * block_N : (k + 1) * block_N, :], K_shared)
                for i, j in T.Parallel(block_M, block_N):
                    q_idx = bx * block_M + i
                    k_idx = k * block_N + j
                    if window is not None:
                        acc_s[i, j] = T.if_then_else(q_idx >= k_idx and q_idx < k_idx + window, 0, -T.infinity(acc_s.dtype))
                    else:
                        acc_s[i, j] = T.if_then_else(q_idx >= k_idx, 0, -T.infinity(acc_s.dtype))
                T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(scores_max, scores_max_prev)
                T.fill(scores_max, -T.infinity("float32"))
                T.reduce_max(acc_s, scores_max, dim=1, clear=False)
                for i in T.Parallel(block_M):
                    scores_max[i] = T.max(scores_max[i], scores_max_prev[i])
                if window is not None:
                    for i in T.Parallel(block_M):
                        scores_max[i] = T.if_then_else(scores_max[i] == -T.infinity("float32"), 0, scores_max[i])
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
                T.copy(V[bz, by // groups, k * block_N : (k + 1) * block_N, :], V_shared)
                T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for i in T.Parallel(block_M):
                logsum[i] += T.exp2(sinks[i] * 1.44269504 - scores_max[i] * scale)
            for i, j in T.Parallel(block_M, dim):
                acc_o[i, j] /= logsum[i]
            T.copy(acc_o, Output[bz, by, bx * block_M : (bx + 1) * block_M, :])

    return main


@pytest.mark.parametrize("window, length", [(None, 128), (48, 200), (1, 70)])
def test_sink(window, length, device):
    batch, heads, groups, dim = 1, 4, 2, 64
    q = random((batch, heads, length, dim), "bfloat16", device)
    k, v = (random((batch, heads // groups, length, dim), "bfloat16", device) for _ in range(2))
    sinks = random((heads,), "bfloat16", device)
    program = sink_attention(batch, heads, groups, length, dim, window)
    out = run(program, [q, k, v, sinks], ((batch, heads, length, dim), "bfloat16"), device=device)
    visible = torch.ones(length, length, dtype=torch.bool).tril()
    if window is not None:
        visible = visible.triu(1 - window)
    kk, vv = (x.repeat_interleave(groups, 1) for x in (k, v))
    expected, scale = softmax_reference(q, kk, vv, visible, sinks)
    assert_close(out, expected, scale=scale / 4, arithmetic="bfloat16")


def selected_attention(batch, heads, length, dim, groups, selected, block_S, dtype="float16"):
    """Each query (with the heads of its group) attends to blocks of keys that an index tensor names; -1 is none."""
    scale = (1.0 / dim) ** 0.5 * 1.44269504
    head_kv = heads // groups
    G = groups

    @T.prim_func
    def main(
        Q: T.Tensor([batch, length, heads, dim], dtype),
        K: T.Tensor([batch, length, head_kv, dim], dtype),
        V: T.Tensor([batch, length, head_kv, dim], dtype),
        BlockIndices: T.Tensor([batch, length, head_kv, selected], "int32"),
        Output: T.Tensor([batch, length, heads, dim], dtype),
    ):
        with T.Kernel(length, batch * head_kv, threads=32) as (bx, by):
            Q_shared = T.alloc_shared([G, dim], dtype)
            K_shared = T.alloc_shared([block_S, dim], dtype)
            V_shared = T.alloc_shared([block_S, dim], dtype)
            O_shared = T.alloc_shared([G, dim], dtype)
            acc_s = T.alloc_fragment([G, block_S], "float32")
            acc_s_cast = T.alloc_fragment([G, block_S], dtype)
            acc_o = T.alloc_fragment([G, dim], "float32")
            scores_max = T.alloc_fragment([G], "float32")
            scores_max_prev = T.alloc_fragment([G], "float32")
            scores_scale = T.alloc_fragment([G], "float32")
            scores_sum = T.alloc_fragment([G], "float32")
            logsum = T.alloc_fragment([G], "float32")
            i_t, i_bh = bx, by
            i_b, i_h = i_bh // head_kv, i_bh % head_kv
            T.copy(Q[i_b, i_t, i_h * G : (i_h + 1) * G, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, -T.infinity("float32"))
            for i in T.Pipelined(selected, num_stages=0):
                i_s = BlockIndices[i_b, i_t, i_h, i] * block_S
                if i_s <= i_t and i_s >= 0:
                    T.copy(K[i_b, i_s : i_s + block_S, i_h, :], K_shared)
                    for a, j in T.Parallel(G, block_S):
                        acc_s[a, j] = T.if_then_else(i_t >= (i_s + j), 0, -T.infinity(acc_s.dtype))
                    T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                    T.copy(scores_max, scores_max_prev)
                    T.fill(scores_max, -T.infinity("float32"))
                    T.reduce_max(acc_s, scores_max, dim=1, clear=True)
                    for a in T.Parallel(G):
                        scores_max[a] = T.max(scores_max[a], scores_max_prev[a])
                        scores_scale[a] = T.exp2(scores_max_prev[a] * scale - scores_max[a] * scale)
                    for a, j in T.Parallel(G, block_S):
                        acc_s[a, j] = T.exp2(acc_s[a, j] * scale - scores_max[a] * scale)
                    T.reduce_sum(acc_s, scores_sum, dim=1)
                    for a in T.Parallel(G):
                        logsum[a] = logsum[a] * scores_scale[a] + scores_sum[a]
                    T.copy(acc_s, acc_s_cast)
                    for a, j in T.Parallel(G, dim):
                        acc_o[a, j] *= scores_scale[a]
                    T.copy(V[i_b, i_s : i_s + block_S, i_h, :], V_shared)
                    T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            for a, j in T.Parallel(G, dim):
                acc_o[a, j] /= logsum[a]
            T.copy(acc_o, O_shared)
            T.copy(O_shared, Output[i_b, i_t, i_h * G : (i_h + 1) * G, :])

    return main


@pytest.mark.parametrize("block_S, selected, length", [(32, 2, 48), (16, 3, 40)])
def test_selected_blocks(block_S, selected, length, device):
    batch, heads, groups, dim = 1, 16, 16, 32
    q = random((batch, length, heads, dim), "float16", device)
    k, v = (random((batch, length, heads // groups, dim), "float16", device) for _ in range(2))
    chosen = torch.full((batch, length, heads // groups, selected), -1, dtype=torch.int32)
    visible = torch.zeros(batch, heads // groups, length, length, dtype=torch.bool)
    for t in range(length):
        own = t // block_S
        others = torch.randperm(own)[: selected - 1].tolist() if own else []
        for s, b in enumerate([own, *others]):
            chosen[0, t, 0, s] = b
            visible[0, 0, t, b * block_S : min((b + 1) * block_S, t + 1)] = True
    program = selected_attention(batch, heads, length, dim, groups, selected, block_S)
    out = run(program, [q, k, v, chosen.to(device)], ((batch, length, heads, dim), "float16"), device=device)
    kk, vv = (x.transpose(1, 2).repeat_interleave(groups, 1) for x in (k, v))
    expected, scale = softmax_reference(q.transpose(1, 2), kk, vv, visible)
    assert_close(out.transpose(1, 2), expected, scale=scale, arithmetic="float16")
