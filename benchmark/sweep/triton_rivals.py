"""The same products and attention in Triton, tuned by its own autotuner over a few usual tiles; None without Triton."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

matmul: Callable | None = None
attention: Callable | None = None

try:
    import triton
    import triton.language as tl
    from triton.testing import do_bench
except ImportError:  # the simulator's machine has none
    triton = None

if triton is not None:
    _bench = partial(do_bench, warmup=2, rep=15)  # milliseconds: five configurations for each of hundreds of shapes
    _PRODUCTS = [
        triton.Config({"BM": bm, "BN": bn, "BK": 64, "GROUP": 8}, num_warps=warps, num_stages=stages)
        for bm, bn, warps, stages in ((128, 256, 8, 3), (128, 128, 8, 3), (64, 128, 4, 4), (64, 64, 4, 5), (16, 128, 4, 5))
    ]
    _ATTENTIONS = [
        triton.Config({"BM": bm, "BN": bn}, num_warps=warps, num_stages=stages)
        for bm, bn, warps, stages in ((128, 128, 8, 2), (128, 64, 8, 3), (128, 64, 4, 3), (64, 64, 4, 3))
    ]

    @triton.autotune(configs=_PRODUCTS, key=["M", "N", "K"], do_bench=_bench)
    @triton.jit
    def _matmul(A, B, C, M, N, K, BM: tl.constexpr, BN: tl.constexpr, BK: tl.constexpr, GROUP: tl.constexpr):
        rows, columns = tl.cdiv(M, BM), tl.cdiv(N, BN)
        pid = tl.program_id(0)
        group = pid // (GROUP * columns)
        height = min(rows - group * GROUP, GROUP)
        by = group * GROUP + pid % (GROUP * columns) % height
        bx = pid % (GROUP * columns) // height
        m, n, k = by * BM + tl.arange(0, BM), bx * BN + tl.arange(0, BN), tl.arange(0, BK)
        sum_ = tl.zeros((BM, BN), tl.float32)
        for at in range(0, K, BK):
            a = tl.load(A + m[:, None] * K + (at + k)[None, :], (m[:, None] < M) & ((at + k)[None, :] < K), 0.0)
            b = tl.load(B + n[None, :] * K + (at + k)[:, None], (n[None, :] < N) & ((at + k)[:, None] < K), 0.0)
            sum_ = tl.dot(a, b, sum_)
        tl.store(C + m[:, None] * N + n[None, :], sum_.to(tl.float16), (m[:, None] < M) & (n[None, :] < N))

    def _call_matmul(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        M, K, N = *a.shape, b.shape[0]
        c = torch.empty((M, N), dtype=a.dtype, device=a.device)
        _matmul[lambda meta: (triton.cdiv(M, meta["BM"]) * triton.cdiv(N, meta["BN"]),)](a, b, c, M, N, K)
        return c

    @triton.autotune(configs=_ATTENTIONS, key=["S", "D", "CAUSAL"], do_bench=_bench)
    @triton.jit
    def _attention(Q, K, V, O, S, HEADS, GROUP, scale, D: tl.constexpr, CAUSAL: tl.constexpr, BM: tl.constexpr, BN: tl.constexpr):
        block, bh = tl.program_id(0), tl.program_id(1)
        own = bh.to(tl.int64) * S * D
        kept = ((bh // HEADS) * (HEADS // GROUP) + bh % HEADS // GROUP).to(tl.int64) * S * D
        m, d = block * BM + tl.arange(0, BM), tl.arange(0, D)
        q = tl.load(Q + own + m[:, None] * D + d[None, :], m[:, None] < S, 0.0)
        peak = tl.full((BM,), -float("inf"), tl.float32)
        total = tl.zeros((BM,), tl.float32)
        o = tl.zeros((BM, D), tl.float32)
        end = tl.minimum((block + 1) * BM, S) if CAUSAL else S
        for at in range(0, end, BN):
            n = at + tl.arange(0, BN)
            k = tl.load(K + kept + n[None, :] * D + d[:, None], n[None, :] < S, 0.0)
            s = tl.dot(q, k) * scale
            s = tl.where((n[None, :] < S) & ((m[:, None] >= n[None, :]) if CAUSAL else True), s, -float("inf"))
            new = tl.maximum(peak, tl.max(s, 1))
            p = tl.exp2(s - new[:, None])
            rescale = tl.exp2(peak - new)
            total = total * rescale + tl.sum(p, 1)
            v = tl.load(V + kept + n[:, None] * D + d[None, :], n[:, None] < S, 0.0)
            o = tl.dot(p.to(tl.float16), v, o * rescale[:, None])
            peak = new
        tl.store(O + own + m[:, None] * D + d[None, :], (o / total[:, None]).to(tl.float16), m[:, None] < S)

    def _call_attention(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, causal: bool) -> torch.Tensor:
        B, H, S, D = q.shape
        o = torch.empty_like(q)
        scale = D**-0.5 * 1.44269504
        _attention[lambda meta: (triton.cdiv(S, meta["BM"]), B * H)](q, k, v, o, S, H, H // k.shape[1], scale, D, causal)
        return o

    matmul, attention = _call_matmul, _call_attention
