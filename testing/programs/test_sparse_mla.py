"""Latent attention over selected tokens: each query gathers its own rows of the cache, and masks those of the future."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def sparse_mla(B, S, keys, H, D, tail, chosen, block, threads, stages, dtype="bfloat16"):
    scale = math.log2(math.e) / math.sqrt(D + tail)

    @T.prim_func
    def main(
        Q: T.Tensor((B, S, H, D + tail), dtype),
        KV: T.Tensor((B, keys, D + tail), dtype),
        Indices: T.Tensor((B, S, chosen), "int32"),
        O: T.Tensor((B, S, H, D), dtype),
        Lse: T.Tensor((B, S, H), "float32"),
    ):
        with T.Kernel(S, B, threads=threads) as (position, batch):
            Qs, Qt = T.alloc_shared((H, D), dtype), T.alloc_shared((H, tail), dtype)
            Ks, Kt = T.alloc_shared((block, D), dtype), T.alloc_shared((block, tail), dtype)
            Ps = T.alloc_shared((H, block), dtype)
            seen = T.alloc_fragment((block,), "bool")
            s, o = T.alloc_fragment((H, block), "float32"), T.alloc_fragment((H, D), "float32")
            m, m0 = T.alloc_fragment((H,), "float32"), T.alloc_fragment((H,), "float32")
            r, part, total = (T.alloc_fragment((H,), "float32") for _ in range(3))
            T.fill(o, 0)
            T.fill(total, 0)
            T.fill(m, -(2.0**30))
            T.copy(Q[batch, position, :, :D], Qs)
            T.copy(Q[batch, position, :, D:], Qt)
            for k in T.Pipelined(chosen // block, num_stages=stages):
                for i in T.Parallel(block):
                    seen[i] = Indices[batch, position, k * block + i] <= position
                for i, d in T.Parallel(block, D):
                    Ks[i, d] = KV[batch, Indices[batch, position, k * block + i], d]
                for i, d in T.Parallel(block, tail):
                    Kt[i, d] = KV[batch, Indices[batch, position, k * block + i], D + d]
                for h, i in T.Parallel(H, block):
                    s[h, i] = T.if_then_else(seen[i], 0, -T.infinity("float32"))
                T.gemm(Qs, Ks, s, transpose_B=True, policy=T.GemmWarpPolicy.FullCol)
                T.gemm(Qt, Kt, s, transpose_B=True, policy=T.GemmWarpPolicy.FullCol)
                T.copy(m, m0)
                T.reduce_max(s, m, dim=1, clear=False)
                for h in T.Parallel(H):
                    r[h] = T.exp2((m0[h] - m[h]) * scale)
                for h, i in T.Parallel(H, block):
                    s[h, i] = T.exp2(s[h, i] * scale - m[h] * scale)
                T.reduce_sum(s, part, dim=1)
                for h in T.Parallel(H):
                    total[h] = total[h] * r[h] + part[h]
                for h, d in T.Parallel(H, D):
                    o[h, d] *= r[h]
                T.copy(s, Ps)
                T.gemm(Ps, Ks, o, policy=T.GemmWarpPolicy.FullCol)
            for h, d in T.Parallel(H, D):
                o[h, d] /= total[h]
            for h in T.Parallel(H):
                total[h] = T.log2(total[h]) + m[h] * scale
            T.copy(o, O[batch, position, :, :])
            T.copy(total, Lse[batch, position, :])

    return main


@pytest.mark.parametrize("stages", [0, 2])
def test_sparse_mla(stages, device):
    B, S, keys, H, D, tail, chosen = 1, 6, 24, 16, 64, 32, 64
    q, kv = random((B, S, H, D + tail), "bfloat16", device), random((B, keys, D + tail), "bfloat16", device)
    index = torch.randint(0, keys, (B, S, chosen), device=device, dtype=torch.int32)
    index[..., 5] = 0  # every query sees the first token
    kernel = sparse_mla(B, S, keys, H, D, tail, chosen, 32, 128, stages)
    out, lse = run(kernel, [q, kv, index], ((B, S, H, D), "bfloat16"), ((B, S, H), "float32"), device=device)
    rows = kv.double()[torch.arange(B, device=device)[:, None, None], index.long()]
    scores = torch.einsum("bshd,bskd->bshk", q.double(), rows) / math.sqrt(D + tail)
    hidden = index > torch.arange(S, device=device)[None, :, None]
    scores = scores.masked_fill(hidden[:, :, None], -math.inf)
    p = scores.softmax(-1)
    expected = torch.einsum("bshk,bskd->bshd", p, rows[..., :D])
    assert_close(out, expected, terms=chosen, scale=torch.einsum("bshk,bskd->bshd", p, rows[..., :D].abs()))
    torch.testing.assert_close(lse.double(), torch.logsumexp(scores, -1) / math.log(2), rtol=1e-2, atol=1e-2)
