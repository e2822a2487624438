"""Attention of one new token a sequence over a long past: the keys are split among blocks, a second launch joins the parts."""

from __future__ import annotations

from typing import Any

import tilelang.language as T


def decode(B: int, H: int, G: int, S: int, D: int, splits: int, bn: int = 128, stages: int = 2, threads: int = 128) -> Any:
    """H query heads, G of them to each head of keys and values; a block multiplies the G heads together, as 16 rows at least."""
    rows, groups = max(16, G), H // G
    scale = D**-0.5 * 1.44269504
    part = S // splits

    @T.prim_func
    def decode(
        Q: T.Tensor((B, H, D), "float16"),
        K: T.Tensor((B, S, groups, D), "float16"),
        V: T.Tensor((B, S, groups, D), "float16"),
        parts: T.Tensor((B, H, splits, D), "float32"),
        weights: T.Tensor((B, H, splits), "float32"),
        O: T.Tensor((B, H, D), "float16"),
    ):
        with T.Kernel(splits, groups, B, threads=threads) as (bx, by, bz):
            Q_s = T.alloc_shared((rows, D), "float16")
            K_s = T.alloc_shared((bn, D), "float16")
            V_s = T.alloc_shared((bn, D), "float16")
            s = T.alloc_fragment((rows, bn), "float32")
            p = T.alloc_fragment((rows, bn), "float16")
            o = T.alloc_fragment((rows, D), "float32")
            peak = T.alloc_fragment((rows,), "float32")
            before = T.alloc_fragment((rows,), "float32")
            rescale = T.alloc_fragment((rows,), "float32")
            row = T.alloc_fragment((rows,), "float32")
            total = T.alloc_fragment((rows,), "float32")
            for i, j in T.Parallel(rows, D):
                Q_s[i, j] = T.if_then_else(i < G, Q[bz, by * G + T.min(i, G - 1), j], 0)
            T.clear(o)
            T.clear(total)
            T.fill(peak, -T.infinity("float32"))
            for k in T.Pipelined(T.ceildiv(part, bn), num_stages=stages):
                T.copy(K[bz, bx * part + k * bn : bx * part + (k + 1) * bn, by, :], K_s)
                T.clear(s)
                T.gemm(Q_s, K_s, s, transpose_B=True, policy=T.GemmWarpPolicy.FullCol)
                if part % bn:
                    for i, j in T.Parallel(rows, bn):
                        s[i, j] = T.if_then_else(k * bn + j < part, s[i, j], -T.infinity("float32"))
                T.copy(peak, before)
                T.reduce_max(s, peak, dim=1, clear=False)
                for i in T.Parallel(rows):
                    rescale[i] = T.exp2(before[i] * scale - peak[i] * scale)
                for i, j in T.Parallel(rows, bn):
                    s[i, j] = T.exp2(s[i, j] * scale - peak[i] * scale)
                T.reduce_sum(s, row, dim=1)
                for i in T.Parallel(rows):
                    total[i] = total[i] * rescale[i] + row[i]
                T.copy(s, p)
                for i, j in T.Parallel(rows, D):
                    o[i, j] *= rescale[i]
                T.copy(V[bz, bx * part + k * bn : bx * part + (k + 1) * bn, by, :], V_s)
                T.gemm(p, V_s, o, policy=T.GemmWarpPolicy.FullCol)
            for i, j in T.Parallel(rows, D):
                if i < G:
                    parts[bz, by * G + i, bx, j] = o[i, j] / total[i]
            for i in T.Parallel(rows):
                if i < G:
                    weights[bz, by * G + i, bx] = T.log2(total[i]) + peak[i] * scale
        with T.Kernel(H, B, threads=128) as (by, bz):
            o = T.alloc_fragment((D,), "float32")
            share = T.alloc_fragment((splits,), "float32")
            top = T.alloc_fragment((1,), "float32")
            norm = T.alloc_fragment((1,), "float32")
            each = T.alloc_shared((splits,), "float32")
            T.copy(weights[bz, by, :], share)
            T.reduce_max(share, top, dim=0)
            for k in T.Parallel(splits):
                share[k] = T.exp2(share[k] - top[0])
            T.reduce_sum(share, norm, dim=0)
            T.copy(share, each)
            T.clear(o)
            for k in T.serial(splits):
                for j in T.Parallel(D):
                    o[j] += parts[bz, by, k, j] * each[k]
            for j in T.Parallel(D):
                O[bz, by, j] = o[j] / norm[0]

    return decode
