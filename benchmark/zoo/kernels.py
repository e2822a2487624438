"""126 kernels over shapes of models that people serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import tilelang.language as T


@dataclass(frozen=True)
class Case:
    """One kernel: its family, a name, and what makes the program."""

    family: str
    name: str
    make: Callable[[], Any]

    def program(self) -> Any:
        return self.make()


@dataclass(frozen=True)
class Model:
    """Widths of a transformer."""

    name: str
    hidden: int
    ffn: int
    heads: int
    kv_heads: int
    head_dim: int
    vocabulary: int


MODELS = (
    Model("llama3-8b", 4096, 14336, 32, 8, 128, 128256),
    Model("llama3-70b", 8192, 28672, 64, 8, 128, 128256),
    Model("qwen2.5-7b", 3584, 18944, 28, 4, 128, 152064),
    Model("qwen2.5-0.5b", 896, 4864, 14, 2, 64, 151936),
    Model("mistral-nemo", 5120, 14336, 32, 8, 128, 131072),
    Model("deepseek-v3", 7168, 18432, 128, 128, 128, 129280),
)


def gemm(M: int, N: int, K: int, bm: int, bn: int, bk: int, stages: int, threads: int, dtype: str) -> Any:
    """C = A @ B^T."""

    @T.prim_func
    def gemm(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            A_shared = T.alloc_shared((bm, bk), dtype)
            B_shared = T.alloc_shared((bn, bk), dtype)
            C_local = T.alloc_fragment((bm, bn), "float32")
            T.clear(C_local)
            for k in T.Pipelined(T.ceildiv(K, bk), num_stages=stages):
                T.copy(A[by * bm, k * bk], A_shared)
                T.copy(B[bx * bn, k * bk], B_shared)
                T.gemm(A_shared, B_shared, C_local, transpose_B=True)
            T.copy(C_local, C[by * bm, bx * bn])

    return gemm


def attention(batch: int, S: int, H: int, G: int, D: int, causal: bool, bm: int, bn: int, threads: int, dtype: str) -> Any:
    """Grouped-query attention: H query heads, G of them to a key-value head."""
    scale = D**-0.5 * 1.44269504

    @T.prim_func
    def attention(
        Q: T.Tensor((batch, S, H, D), dtype),
        K: T.Tensor((batch, S, H // G, D), dtype),
        V: T.Tensor((batch, S, H // G, D), dtype),
        O: T.Tensor((batch, S, H, D), dtype),
    ):
        with T.Kernel(T.ceildiv(S, bm), H, batch, threads=threads) as (bx, by, bz):
            Q_s = T.alloc_shared((bm, D), dtype)
            K_s = T.alloc_shared((bn, D), dtype)
            V_s = T.alloc_shared((bn, D), dtype)
            scores = T.alloc_fragment((bm, bn), "float32")
            weights = T.alloc_fragment((bm, bn), dtype)
            out = T.alloc_fragment((bm, D), "float32")
            peak = T.alloc_fragment((bm,), "float32")
            before = T.alloc_fragment((bm,), "float32")
            shrink = T.alloc_fragment((bm,), "float32")
            row = T.alloc_fragment((bm,), "float32")
            total = T.alloc_fragment((bm,), "float32")
            T.copy(Q[bz, bx * bm : (bx + 1) * bm, by, :], Q_s)
            T.fill(out, 0)
            T.fill(total, 0)
            T.fill(peak, -T.infinity("float32"))
            steps = T.min(T.ceildiv(S, bn), T.ceildiv((bx + 1) * bm, bn)) if causal else T.ceildiv(S, bn)
            for k in T.Pipelined(steps, num_stages=2):
                T.copy(K[bz, k * bn : (k + 1) * bn, by // G, :], K_s)
                if causal:
                    for i, j in T.Parallel(bm, bn):
                        scores[i, j] = T.if_then_else(bx * bm + i >= k * bn + j, 0, -T.infinity("float32"))
                else:
                    T.clear(scores)
                T.gemm(Q_s, K_s, scores, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(peak, before)
                T.reduce_max(scores, peak, dim=1, clear=False)
                for i in T.Parallel(bm):
                    shrink[i] = T.exp2(before[i] * scale - peak[i] * scale)
                for i, j in T.Parallel(bm, bn):
                    scores[i, j] = T.exp2(scores[i, j] * scale - peak[i] * scale)
                T.reduce_sum(scores, row, dim=1)
                for i in T.Parallel(bm):
                    total[i] = total[i] * shrink[i] + row[i]
                T.copy(scores, weights)
                for i, j in T.Parallel(bm, D):
                    out[i, j] *= shrink[i]
                T.copy(V[bz, k * bn : (k + 1) * bn, by // G, :], V_s)
                T.gemm(weights, V_s, out, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(bm, D):
                out[i, j] /= total[i]
            T.copy(out, O[bz, bx * bm : (bx + 1) * bm, by, :])

    return attention


def rms_norm(M: int, N: int, rows: int, dtype: str) -> Any:
    """Rows over their root mean square, times a weight."""

    @T.prim_func
    def rms_norm(X: T.Tensor((M, N), dtype), W: T.Tensor((N,), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, rows), threads=256) as bx:
            x = T.alloc_fragment((rows, N), "float32")
            squares = T.alloc_fragment((rows, N), "float32")
            total = T.alloc_fragment((rows,), "float32")
            T.copy(X[bx * rows, 0], x)
            for i, j in T.Parallel(rows, N):
                squares[i, j] = x[i, j] * x[i, j]
            T.reduce_sum(squares, total, dim=1)
            for i in T.Parallel(rows):
                total[i] = T.rsqrt(total[i] / N + 1e-5)
            for i, j in T.Parallel(rows, N):
                x[i, j] = x[i, j] * total[i] * T.cast(W[j], "float32")
            T.copy(x, Y[bx * rows, 0])

    return rms_norm


def swiglu(M: int, N: int, rows: int, columns: int, dtype: str) -> Any:
    """silu(gate) * up."""

    @T.prim_func
    def swiglu(G: T.Tensor((M, N), dtype), U: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, columns), T.ceildiv(M, rows), threads=256) as (bx, by):
            for i, j in T.Parallel(rows, columns):
                if by * rows + i < M and bx * columns + j < N:
                    gate = T.cast(G[by * rows + i, bx * columns + j], "float32")
                    up = T.cast(U[by * rows + i, bx * columns + j], "float32")
                    Y[by * rows + i, bx * columns + j] = T.cast(gate / (1.0 + T.exp(-gate)) * up, dtype)

    return swiglu


def softmax(M: int, N: int, step: int, dtype: str) -> Any:
    """Rows of a vocabulary, in two passes with a running maximum."""

    @T.prim_func
    def softmax(X: T.Tensor((M, N), dtype), Y: T.Tensor((M, N), dtype)):
        with T.Kernel(M, threads=256) as bx:
            x = T.alloc_fragment((1, step), "float32")
            peak = T.alloc_fragment((1,), "float32")
            before = T.alloc_fragment((1,), "float32")
            row = T.alloc_fragment((1,), "float32")
            total = T.alloc_fragment((1,), "float32")
            T.fill(peak, -T.infinity("float32"))
            T.fill(total, 0)
            for k in T.serial(T.ceildiv(N, step)):
                for i, j in T.Parallel(1, step):
                    x[i, j] = T.if_then_else(k * step + j < N, T.cast(X[bx, k * step + j], "float32"), -T.infinity("float32"))
                T.copy(peak, before)
                T.reduce_max(x, peak, dim=1, clear=False)
                for i, j in T.Parallel(1, step):
                    x[i, j] = T.exp(x[i, j] - peak[i])
                T.reduce_sum(x, row, dim=1)
                for i in T.Parallel(1):
                    total[i] = total[i] * T.exp(before[i] - peak[i]) + row[i]
            for k in T.serial(T.ceildiv(N, step)):
                for i, j in T.Parallel(1, step):
                    if k * step + j < N:
                        Y[bx, k * step + j] = T.cast(T.exp(T.cast(X[bx, k * step + j], "float32") - peak[i]) / total[i], dtype)

    return softmax


def zoo() -> list[Case]:
    """All 126, distinct in shape, tile or dtype."""
    cases = []
    for model in MODELS:
        projections = {
            "qkv": ((model.heads + 2 * model.kv_heads) * model.head_dim, model.hidden),
            "out": (model.hidden, model.heads * model.head_dim),
            "up": (2 * model.ffn, model.hidden),
            "down": (model.hidden, model.ffn),
        }
        for name, (N, K) in projections.items():
            for M, tile in ((64, (64, 128, 64, 4, 128)), (4096, (128, 256, 64, 3, 256))):
                dtype = "bfloat16" if name in ("up", "down") else "float16"
                cases.append(Case("gemm", f"{model.name} {name} {M}", lambda a=(M, N, K, *tile, dtype): gemm(*a)))
        group = model.heads // model.kv_heads
        for causal, (batch, S) in ((True, (1, 8192)), (True, (8, 1024)), (False, (4, 2048)), (False, (32, 512))):
            arguments = batch, S, model.heads, group, model.head_dim, causal, 128, 128 if S > 1024 else 64, 256, "bfloat16"
            cases.append(Case("attention", f"{model.name} {batch}x{S}", lambda a=arguments: attention(*a)))
        for M, rows, dtype in ((1, 1, "bfloat16"), (128, 1, "float16"), (8192, 1, "bfloat16")):
            cases.append(Case("rms_norm", f"{model.name} {M}", lambda a=(M, model.hidden, rows, dtype): rms_norm(*a)))
        for M, rows, columns in ((1, 1, 1024), (128, 2, 1024), (8192, 8, 512)):
            cases.append(Case("swiglu", f"{model.name} {M}", lambda a=(M, model.ffn, rows, columns, "bfloat16"): swiglu(*a)))
        for M, step, dtype in ((1, 4096, "float32"), (64, 4096, "bfloat16"), (1024, 2048, "bfloat16")):
            cases.append(Case("softmax", f"{model.name} {M}", lambda a=(M, model.vocabulary, step, dtype): softmax(*a)))
    return cases
