"""Forward attention: sequences of one length, and packed ones of different lengths."""

from __future__ import annotations

from typing import Any

import tilelang.language as T


def attention(
    B: int, H: int, G: int, S: int, D: int, causal: bool, bm: int = 128, bn: int = 128, stages: int = 2, threads: int = 256
) -> Any:
    """Forward attention in fp16: H query heads, H / G of keys and values; softmax in base 2, with a running maximum and sum."""
    scale = D**-0.5 * 1.44269504

    @T.prim_func
    def attention(
        Q: T.Tensor((B, H, S, D), "float16"),
        K: T.Tensor((B, H // G, S, D), "float16"),
        V: T.Tensor((B, H // G, S, D), "float16"),
        O: T.Tensor((B, H, S, D), "float16"),
    ):
        with T.Kernel(T.ceildiv(S, bm), H, B, threads=threads) as (bx, by, bz):
            Q_s = T.alloc_shared((bm, D), "float16")
            K_s = T.alloc_shared((bn, D), "float16")
            V_s = T.alloc_shared((bn, D), "float16")
            O_s = T.alloc_shared((bm, D), "float16")
            s = T.alloc_fragment((bm, bn), "float32")
            p = T.alloc_fragment((bm, bn), "float16")
            o = T.alloc_fragment((bm, D), "float32")
            peak = T.alloc_fragment((bm,), "float32")
            before = T.alloc_fragment((bm,), "float32")
            rescale = T.alloc_fragment((bm,), "float32")
            row = T.alloc_fragment((bm,), "float32")
            total = T.alloc_fragment((bm,), "float32")
            T.copy(Q[bz, by, bx * bm, 0], Q_s)
            T.clear(o)
            T.clear(total)
            T.fill(peak, -T.infinity("float32"))
            for k in T.Pipelined(T.ceildiv((bx + 1) * bm, bn) if causal else T.ceildiv(S, bn), num_stages=stages):
                T.copy(K[bz, by // G, k * bn, 0], K_s)
                if causal or S % bn:
                    for i, j in T.Parallel(bm, bn):
                        visible = (bx * bm + i >= k * bn + j) if causal else (k * bn + j < S)
                        s[i, j] = T.if_then_else(visible, 0, -T.infinity("float32"))
                else:
                    T.clear(s)
                T.gemm(Q_s, K_s, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(peak, before)
                T.reduce_max(s, peak, dim=1, clear=False)
                for i in T.Parallel(bm):
                    rescale[i] = T.exp2(before[i] * scale - peak[i] * scale)
                for i, j in T.Parallel(bm, bn):
                    s[i, j] = T.exp2(s[i, j] * scale - peak[i] * scale)
                T.reduce_sum(s, row, dim=1)
                for i in T.Parallel(bm):
                    total[i] = total[i] * rescale[i] + row[i]
                T.copy(s, p)
                for i, j in T.Parallel(bm, D):
                    o[i, j] *= rescale[i]
                T.copy(V[bz, by // G, k * bn, 0], V_s)
                T.gemm(p, V_s, o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, D):
                o[i, j] /= total[i]
            T.copy(o, O_s)
            T.copy(O_s, O[bz, by, bx * bm, 0])

    return attention


def varlen_attention(
    B: int, H: int, G: int, total: int, D: int, causal: bool, bm: int = 128, bn: int = 128, stages: int = 2, threads: int = 256
) -> Any:
    """`attention` over B sequences packed along the first axis; `starts` has where each begins, and the end."""
    scale = D**-0.5 * 1.44269504

    @T.prim_func
    def varlen_attention(
        Q: T.Tensor((total, H, D), "float16"),
        K: T.Tensor((total, H // G, D), "float16"),
        V: T.Tensor((total, H // G, D), "float16"),
        starts: T.Tensor((B + 1,), "int32"),
        longest: T.int32,
        O: T.Tensor((total, H, D), "float16"),
    ):
        with T.Kernel(T.ceildiv(longest, bm), H, B, threads=threads) as (bx, by, bz):
            Q_s = T.alloc_shared((bm, D), "float16")
            K_s = T.alloc_shared((bn, D), "float16")
            V_s = T.alloc_shared((bn, D), "float16")
            s = T.alloc_fragment((bm, bn), "float32")
            p = T.alloc_fragment((bm, bn), "float16")
            o = T.alloc_fragment((bm, D), "float32")
            peak = T.alloc_fragment((bm,), "float32")
            before = T.alloc_fragment((bm,), "float32")
            rescale = T.alloc_fragment((bm,), "float32")
            row = T.alloc_fragment((bm,), "float32")
            weight = T.alloc_fragment((bm,), "float32")
            first = starts[bz]
            length = starts[bz + 1] - first
            T.copy(Q[first + bx * bm : first + (bx + 1) * bm, by, :], Q_s)
            T.clear(o)
            T.clear(weight)
            T.fill(peak, -1e30)
            seen = T.min(length, (bx + 1) * bm) if causal else length
            for k in T.Pipelined(T.if_then_else(bx * bm < length, T.ceildiv(seen, bn), 0), num_stages=stages):
                T.copy(K[first + k * bn : first + (k + 1) * bn, by // G, :], K_s)
                for i, j in T.Parallel(bm, bn):
                    inside = (bx * bm + i >= k * bn + j) if causal else True
                    s[i, j] = T.if_then_else(inside and k * bn + j < length, 0, -1e30)
                T.gemm(Q_s, K_s, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(peak, before)
                T.reduce_max(s, peak, dim=1, clear=False)
                for i in T.Parallel(bm):
                    rescale[i] = T.exp2(before[i] * scale - peak[i] * scale)
                for i, j in T.Parallel(bm, bn):
                    s[i, j] = T.exp2(s[i, j] * scale - peak[i] * scale)
                T.reduce_sum(s, row, dim=1)
                for i in T.Parallel(bm):
                    weight[i] = weight[i] * rescale[i] + row[i]
                T.copy(s, p)
                for i, j in T.Parallel(bm, D):
                    o[i, j] *= rescale[i]
                T.copy(V[first + k * bn : first + (k + 1) * bn, by // G, :], V_s)
                T.gemm(p, V_s, o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, D):
                if bx * bm + i < length:
                    O[first + bx * bm + i, by, j] = o[i, j] / weight[i]

    return varlen_attention
