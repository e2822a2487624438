"""Decoding attention over a paged cache: a block table, lengths of each sequence, and splits that are merged afterwards."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def paged_decode(batch, heads, heads_kv, num_pages, max_pages, page, dim, dim_v, splits, block_N=32, block_H=16, dtype="float16"):
    scale = (1.0 / dim) ** 0.5 * 1.44269504
    accum = "float32"
    group = heads // heads_kv
    assert page % block_N == 0

    @T.prim_func
    def main(
        Q: T.Tensor([batch, heads, dim], dtype),
        K: T.Tensor([num_pages, page, heads_kv, dim], dtype),
        V: T.Tensor([num_pages, page, heads_kv, dim_v], dtype),
        block_table: T.Tensor([batch, max_pages], "int32"),
        cache_seqlens: T.Tensor([batch], "int32"),
        glse: T.Tensor([batch, heads, splits], accum),
        partial: T.Tensor([batch, heads, splits, dim_v], accum),
        Output: T.Tensor([batch, heads, dim_v], dtype),
    ):
        with T.Kernel(batch, heads // min(block_H, group), splits, threads=128) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_H, dim], dtype)
            K_shared = T.alloc_shared([block_N, dim], dtype)
            V_shared = T.alloc_shared([block_N, dim_v], dtype)
            acc_s = T.alloc_fragment([block_H, block_N], accum)
            acc_s_cast = T.alloc_fragment([block_H, block_N], dtype)
            acc_o = T.alloc_fragment([block_H, dim_v], accum)
            scores_max = T.alloc_fragment([block_H], accum)
            scores_max_prev = T.alloc_fragment([block_H], accum)
            scores_scale = T.alloc_fragment([block_H], accum)
            scores_sum = T.alloc_fragment([block_H], accum)
            logsum = T.alloc_fragment([block_H], accum)
            head_kv = by * min(block_H, group) // group
            T.copy(Q[bx, by * block_H : (by + 1) * block_H, :], Q_shared)
            T.fill(acc_o, 0)
            T.fill(logsum, 0)
            T.fill(scores_max, -T.infinity(accum))
            num_blocks = T.ceildiv(cache_seqlens[bx], block_N)
            blocks_per_split = T.floordiv(num_blocks, splits)
            remaining = T.floormod(num_blocks, splits)
            loop_range = blocks_per_split + T.if_then_else(bz < remaining, 1, 0)
            start = (blocks_per_split * bz + T.min(bz, remaining)) * block_N
            for k in T.Pipelined(loop_range, num_stages=1):
                page_idx = block_table[bx, (start + k * block_N) // page]
                tile = (start + k * block_N) % page
                T.copy(K[page_idx, tile : tile + block_N, head_kv, :], K_shared)
                T.clear(acc_s)
                T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                for i, j in T.Parallel(block_H, block_N):
                    acc_s[i, j] = T.if_then_else(start + k * block_N + j >= cache_seqlens[bx], -T.infinity(accum), acc_s[i, j])
                T.copy(scores_max, scores_max_prev)
                T.reduce_max(acc_s, scores_max, dim=1, clear=False)
                for i in T.Parallel(block_H):
                    scores_scale[i] = T.exp2(scores_max_prev[i] * scale - scores_max[i] * scale)
                for i, j in T.Parallel(block_H, block_N):
                    acc_s[i, j] = T.exp2(acc_s[i, j] * scale - scores_max[i] * scale)
                T.reduce_sum(acc_s, scores_sum, dim=1)
                for i in T.Parallel(block_H):
                    logsum[i] = logsum[i] * scores_scale[i] + scores_sum[i]
                T.copy(acc_s, acc_s_cast)
                for i, j in T.Parallel(block_H, dim_v):
                    acc_o[i, j] *= scores_scale[i]
                T.copy(V[page_idx, tile : tile + block_N, head_kv, :], V_shared)
                T.gemm(acc_s_cast, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            if loop_range > 0:
                for i, j in T.Parallel(block_H, dim_v):
                    acc_o[i, j] /= logsum[i]
                for i in T.Parallel(block_H):
                    logsum[i] = T.log2(logsum[i]) + scores_max[i] * scale
            else:
                T.fill(logsum, -T.infinity(accum))
            for i in T.Parallel(block_H):
                if by * block_H + i < heads:
                    glse[bx, by * block_H + i, bz] = logsum[i]
            T.copy(acc_o, partial[bx, by * block_H : (by + 1) * block_H, bz, :])

        with T.Kernel(heads, batch, threads=128) as (by, bz):
            po_local = T.alloc_fragment([dim_v], accum)
            o_accum = T.alloc_fragment([dim_v], accum)
            lse_local = T.alloc_fragment([splits], accum)
            lse_max = T.alloc_fragment([1], accum)
            lse_sum = T.alloc_fragment([1], accum)
            T.clear(o_accum)
            T.copy(glse[bz, by, :], lse_local)
            T.reduce_max(lse_local, lse_max, dim=0, clear=True)
            for j in T.Parallel(splits):
                lse_local[j] = T.exp2(lse_local[j] - lse_max[0])
            T.reduce_sum(lse_local, lse_sum, dim=0)
            for k in T.serial(splits):
                weight = T.exp2(glse[bz, by, k] - lse_max[0]) / lse_sum[0]
                T.copy(partial[bz, by, k, :], po_local)
                for i in T.Parallel(dim_v):
                    o_accum[i] += po_local[i] * weight
            T.copy(o_accum, Output[bz, by, :])

    return main


@pytest.mark.parametrize("splits, heads, heads_kv", [(1, 16, 1), (3, 32, 2), (4, 16, 1)])
def test_paged_decode(splits, heads, heads_kv, device):
    batch, page, max_pages, dim, dim_v = 3, 64, 4, 64, 80
    lengths = torch.tensor([1, 130, 200], dtype=torch.int32)
    num_pages = batch * max_pages + 2
    table = torch.randperm(num_pages)[: batch * max_pages].view(batch, max_pages).int()
    q = random((batch, heads, dim), "float16", device)
    k = random((num_pages, page, heads_kv, dim), "float16", device)
    v = random((num_pages, page, heads_kv, dim_v), "float16", device)
    program = paged_decode(batch, heads, heads_kv, num_pages, max_pages, page, dim, dim_v, splits)
    *_, out = run(
        program,
        [q, k, v, table.to(device), lengths.to(device)],
        ((batch, heads, splits), "float32"),
        ((batch, heads, splits, dim_v), "float32"),
        ((batch, heads, dim_v), "float16"),
        device=device,
    )
    for b, n in enumerate(lengths.tolist()):
        rows = table[b].long()
        ks = k.cpu()[rows].flatten(0, 1)[:n].double().repeat_interleave(heads // heads_kv, 1)
        vs = v.cpu()[rows].flatten(0, 1)[:n].double().repeat_interleave(heads // heads_kv, 1)
        p = torch.softmax(torch.einsum("hd,nhd->hn", q[b].double().cpu(), ks) / math.sqrt(dim), -1)
        expected, scale = torch.einsum("hn,nhd->hd", p, vs), torch.einsum("hn,nhd->hd", p, vs.abs())
        assert_close(out[b], expected, scale=scale, arithmetic="float16")
