"""Matrix products."""

from __future__ import annotations

from typing import Any

import tilelang.language as T


def gemm(M: int, N: int, K: int, bm: int = 128, bn: int = 256, bk: int = 64, stages: int = 3, threads: int = 256) -> Any:
    """C = A @ B^T in fp16, through shared memory on the way out."""

    @T.prim_func
    def gemm(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float16")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            A_s = T.alloc_shared((bm, bk), "float16")
            B_s = T.alloc_shared((bn, bk), "float16")
            C_f = T.alloc_fragment((bm, bn), "float32")
            C_s = T.alloc_shared((bm, bn), "float16")
            T.use_swizzle(panel_size=10)
            T.clear(C_f)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], A_s)
                T.copy(B[bx * bn, k * bk], B_s)
                T.gemm(A_s, B_s, C_f, transpose_B=True)
            T.copy(C_f, C_s)
            T.copy(C_s, C[by * bm, bx * bn])

    return gemm


def split_gemm(M: int, N: int, K: int, splits: int, bm: int, bn: int, bk: int = 64, stages: int = 4, threads: int = 128) -> Any:
    """C += A @ B^T in fp32 by atomics, `splits` blocks along K to a tile: for few rows, where tiles alone leave the GPU idle."""

    @T.prim_func
    def split_gemm(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), splits, threads=threads) as (bx, by, bz):
            A_s = T.alloc_shared((bm, bk), "float16")
            B_s = T.alloc_shared((bn, bk), "float16")
            C_f = T.alloc_fragment((bm, bn), "float32")
            T.clear(C_f)
            steps = T.ceildiv(T.ceildiv(K, bk), splits)
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(A[by * bm, (bz * steps + k) * bk], A_s)
                T.copy(B[bx * bn, (bz * steps + k) * bk], B_s)
                T.gemm(A_s, B_s, C_f, transpose_B=True)
            for i, j in T.Parallel(bm, bn):
                T.atomic_add(C[by * bm + i, bx * bn + j], C_f[i, j])

    return split_gemm
