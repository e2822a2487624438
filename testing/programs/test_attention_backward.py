"""Flash attention, backward: three kernels (row sums of dO * O, gradients, rounding of dQ), dQ by atomic additions."""

from __future__ import annotations

import math

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def row_sums(batch, heads, length, dim, blk=32, dtype="float16"):
    @T.prim_func
    def main(
        O: T.Tensor([batch, length, heads, dim], dtype),
        dO: T.Tensor([batch, length, heads, dim], dtype),
        Delta: T.Tensor([batch, heads, length], "float32"),
    ):
        with T.Kernel(heads, T.ceildiv(length, blk), batch) as (bx, by, bz):
            o = T.alloc_fragment([blk, blk], dtype)
            do = T.alloc_fragment([blk, blk], dtype)
            acc = T.alloc_fragment([blk, blk], "float32")
            delta = T.alloc_fragment([blk], "float32")
            T.clear(acc)
            for k in range(T.ceildiv(dim, blk)):
                T.copy(O[bz, by * blk : (by + 1) * blk, bx, k * blk : (k + 1) * blk], o)
                T.copy(dO[bz, by * blk : (by + 1) * blk, bx, k * blk : (k + 1) * blk], do)
                for i, j in T.Parallel(blk, blk):
                    acc[i, j] += o[i, j].astype("float32") * do[i, j]
            T.reduce_sum(acc, delta, 1)
            T.copy(delta, Delta[bz, bx, by * blk : (by + 1) * blk])

    return main


def make_dq_layout(dQ):
    """Eight rows of eight columns together: the order in which the threads of a matrix instruction hold them."""
    return T.Layout(dQ.shape, lambda b, l, h, d: [b, l // 8, h, d // 8, (d % 2), 4 * (l % 8) + (d % 8) // 2])


def rounded(batch, heads, length, dim, blk=64, dtype="float16", permuted=True):
    @T.prim_func
    def main(dQ: T.Tensor([batch, length, heads, dim], "float32"), dQ_out: T.Tensor([batch, length, heads, dim], dtype)):
        with T.Kernel(T.ceildiv(length, blk), heads, batch, threads=128) as (bx, by, bz):
            if permuted:
                T.annotate_layout({dQ: make_dq_layout(dQ)})
            T.copy(dQ[bz, bx * blk : (bx + 1) * blk, by, :], dQ_out[bz, bx * blk : (bx + 1) * blk, by, :])

    return main


def gradients(batch, heads, groups, length, dim, causal, block_M, block_N, threads=128, dtype="float16", permuted=True, stages=1):
    sm_scale = (1.0 / dim) ** 0.5
    scale = sm_scale * 1.44269504
    accum = "float32"
    q_shape = [batch, length, heads, dim]
    kv_shape = [batch, length, heads // groups, dim]
    kv_grad = kv_shape if groups == 1 else [groups, *kv_shape]

    @T.prim_func
    def main(
        Q: T.Tensor(q_shape, dtype),
        K: T.Tensor(kv_shape, dtype),
        V: T.Tensor(kv_shape, dtype),
        dO: T.Tensor(q_shape, dtype),
        lse: T.Tensor([batch, heads, length], accum),
        Delta: T.Tensor([batch, heads, length], accum),
        dQ: T.Tensor(q_shape, accum),
        dK: T.Tensor(kv_grad, dtype),
        dV: T.Tensor(kv_grad, dtype),
    ):
        with T.Kernel(heads, T.ceildiv(length, block_M), batch, threads=threads) as (bx, by, bz):
            K_shared = T.alloc_shared([block_M, dim], dtype)
            V_shared = T.alloc_shared([block_M, dim], dtype)
            dsT_shared = T.alloc_shared([block_M, block_N], dtype)
            q = T.alloc_shared([block_N, dim], dtype)
            qkT = T.alloc_fragment([block_M, block_N], accum)
            dsT = T.alloc_fragment([block_M, block_N], accum)
            qkT_cast = T.alloc_fragment([block_M, block_N], dtype)
            dsT_cast = T.alloc_fragment([block_M, block_N], dtype)
            lse_shared = T.alloc_shared([block_N], accum)
            delta = T.alloc_shared([block_N], accum)
            do = T.alloc_shared([block_N, dim], dtype)
            dv = T.alloc_fragment([block_M, dim], accum)
            dk = T.alloc_fragment([block_M, dim], accum)
            dq = T.alloc_fragment([block_N, dim], accum)
            dv_shared = T.alloc_shared([block_M, dim], dtype)
            dk_shared = T.alloc_shared([block_M, dim], dtype)
            T.annotate_layout(
                {
                    K_shared: tilelang.layout.make_swizzled_layout(K_shared),
                    dv_shared: tilelang.layout.make_swizzled_layout(dv_shared),
                    dk_shared: tilelang.layout.make_swizzled_layout(dk_shared),
                }
            )
            if permuted:
                T.annotate_layout({dQ: make_dq_layout(dQ)})
            T.copy(K[bz, by * block_M : (by + 1) * block_M, bx // groups, :], K_shared)
            T.copy(V[bz, by * block_M : (by + 1) * block_M, bx // groups, :], V_shared)
            T.clear(dv)
            T.clear(dk)
            loop_st = T.floordiv(by * block_M, block_N) if causal else 0
            loop_ed = T.ceildiv(length, block_N)
            for k in T.Pipelined(loop_st, loop_ed, num_stages=stages):
                T.copy(Q[bz, k * block_N : (k + 1) * block_N, bx, :], q)
                T.clear(qkT)
                T.gemm(K_shared, q, qkT, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(lse[bz, bx, k * block_N : (k + 1) * block_N], lse_shared)
                for i, j in T.Parallel(block_M, block_N):
                    qkT[i, j] = T.exp2(qkT[i, j] * scale - lse_shared[j])
                if causal:
                    for i, j in T.Parallel(block_M, block_N):
                        qkT[i, j] = T.if_then_else(by * block_M + i <= k * block_N + j, qkT[i, j], 0)
                T.copy(dO[bz, k * block_N : (k + 1) * block_N, bx, :], do)
                T.clear(dsT)
                T.gemm(V_shared, do, dsT, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(qkT, qkT_cast)
                T.gemm(qkT_cast, do, dv, policy=T.GemmWarpPolicy.FullRow)
                T.copy(Delta[bz, bx, k * block_N : (k + 1) * block_N], delta)
                for i, j in T.Parallel(block_M, block_N):
                    dsT_cast[i, j] = qkT[i, j] * (dsT[i, j] - delta[j]) * sm_scale
                T.gemm(dsT_cast, q, dk, policy=T.GemmWarpPolicy.FullRow)
                T.copy(dsT_cast, dsT_shared)
                T.clear(dq)
                T.gemm(dsT_shared, K_shared, dq, transpose_A=True)
                for i, j in T.Parallel(block_N, dim):
                    if k * block_N + i < length:
                        T.atomic_add(dQ[bz, k * block_N + i, bx, j], dq[i, j])
            T.copy(dv, dv_shared)
            T.copy(dk, dk_shared)
            if groups == 1:
                T.copy(dv_shared, dV[bz, by * block_M : (by + 1) * block_M, bx, :])
                T.copy(dk_shared, dK[bz, by * block_M : (by + 1) * block_M, bx, :])
            else:
                T.copy(dv_shared, dV[bx % groups, bz, by * block_M : (by + 1) * block_M, bx // groups, :])
                T.copy(dk_shared, dK[bx % groups, bz, by * block_M : (by + 1) * block_M, bx // groups, :])

    return main


def reference(q, k, v, do, causal, groups):
    """Gradients by autograd in float64; the lse and the row sums that the forward pass leaves."""
    q, k, v = (x.double().cpu().requires_grad_() for x in (q, k, v))
    kk, vv = (x.transpose(1, 2).repeat_interleave(groups, 1) for x in (k, v))
    x = q.transpose(1, 2) @ kk.mT / math.sqrt(q.shape[-1])
    if causal:
        x = x.masked_fill(torch.ones(x.shape[-2:], dtype=torch.bool).triu(1), -torch.inf)
    out = (torch.softmax(x, -1) @ vv).transpose(1, 2)
    out.backward(do.double().cpu())
    return out.detach(), (torch.logsumexp(x, -1) * math.log2(math.e)).detach(), q.grad, k.grad, v.grad


@pytest.mark.parametrize(
    "causal, groups, length, dim, tile, permuted",
    [
        (False, 1, 128, 64, (64, 64), True),
        (True, 1, 128, 64, (64, 32), True),
        (True, 2, 128, 64, (64, 64), False),
        (False, 2, 72, 32, (32, 64), False),
    ],
)
def test_backward(causal, groups, length, dim, tile, permuted, device):
    batch, heads = 1, 2
    q, do = (random((batch, length, heads, dim), "float16", device) for _ in range(2))
    k, v = (random((batch, length, heads // groups, dim), "float16", device) for _ in range(2))
    out, lse, dq, dk, dv = reference(q, k, v, do, causal, groups)
    o = out.half().contiguous().to(device)
    delta = run(row_sums(batch, heads, length, dim), [o, do], ((batch, heads, length), "float32"), device=device)
    products = o.double() * do.double()
    assert_close(delta, products.sum(-1).transpose(1, 2), scale=products.abs().sum(-1).transpose(1, 2), terms=dim)
    sums = torch.zeros((batch, length, heads, dim), dtype=torch.float32, device=device)
    shape = (batch, length, heads // groups, dim) if groups == 1 else (groups, batch, length, heads // groups, dim)
    program = gradients(batch, heads, groups, length, dim, causal, *tile, permuted=permuted)
    got_dk, got_dv = run(
        program,
        [q, k, v, do, lse.float().to(device), delta, sums],
        (shape, "float16"),
        (shape, "float16"),
        device=device,
        inout=(6,),
    )
    got_dq = run(
        rounded(batch, heads, length, dim, permuted=permuted), [sums], ((batch, length, heads, dim), "float16"), device=device
    )
    if groups > 1:
        got_dk, got_dv = got_dk.double().sum(0), got_dv.double().sum(0)
    for got, want in ((got_dq, dq), (got_dk, dk), (got_dv, dv)):
        assert_close(got.half(), want, scale=want.abs().mean() * 4, arithmetic="float16")
