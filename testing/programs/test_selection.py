"""Selecting: top-k by repeated maxima, routing gates, an indexer's scores with a mask, argmax, histogram and radix select."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def topk_gate(M, N, topk, blk_m, threads=128, dtype="float32"):
    @T.prim_func
    def main(
        logits: T.Tensor([M, N], dtype),
        topk_gates: T.Tensor([M, topk], dtype),
        topk_indices: T.Tensor([M, topk], "int32"),
    ):
        with T.Kernel(T.ceildiv(M, blk_m), threads=threads) as bx:
            logits_frag = T.alloc_fragment([blk_m, N], dtype=dtype)
            max_val = T.alloc_fragment([blk_m], dtype=dtype)
            expand_max_idx = T.alloc_fragment([blk_m, N], "int32")
            max_idx = T.alloc_fragment([blk_m], "int32")
            T.copy(logits[bx * blk_m, 0], logits_frag)
            for k in T.serial(topk):
                T.fill(expand_max_idx, -1)
                T.reduce_max(logits_frag, max_val, dim=1, clear=True)
                for i, j in T.Parallel(blk_m, N):
                    expand_max_idx[i, j] = T.if_then_else(max_val[i] == logits_frag[i, j], j, expand_max_idx[i, j])
                T.reduce_max(expand_max_idx, max_idx, dim=1, clear=True)
                for i, j in T.Parallel(blk_m, N):
                    logits_frag[i, j] = T.if_then_else(max_val[i] == logits_frag[i, j], -10000.0, logits_frag[i, j])
                for i in T.Parallel(blk_m):
                    topk_gates[bx * blk_m + i, k] = max_val[i]
                    topk_indices[bx * blk_m + i, k] = max_idx[i]

    return main


@pytest.mark.parametrize("M, N, topk, blk_m", [(64, 32, 4, 16), (50, 96, 6, 64), (7, 128, 2, 8), (33, 16, 3, 1)])
def test_topk(M, N, topk, blk_m, device):
    logits = torch.rand(M, N, device=device).argsort(1).float() + torch.rand(M, 1, device=device)  # distinct in a row
    gates, indices = run(topk_gate(M, N, topk, blk_m), [logits], ((M, topk), "float32"), ((M, topk), "int32"), device=device)
    values, places = logits.cpu().topk(topk, 1)
    assert_close(gates, values.double())
    assert_close(indices, places)


def indexer(seq_len, seq_len_kv, heads, dim, block_N=64, block_Q=4, stages=2, dtype="float16"):
    """logits[i, n] = sum_h weight[i, h] * relu(q[i, h] . k[n]) * scale[n], for n inside of the query's window."""

    @T.prim_func
    def main(
        IndexQ: T.Tensor([seq_len * heads, dim], dtype),
        IndexK: T.Tensor([seq_len_kv, dim], dtype),
        IndexKScale: T.Tensor([seq_len_kv], "float32"),
        Weights: T.Tensor([seq_len, heads], "float32"),
        KS: T.Tensor([seq_len], "int32"),
        KE: T.Tensor([seq_len], "int32"),
        Logits: T.Tensor([seq_len, seq_len_kv], "float32"),
    ):
        with T.Kernel(T.ceildiv(seq_len, block_Q), threads=128) as bx:
            q_shared = T.alloc_shared([block_Q * heads, dim], dtype)
            k_shared = T.alloc_shared([block_N, dim], dtype)
            k_scale = T.alloc_fragment([block_N], "float32")
            s = T.alloc_fragment([block_N, block_Q * heads], "float32")
            s_reshaped = T.reshape(s, (block_N, block_Q, heads))
            logits = T.alloc_fragment([block_N, block_Q], "float32")
            weights = T.alloc_fragment([block_Q, heads], "float32")
            seq_len_i = bx * block_Q
            ks_min = T.alloc_var("int32")
            ke_max = T.alloc_var("int32")
            ks_min = 2147483647
            ke_max = -2147483648
            for bq_i in T.serial(block_Q):
                ks_min = T.min(ks_min, T.min(KS[T.min(seq_len_i + bq_i, seq_len - 1)], seq_len_kv))
            for bq_i in T.serial(block_Q):
                ke_max = T.max(ke_max, T.min(KE[T.min(seq_len_i + bq_i, seq_len - 1)], seq_len_kv))
            T.copy(IndexQ[seq_len_i * heads, 0], q_shared)
            T.copy(Weights[seq_len_i, 0], weights)
            for nbn_i in T.Pipelined(T.ceildiv(ke_max - ks_min, block_N), num_stages=stages):
                T.copy(IndexK[ks_min + nbn_i * block_N, 0], k_shared)
                T.copy(IndexKScale[ks_min + nbn_i * block_N], k_scale)
                T.gemm(k_shared, q_shared, s, transpose_B=True, clear_accum=True, policy=T.GemmWarpPolicy.FullCol)
                for bn_i, bq_i, h_i in T.Parallel(block_N, block_Q, heads):
                    s_reshaped[bn_i, bq_i, h_i] = (T.max(s_reshaped[bn_i, bq_i, h_i], 0) * weights[bq_i, h_i]) * k_scale[bn_i]
                T.reduce_sum(s_reshaped, logits, dim=-1, clear=True)
                for bq_i, bn_i in T.Parallel(block_Q, block_N):
                    if seq_len_i + bq_i < seq_len and ks_min + nbn_i * block_N + bn_i < ke_max:
                        Logits[seq_len_i + bq_i, ks_min + nbn_i * block_N + bn_i] = logits[bn_i, bq_i]

        with T.Kernel(seq_len, threads=128) as bx:
            for n in T.serial(T.ceildiv(seq_len_kv, 128)):
                for k in T.Parallel(128):
                    col = n * 128 + k
                    if col < seq_len_kv and (col < KS[bx] or col >= KE[bx]):
                        Logits[bx, col] = -T.infinity("float32")

    return main


@pytest.mark.parametrize("seq_len, seq_len_kv, heads", [(16, 128, 16), (13, 100, 32)])
def test_indexer(seq_len, seq_len_kv, heads, device):
    dim = 64
    q, k = random((seq_len * heads, dim), "float16", device), random((seq_len_kv, dim), "float16", device)
    k_scale, weights = random((seq_len_kv,), "float32", device, 0.5, 2), random((seq_len, heads), "float32", device)
    ks = torch.randint(0, 20, (seq_len,), device=device).int()
    ke = torch.randint(40, seq_len_kv + 1, (seq_len,), device=device).int()
    out = run(
        indexer(seq_len, seq_len_kv, heads, dim),
        [q, k, k_scale, weights, ks, ke],
        ((seq_len, seq_len_kv), "float32"),
        device=device,
    )
    dots = (q.double().cpu() @ k.double().cpu().T).relu().view(seq_len, heads, seq_len_kv)
    dots = dots * weights.double().cpu()[..., None] * k_scale.double().cpu()
    columns = torch.arange(seq_len_kv)[None]
    inside = (columns >= ks.cpu()[:, None]) & (columns < ke.cpu()[:, None])
    expected = dots.sum(1).masked_fill(~inside, -torch.inf)
    assert_close(out, expected, terms=dim * heads, scale=dots.abs().sum(1) + 1)


def radix_select(batch, length, topk, threads=256):
    """The indices of the `topk` largest of each row: a histogram of the top byte, then of the next within its bin."""
    RADIX = 256

    @T.macro
    def key_of(x):
        bits = T.reinterpret(x, "uint32")
        return T.if_then_else(bits >> 31 == 0, bits | T.uint32(0x80000000), ~bits)

    @T.prim_func
    def main(X: T.Tensor((batch, length), "float32"), Index: T.Tensor((batch, topk), "int32")):
        with T.Kernel(batch, threads=threads) as bx:
            tx = T.get_thread_binding()
            histogram = T.alloc_shared([RADIX + 1], "int32")
            chosen = T.alloc_shared([1], "int32")
            taken = T.alloc_shared([1], "int32")
            remaining = T.alloc_var("int32")
            prefix = T.alloc_var("uint32")
            low = T.alloc_var("int32")
            remaining = topk
            prefix = T.uint32(0)
            low = 32
            if tx == 0:
                taken[0] = 0
            for level in T.serial(4):
                T.sync_threads()
                if tx < RADIX + 1:
                    histogram[tx] = 0
                if tx == 0:
                    histogram[RADIX] = 0
                T.sync_threads()
                for s in T.serial(T.ceildiv(length, threads)):
                    at = s * threads + tx
                    if at < length:
                        key = key_of(X[bx, at])
                        # shifting 32 bits by 32 is not defined
                        same = level == 0 or (key >> T.cast(T.min(low, 31), "uint32")) == prefix
                        if same:
                            T.atomic_add(histogram[T.cast((key >> T.cast(low - 8, "uint32")) & 255, "int32")], 1)
                T.sync_threads()
                if tx == 0:
                    seen = T.alloc_var("int32")
                    found = T.alloc_var("int32")
                    seen = 0
                    found = 0
                    for b in T.serial(RADIX):
                        bin_ = RADIX - 1 - b
                        if seen < remaining and seen + histogram[bin_] >= remaining:
                            found = bin_
                            chosen[0] = seen
                        seen = seen + histogram[bin_]
                    histogram[RADIX] = found
                T.sync_threads()
                remaining = remaining - chosen[0]
                prefix = (prefix << T.uint32(8)) | T.cast(histogram[RADIX], "uint32")
                low = low - 8
            T.sync_threads()
            # keys above the threshold, then as many equal ones as are left
            for s in T.serial(T.ceildiv(length, threads)):
                at = s * threads + tx
                if at < length:
                    if key_of(X[bx, at]) > prefix:
                        place = T.atomic_add(taken[0], 1, return_prev=True)
                        Index[bx, place] = at
            T.sync_threads()
            for s in T.serial(T.ceildiv(length, threads)):
                at = s * threads + tx
                if at < length:
                    if key_of(X[bx, at]) == prefix:
                        place = T.atomic_add(taken[0], 1, return_prev=True)
                        if place < topk:
                            Index[bx, place] = at

    return main


@pytest.mark.parametrize("length, topk", [(512, 32), (700, 100), (65, 65)])
def test_radix_select(length, topk, device):
    batch = 2
    x = random((batch, length), "float32", device)
    x[0, ::7] = 0.5  # equal keys across the threshold
    index = run(radix_select(batch, length, topk), [x], ((batch, topk), "int32"), device=device)
    for row, places in zip(x.cpu(), index.cpu().long()):
        assert len(set(places.tolist())) == topk
        assert torch.equal(row[places].sort().values, row.topk(topk).values.sort().values)
