# mypy: ignore-errors
"""Plain tile programs of templates: annotations are tensors, which type checkers do not know."""

from __future__ import annotations

import math
from typing import Any

import tilelang.language as T


def plain_matmul(problem: Any) -> Any:
    """The program of a matrix multiply template."""
    M, N, K, ta, tb = problem.M, problem.N, problem.K, problem.trans_A, problem.trans_B

    @T.prim_func
    def matmul(
        A: T.Tensor((K, M) if ta else (M, K), problem.in_dtype),
        B: T.Tensor((N, K) if tb else (K, N), problem.in_dtype),
        C: T.Tensor((M, N), problem.out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, 64), T.ceildiv(M, 64), threads=128) as (bx, by):
            A_shared = T.alloc_shared((32, 64) if ta else (64, 32), problem.in_dtype)
            B_shared = T.alloc_shared((64, 32) if tb else (32, 64), problem.in_dtype)
            C_local = T.alloc_fragment((64, 64), "float32")
            T.clear(C_local)
            for k in T.serial(T.ceildiv(K, 32)):
                if ta:
                    T.copy(A[k * 32, by * 64], A_shared)
                else:
                    T.copy(A[by * 64, k * 32], A_shared)
                if tb:
                    T.copy(B[bx * 64, k * 32], B_shared)
                else:
                    T.copy(B[k * 32, bx * 64], B_shared)
                T.gemm(A_shared, B_shared, C_local, transpose_A=ta, transpose_B=tb)
            T.copy(C_local, C[by * 64, bx * 64])

    return matmul


def plain_gemv(problem: Any) -> Any:
    """The program of a gemv template."""
    N, K, trans_B = problem.N, problem.K, problem.trans_B

    @T.prim_func
    def gemv(
        A: T.Tensor((K,), problem.in_dtype),
        B: T.Tensor((N, K) if trans_B else (K, N), problem.in_dtype),
        C: T.Tensor((N,), problem.out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, 128), threads=128) as bx:
            total = T.alloc_fragment((128,), problem.accum_dtype)
            T.clear(total)
            for k in T.serial(K):
                for i in T.Parallel(128):
                    if bx * 128 + i < N:
                        b = B[bx * 128 + i, k] if trans_B else B[k, bx * 128 + i]
                        total[i] += T.cast(A[k], problem.accum_dtype) * T.cast(b, problem.accum_dtype)
            for i in T.Parallel(128):
                if bx * 128 + i < N:
                    C[bx * 128 + i] = total[i]

    return gemv


def plain_elementwise(problem: Any) -> Any:
    """The program of an elementwise template."""
    count, dtype = math.prod(problem.shape), problem.dtype

    @T.prim_func
    def elementwise(A: T.Tensor((count,), dtype), B: T.Tensor((count,), dtype)):
        with T.Kernel(T.ceildiv(count, 512), threads=128) as bx:
            for i in T.Parallel(512):
                B[bx * 512 + i] = A[bx * 512 + i] + T.cast(1, dtype)

    return elementwise
