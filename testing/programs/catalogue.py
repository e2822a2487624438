"""Kernels whose generated text is compared between commits (`benchmark/compare_kernels.py`): one of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tilelang.language as T

FAST = {"tl.enable_fast_math": True}
KERNELS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {}


def kernel(name: str, configs: dict[str, Any] | None = None, **arguments: Any) -> Callable:
    """Enter a program maker into the catalogue, with its arguments; may be repeated."""

    def enter(make: Callable) -> Callable:
        KERNELS[name] = (lambda: make(**arguments)), configs or {}
        return make

    return enter


@kernel("add_dynamic", N=T.dynamic("n"))
@kernel("add_float16", N=1000003)
@kernel("add_int8", N=4096, dtype="int8")
def add(N, block=4096, threads=256, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block), threads=threads) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = A[bx * block + i] + B[bx * block + i]

    return main


@kernel("gemm_nt", M=4096, N=4096, K=4096)
@kernel("gemm_nn_ragged", M=1000, N=1016, K=520, tb=False)
@kernel("gemm_dynamic", M=T.dynamic("m"), N=T.dynamic("n"), K=4096)
@kernel("gemm_bfloat16_unswizzled", M=2048, N=2048, K=2048, dtype="bfloat16", swz=False)
@kernel("gemm_last_wave", M=2048, N=5120, K=5120)
@kernel("gemm_few_rows", M=16, N=4096, K=11008, bn=256, bk=64, threads=256)
def gemm(M, N, K, dtype="float16", bm=128, bn=128, bk=32, stages=3, threads=128, tb=True, swz=True):
    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K) if tb else (K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As = T.alloc_shared((bm, bk), dtype)
            Bs = T.alloc_shared((bn, bk) if tb else (bk, bn), dtype)
            Cl = T.alloc_fragment((bm, bn), "float32")
            Cs = T.alloc_shared((bm, bn), dtype)
            T.use_swizzle(panel_size=10, enable=swz)
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], As)
                if tb:
                    T.copy(B[bx * bn, k * bk], Bs)
                else:
                    T.copy(B[k * bk, bx * bn], Bs)
                T.gemm(As, Bs, Cl, transpose_B=tb)
            T.copy(Cl, Cs)
            T.copy(Cs, C[by * bm, bx * bn])

    return main


@kernel("softmax", FAST, M=8192, N=4096)
def softmax(M, N, bm=1, threads=256, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=threads) as bx:
            x = T.alloc_fragment((bm, N), "float32")
            m = T.alloc_fragment((bm,), "float32")
            s = T.alloc_fragment((bm,), "float32")
            T.copy(A[bx * bm : (bx + 1) * bm, :], x)
            T.reduce_max(x, m, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] = T.exp2((x[i, j] - m[i]) * 1.44269504)
            T.reduce_sum(x, s, dim=1)
            for i, j in T.Parallel(bm, N):
                x[i, j] /= s[i]
            T.copy(x, B[bx * bm : (bx + 1) * bm, :])

    return main


@kernel("rms_norm", M=8192, N=1000)
def rms_norm(M, N, bm=1, threads=256, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, bm), threads=threads) as bx:
            x = T.alloc_fragment((bm, N), "float32")
            y = T.alloc_fragment((bm, N), "float32")
            s = T.alloc_fragment((bm,), "float32")
            T.copy(A[bx * bm : (bx + 1) * bm, :], x)
            for i, j in T.Parallel(bm, N):
                y[i, j] = x[i, j] * x[i, j]
            T.reduce_sum(y, s, dim=1)
            for i in T.Parallel(bm):
                s[i] = T.rsqrt(s[i] / N + 1e-6)
            for i, j in T.Parallel(bm, N):
                x[i, j] *= s[i]
            T.copy(x, B[bx * bm : (bx + 1) * bm, :])

    return main


@kernel("attention_causal", FAST, D=128, causal=True)
@kernel("attention", FAST, D=64, causal=False)
def attention(D, causal, B=2, H=8, S=1024, bm=64, bn=64, stages=2, threads=128, dtype="float16"):
    scale = (1.0 / D) ** 0.5 * 1.44269504
    shape = [B, H, S, D]

    @T.prim_func
    def main(Q: T.Tensor(shape, dtype), K: T.Tensor(shape, dtype), V: T.Tensor(shape, dtype), Out: T.Tensor(shape, dtype)):
        with T.Kernel(T.ceildiv(S, bm), H, B, threads=threads) as (bx, by, bz):
            Qs = T.alloc_shared([bm, D], dtype)
            Ks = T.alloc_shared([bn, D], dtype)
            Vs = T.alloc_shared([bn, D], dtype)
            s = T.alloc_fragment([bm, bn], "float32")
            p = T.alloc_fragment([bm, bn], dtype)
            o = T.alloc_fragment([bm, D], "float32")
            m = T.alloc_fragment([bm], "float32")
            m0 = T.alloc_fragment([bm], "float32")
            r = T.alloc_fragment([bm], "float32")
            l1 = T.alloc_fragment([bm], "float32")
            total = T.alloc_fragment([bm], "float32")
            T.copy(Q[bz, by, bx * bm : (bx + 1) * bm, :], Qs)
            T.fill(o, 0)
            T.fill(total, 0)
            T.fill(m, -T.infinity("float32"))
            steps = T.min(T.ceildiv(S, bn), T.ceildiv((bx + 1) * bm, bn)) if causal else T.ceildiv(S, bn)
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(K[bz, by, k * bn : (k + 1) * bn, :], Ks)
                if causal:
                    for i, j in T.Parallel(bm, bn):
                        s[i, j] = T.if_then_else(bx * bm + i >= k * bn + j, 0, -T.infinity("float32"))
                else:
                    T.clear(s)
                T.gemm(Qs, Ks, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(m, m0)
                T.reduce_max(s, m, dim=1, clear=False)
                for i in T.Parallel(bm):
                    r[i] = T.exp2(m0[i] * scale - m[i] * scale)
                for i, j in T.Parallel(bm, bn):
                    s[i, j] = T.exp2(s[i, j] * scale - m[i] * scale)
                T.reduce_sum(s, l1, dim=1)
                for i in T.Parallel(bm):
                    total[i] = total[i] * r[i] + l1[i]
                T.copy(s, p)
                for i, j in T.Parallel(bm, D):
                    o[i, j] *= r[i]
                T.copy(V[bz, by, k * bn : (k + 1) * bn, :], Vs)
                T.gemm(p, Vs, o, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, D):
                o[i, j] /= total[i]
            T.copy(o, Out[bz, by, bx * bm : (bx + 1) * bm, :])

    return main


@kernel("dequantized_gemm", M=1024, N=1024, K=1024)
def dequantized_gemm(M, N, K, bm=64, bn=64, bk=64, stages=3, threads=128):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), Bq: T.Tensor((N, K // 2), "uint8"), C: T.Tensor((M, N), "float16")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            As = T.alloc_shared((bm, bk), "float16")
            Qs = T.alloc_shared((bn, bk // 2), "uint8")
            Bl = T.alloc_fragment((bn, bk), "float16")
            Bs = T.alloc_shared((bn, bk), "float16")
            Cl = T.alloc_fragment((bm, bn), "float32")
            T.clear(Cl)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], As)
                T.copy(Bq[bx * bn, k * (bk // 2)], Qs)
                for i, j in T.Parallel(bn, bk):
                    Bl[i, j] = T.cast((T.cast(Qs[i, j // 2], "int32") >> ((j % 2) * 4)) & 15, "float16") - T.cast(8, "float16")
                T.copy(Bl, Bs)
                T.gemm(As, Bs, Cl, transpose_B=True)
            T.copy(Cl, C[by * bm, bx * bn])

    return main
