"""Multi-head latent attention, one query a sequence: keys of two parts, values that are the keys' first part, split KV."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def mla_decode(batch, heads, kv_heads, length, dim, pe_dim, block_N, block_H, num_split, threads=128, dtype="float16"):
    scale = (1.0 / (dim + pe_dim)) ** 0.5 * 1.44269504
    accum = "float32"
    kv_group_num = heads // kv_heads
    VALID_BLOCK_H = min(block_H, kv_group_num)

    @T.macro
    def attend(Q, Q_pe, KV, K_pe, bx, by, start, steps, Q_shared, Q_pe_shared, acc_o, logsum, scores_max):
        KV_shared = T.alloc_shared([block_N, dim], dtype)
        K_pe_shared = T.alloc_shared([block_N, pe_dim], dtype)
        S_shared = T.alloc_shared([block_H, block_N], dtype)
        acc_s = T.alloc_fragment([block_H, block_N], accum)
        scores_max_prev = T.alloc_fragment([block_H], accum)
        scores_scale = T.alloc_fragment([block_H], accum)
        scores_sum = T.alloc_fragment([block_H], accum)
        cur_kv_head = by // (kv_group_num // VALID_BLOCK_H)
        T.use_swizzle(10)
        T.copy(Q[bx, by * VALID_BLOCK_H : by * VALID_BLOCK_H + block_H, :], Q_shared)
        T.copy(Q_pe[bx, by * VALID_BLOCK_H : by * VALID_BLOCK_H + block_H, :], Q_pe_shared)
        T.fill(acc_o, 0)
        T.fill(logsum, 0)
        T.fill(scores_max, -T.infinity(accum))
        for k in T.Pipelined(steps, num_stages=2):
            kv_start = start + k * block_N
            T.copy(KV[bx, kv_start : kv_start + block_N, cur_kv_head, :], KV_shared)
            T.copy(K_pe[bx, kv_start : kv_start + block_N, cur_kv_head, :], K_pe_shared)
            T.gemm(Q_shared, KV_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullCol, clear_accum=True)
            T.gemm(Q_pe_shared, K_pe_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullCol)
            T.copy(scores_max, scores_max_prev)
            T.fill(scores_max, -T.infinity(accum))
            for i, j in T.Parallel(block_H, block_N):
                acc_s[i, j] = T.if_then_else(kv_start + j < length, acc_s[i, j], -T.infinity(accum))
            T.reduce_max(acc_s, scores_max, dim=1, clear=False)
            for i in T.Parallel(block_H):
                scores_max[i] = T.max(scores_max[i], scores_max_prev[i])
            for i in T.Parallel(block_H):
                scores_scale[i] = T.exp2(scores_max_prev[i] * scale - scores_max[i] * scale)
            for i, j in T.Parallel(block_H, block_N):
                acc_s[i, j] = T.exp2(acc_s[i, j] * scale - scores_max[i] * scale)
            T.reduce_sum(acc_s, scores_sum, dim=1)
            T.copy(acc_s, S_shared)
            for i in T.Parallel(block_H):
                logsum[i] = logsum[i] * scores_scale[i] + scores_sum[i]
            for i, j in T.Parallel(block_H, dim):
                acc_o[i, j] *= scores_scale[i]
            T.gemm(S_shared, KV_shared, acc_o, policy=T.GemmWarpPolicy.FullCol)
        for i, j in T.Parallel(block_H, dim):
            acc_o[i, j] /= logsum[i]

    @T.prim_func
    def main_split(
        Q: T.Tensor([batch, heads, dim], dtype),
        Q_pe: T.Tensor([batch, heads, pe_dim], dtype),
        KV: T.Tensor([batch, length, kv_heads, dim], dtype),
        K_pe: T.Tensor([batch, length, kv_heads, pe_dim], dtype),
        glse: T.Tensor([batch, heads, num_split], dtype),
        Output_partial: T.Tensor([batch, heads, num_split, dim], dtype),
        Output: T.Tensor([batch, heads, dim], dtype),
    ):
        with T.Kernel(batch, heads // min(block_H, kv_group_num), num_split, threads=threads) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_H, dim], dtype)
            Q_pe_shared = T.alloc_shared([block_H, pe_dim], dtype)
            O_shared = T.alloc_shared([block_H, dim], dtype)
            acc_o = T.alloc_fragment([block_H, dim], accum)
            logsum = T.alloc_fragment([block_H], accum)
            scores_max = T.alloc_fragment([block_H], accum)
            per_split = T.ceildiv(T.ceildiv(length, num_split), block_N) * block_N
            start = bz * per_split
            steps = T.ceildiv(T.max(T.min(per_split, length - start), 0), block_N)
            attend(Q, Q_pe, KV, K_pe, bx, by, start, steps, Q_shared, Q_pe_shared, acc_o, logsum, scores_max)
            for i in T.Parallel(block_H):
                logsum[i] = T.log2(logsum[i]) + scores_max[i] * scale
            T.copy(logsum[:VALID_BLOCK_H], glse[bx, by * VALID_BLOCK_H : (by + 1) * VALID_BLOCK_H, bz])
            T.copy(acc_o, O_shared)
            T.copy(O_shared[:VALID_BLOCK_H, :], Output_partial[bx, by * VALID_BLOCK_H : (by + 1) * VALID_BLOCK_H, bz, :])

        with T.Kernel(heads, batch, threads=threads) as (by, bz):
            po_local = T.alloc_fragment([dim], dtype)
            o_accum_local = T.alloc_fragment([dim], accum)
            lse_local_split = T.alloc_var(accum)
            lse_logsum_local = T.alloc_var(accum)
            lse_max_local = T.alloc_var(accum)
            scale_local = T.alloc_var(accum)
            T.clear(o_accum_local)
            lse_logsum_local = 0
            lse_max_local = -T.infinity(accum)
            for k in T.serial(num_split):
                lse_max_local = T.max(lse_max_local, glse[bz, by, k])
            for k in T.serial(num_split):
                lse_local_split = glse[bz, by, k]
                lse_logsum_local += T.exp2(lse_local_split - lse_max_local)
            lse_logsum_local = T.log2(lse_logsum_local) + lse_max_local
            for k in T.serial(num_split):
                for i in T.Parallel(dim):
                    po_local[i] = Output_partial[bz, by, k, i]
                lse_local_split = glse[bz, by, k]
                scale_local = T.exp2(lse_local_split - lse_logsum_local)
                for i in T.Parallel(dim):
                    o_accum_local[i] += po_local[i] * scale_local
            for i in T.Parallel(dim):
                Output[bz, by, i] = o_accum_local[i]

    @T.prim_func
    def main_no_split(
        Q: T.Tensor([batch, heads, dim], dtype),
        Q_pe: T.Tensor([batch, heads, pe_dim], dtype),
        KV: T.Tensor([batch, length, kv_heads, dim], dtype),
        K_pe: T.Tensor([batch, length, kv_heads, pe_dim], dtype),
        Output: T.Tensor([batch, heads, dim], dtype),
    ):
        with T.Kernel(batch, heads // min(block_H, kv_group_num), threads=threads) as (bx, by):
            Q_shared = T.alloc_shared([block_H, dim], dtype)
            Q_pe_shared = T.alloc_shared([block_H, pe_dim], dtype)
            O_shared = T.alloc_shared([block_H, dim], dtype)
            acc_o = T.alloc_fragment([block_H, dim], accum)
            logsum = T.alloc_fragment([block_H], accum)
            scores_max = T.alloc_fragment([block_H], accum)
            attend(Q, Q_pe, KV, K_pe, bx, by, 0, T.ceildiv(length, block_N), Q_shared, Q_pe_shared, acc_o, logsum, scores_max)
            T.copy(acc_o, O_shared)
            T.copy(O_shared, Output[bx, by * VALID_BLOCK_H : (by + 1) * VALID_BLOCK_H, :])

    return main_split if num_split > 1 else main_no_split


def reference(q, q_pe, kv, k_pe):
    groups = q.shape[1] // kv.shape[2]
    q, k = torch.cat([q, q_pe], -1).double().cpu(), torch.cat([kv, k_pe], -1).double().cpu()
    k, v = (x.repeat_interleave(groups, 2) for x in (k, kv.double().cpu()))
    p = torch.softmax(torch.einsum("bhd,bnhd->bhn", q, k) / math.sqrt(q.shape[-1]), -1)
    return torch.einsum("bhn,bnhd->bhd", p, v), torch.einsum("bhn,bnhd->bhd", p, v.abs())


@pytest.mark.parametrize(
    "heads, kv_heads, length, splits, block_N, block_H",
    [(32, 1, 128, 1, 64, 32), (32, 1, 200, 3, 32, 16), (64, 2, 96, 2, 32, 64), (16, 1, 70, 1, 48, 16)],
)
def test_mla_decode(heads, kv_heads, length, splits, block_N, block_H, device):
    batch, dim, pe_dim = 2, 128, 64
    q, q_pe = random((batch, heads, dim), "float16", device), random((batch, heads, pe_dim), "float16", device)
    kv = random((batch, length, kv_heads, dim), "float16", device)
    k_pe = random((batch, length, kv_heads, pe_dim), "float16", device)
    program = mla_decode(batch, heads, kv_heads, length, dim, pe_dim, block_N, block_H, splits)
    parts = [((batch, heads, splits), "float16"), ((batch, heads, splits, dim), "float16")] if splits > 1 else []
    out = run(program, [q, q_pe, kv, k_pe], *parts, ((batch, heads, dim), "float16"), device=device)
    out = out[-1] if splits > 1 else out
    expected, scale = reference(q, q_pe, kv, k_pe)
    assert_close(out, expected, scale=scale, arithmetic="float16")
