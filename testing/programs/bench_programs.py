"""The kernels that the benchmarks time, as programs that a test can run at any size: same tiles, scopes and statements.

Each function returns a `Case`: how to compile the kernel, its inputs on a device, and a reference in float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

import tilelang
import tilelang.language as T

FAST = {tilelang.PassConfigKey.TL_ENABLE_FAST_MATH: True}


@dataclass(frozen=True)
class Case:
    """A kernel with its test.

    Attributes
    ----------
    make : callable
        Compiles: () -> kernel that returns its output.
    inputs : callable
        (device) -> tensors.
    ref : callable
        (*inputs) -> the result in float64.
    tol : float
        Of the largest magnitude of the reference.
    """

    make: Callable[[], Any]
    inputs: Callable[[str], list[torch.Tensor]]
    ref: Callable[..., torch.Tensor]
    tol: float = 1e-2


def _torch(dtype: str) -> torch.dtype:
    return torch.float8_e4m3fn if dtype == "float8_e4m3" else getattr(torch, dtype)


def gemm(M, N, K, dtype="float16", bm=128, bn=256, bk=64, stages=3, threads=256, tb=True, swz=True):
    """C = A @ B, or A @ B.T with `tb`; the result leaves through shared memory."""
    out = "float16" if "float8" in dtype else dtype

    @tilelang.jit(out_idx=[-1])
    def build():
        @T.prim_func
        def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K) if tb else (K, N), dtype), C: T.Tensor((M, N), out)):
            with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
                As = T.alloc_shared((bm, bk), dtype)
                Bs = T.alloc_shared((bn, bk) if tb else (bk, bn), dtype)
                Cl = T.alloc_fragment((bm, bn), "float32")
                Cs = T.alloc_shared((bm, bn), out)
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

    def inputs(device):
        shapes = [(M, K), (N, K) if tb else (K, N)]
        return [(torch.randn(s, device=device) * 0.5).to(_torch(dtype)) for s in shapes]

    return Case(build, inputs, lambda a, b: a.double() @ (b.double().T if tb else b.double()), tol=2e-2)


def attention(B, H, S, D, causal, bm=128, bn=128, stages=2, threads=256, dtype="float16"):
    """softmax(Q @ K.T / sqrt(D)) @ V for sequences of whole tiles."""
    scale = (1.0 / D) ** 0.5 * 1.44269504
    shape = [B, H, S, D]
    acc = "float32"

    @tilelang.jit(out_idx=[3], pass_configs=FAST)
    def build():
        @T.prim_func
        def main(Q: T.Tensor(shape, dtype), K: T.Tensor(shape, dtype), V: T.Tensor(shape, dtype), O: T.Tensor(shape, dtype)):
            with T.Kernel(T.ceildiv(S, bm), H, B, threads=threads) as (bx, by, bz):
                Qs = T.alloc_shared([bm, D], dtype)
                Ks = T.alloc_shared([bn, D], dtype)
                Vs = T.alloc_shared([bn, D], dtype)
                Os = T.alloc_shared([bm, D], dtype)
                s = T.alloc_fragment([bm, bn], acc)
                p = T.alloc_fragment([bm, bn], dtype)
                o = T.alloc_fragment([bm, D], acc)
                m = T.alloc_fragment([bm], acc)
                m0 = T.alloc_fragment([bm], acc)
                r = T.alloc_fragment([bm], acc)
                l1 = T.alloc_fragment([bm], acc)
                l = T.alloc_fragment([bm], acc)
                T.copy(Q[bz, by, bx * bm : (bx + 1) * bm, :], Qs)
                T.fill(o, 0)
                T.fill(l, 0)
                T.fill(m, -T.infinity(acc))
                steps = T.min(T.ceildiv(S, bn), T.ceildiv((bx + 1) * bm, bn)) if causal else T.ceildiv(S, bn)
                for k in T.Pipelined(steps, num_stages=stages):
                    T.copy(K[bz, by, k * bn : (k + 1) * bn, :], Ks)
                    if causal:
                        for i, j in T.Parallel(bm, bn):
                            s[i, j] = T.if_then_else(bx * bm + i >= k * bn + j, 0, -T.infinity(acc))
                    else:
                        T.clear(s)
                    T.gemm(Qs, Ks, s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                    T.copy(m, m0)
                    T.fill(m, -T.infinity(acc))
                    T.reduce_max(s, m, dim=1, clear=False)
                    for i in T.Parallel(bm):
                        m[i] = T.max(m[i], m0[i])
                    for i in T.Parallel(bm):
                        r[i] = T.exp2(m0[i] * scale - m[i] * scale)
                    for i, j in T.Parallel(bm, bn):
                        s[i, j] = T.exp2(s[i, j] * scale - m[i] * scale)
                    T.reduce_sum(s, l1, dim=1)
                    for i in T.Parallel(bm):
                        l[i] = l[i] * r[i] + l1[i]
                    T.copy(s, p)
                    for i, j in T.Parallel(bm, D):
                        o[i, j] *= r[i]
                    T.copy(V[bz, by, k * bn : (k + 1) * bn, :], Vs)
                    T.gemm(p, Vs, o, policy=T.GemmWarpPolicy.FullRow)
                for i, j in T.Parallel(bm, D):
                    o[i, j] /= l[i]
                T.copy(o, Os)
                T.copy(Os, O[bz, by, bx * bm : (bx + 1) * bm, :])

        return main

    def ref(q, k, v):
        x = q.double() @ k.double().mT / math.sqrt(D)
        if causal:
            x = x.masked_fill(torch.ones(S, S, device=q.device, dtype=torch.bool).triu(1), float("-inf"))
        return torch.softmax(x, -1) @ v.double()

    return Case(build, lambda device: [torch.randn(shape, device=device).to(_torch(dtype)) for _ in range(3)], ref, tol=2e-2)


def add(N, block=4096, threads=256, dtype="float16"):
    """C = A + B without a tile."""

    @tilelang.jit(out_idx=[-1])
    def build():
        @T.prim_func
        def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
            with T.Kernel(T.ceildiv(N, block), threads=threads) as bx:
                for i in T.Parallel(block):
                    C[bx * block + i] = A[bx * block + i] + B[bx * block + i]

        return main

    def inputs(device):
        return [torch.randn(N, device=device).to(_torch(dtype)) for _ in range(2)]

    return Case(build, inputs, lambda a, b: a.double() + b.double(), tol=2e-3)


def rms_norm(M, N, bm=1, threads=256, dtype="float16"):
    """Rows divided by their root mean square."""

    @tilelang.jit(out_idx=[-1])
    def build():
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

    def ref(a):
        return a.double() * torch.rsqrt(a.double().pow(2).mean(-1, keepdim=True) + 1e-6)

    return Case(build, lambda device: [torch.randn(M, N, device=device).to(_torch(dtype))], ref, tol=2e-3)


def softmax(M, N, bm=1, threads=256, dtype="float16"):
    """Softmax of rows, with fast math."""

    @tilelang.jit(out_idx=[-1], pass_configs=FAST)
    def build():
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

    inputs = lambda device: [torch.randn(M, N, device=device).to(_torch(dtype))]  # noqa: E731
    return Case(build, inputs, lambda a: torch.softmax(a.double(), -1), tol=2e-3)


def dequant_gemm(M, N, K, bm=64, bn=64, bk=64, stages=3, threads=128):
    """float16 by int4 (two to a byte, offset 8), widened in registers."""

    @tilelang.jit(out_idx=[-1])
    def build():
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
                        Bl[i, j] = T.cast((T.cast(Qs[i, j // 2], "int32") >> ((j % 2) * 4)) & 15, "float16") - T.cast(
                            8, "float16"
                        )
                    T.copy(Bl, Bs)
                    T.gemm(As, Bs, Cl, transpose_B=True)
                T.copy(Cl, C[by * bm, bx * bn])

        return main

    def inputs(device):
        a = (torch.randn(M, K, device=device) * 0.1).to(torch.float16)
        return [a, torch.randint(0, 256, (N, K // 2), device=device, dtype=torch.uint8)]

    def ref(a, q):
        weights = torch.stack([(q & 15).int() - 8, (q >> 4).int() - 8], -1).reshape(N, K)
        return a.double() @ weights.double().T

    return Case(build, inputs, ref, tol=2e-2)
