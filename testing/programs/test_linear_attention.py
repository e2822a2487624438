"""Recurrences by chunks: linear attention, retention with decay, the chunk scan and chunk state of Mamba 2."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def linear_attention(batch, length, heads, dim_k, dim_v, chunk=64, block_k=64, block_v=64, dtype="float16"):
    """out_t = scale * q_t @ sum_{s <= t} k_s v_s^T, with the final state; a block owns a block of k and of v."""
    NK, NV, NT = -(-dim_k // block_k), -(-dim_v // block_v), -(-length // chunk)
    scale = dim_k**-0.5
    accum = "float32"

    @T.prim_func
    def main(
        Q: T.Tensor([batch, length, heads, dim_k], dtype),
        K: T.Tensor([batch, length, heads, dim_k], dtype),
        V: T.Tensor([batch, length, heads, dim_v], dtype),
        O: T.Tensor([batch, length, heads, dim_v], accum),
        final_state: T.Tensor([batch, heads, dim_k, dim_v], accum),
    ):
        with T.Kernel(NV, NK, batch * heads, threads=128) as (i_v, i_k, i_bh):
            i_b = i_bh // heads
            i_h = i_bh % heads
            q = T.alloc_shared([chunk, block_k], dtype)
            k = T.alloc_shared([chunk, block_k], dtype)
            v = T.alloc_shared([chunk, block_v], dtype)
            h = T.alloc_fragment([block_k, block_v], accum)
            h_shared = T.alloc_shared([block_k, block_v], dtype)
            s = T.alloc_fragment([chunk, chunk], accum)
            s_shared = T.alloc_shared([chunk, chunk], dtype)
            o = T.alloc_fragment([chunk, block_v], accum)
            o_shared = T.alloc_shared([chunk, block_v], accum)
            T.use_swizzle(10)
            T.clear(h)
            for i in T.Pipelined(0, NT, num_stages=1):
                for row, col in T.Parallel(chunk, block_k):
                    q[row, col] = T.if_then_else(
                        i * chunk + row < length and i_k * block_k + col < dim_k,
                        Q[i_b, i * chunk + row, i_h, i_k * block_k + col] * scale,
                        0,
                    )
                T.copy(K[i_b, i * chunk : (i + 1) * chunk, i_h, i_k * block_k : (i_k + 1) * block_k], k)
                T.copy(V[i_b, i * chunk : (i + 1) * chunk, i_h, i_v * block_v : (i_v + 1) * block_v], v)
                T.gemm(q, k, s, clear_accum=True, transpose_B=True)
                for row, col in T.Parallel(chunk, chunk):
                    s_shared[row, col] = T.if_then_else(row >= col, s[row, col], 0)
                T.gemm(s_shared, v, o, clear_accum=True)
                T.copy(h, h_shared)
                T.gemm(k, v, h, transpose_A=True)
                T.gemm(q, h_shared, o)
                T.copy(o, o_shared)
                T.atomic_add(O[i_b, i * chunk : (i + 1) * chunk, i_h, i_v * block_v : (i_v + 1) * block_v], o_shared)
            T.copy(h, final_state[i_b, i_h, i_k * block_k : (i_k + 1) * block_k, i_v * block_v : (i_v + 1) * block_v])

    return main


@pytest.mark.parametrize("length, dim_k, dim_v", [(128, 64, 64), (128, 128, 64), (100, 64, 96)])
def test_linear_attention(length, dim_k, dim_v, device):
    batch, heads = 1, 2
    q, k = (random((batch, length, heads, dim_k), "float16", device, -1, 1) for _ in range(2))
    v = random((batch, length, heads, dim_v), "float16", device, -1, 1)
    out = torch.zeros((batch, length, heads, dim_v), device=device)
    program = linear_attention(batch, length, heads, dim_k, dim_v)
    state = run(program, [q, k, v, out], ((batch, heads, dim_k, dim_v), "float32"), device=device, inout=(3,))
    qd, kd, vd = (x.double().cpu().transpose(1, 2) for x in (q, k, v))
    scores = (qd @ kd.mT).tril() * dim_k**-0.5
    assert_close(out.transpose(1, 2), scores @ vd, terms=4, scale=scores.abs() @ vd.abs() + 1, arithmetic="float16")
    assert_close(state, kd.mT @ vd, terms=length, scale=kd.mT.abs() @ vd.abs())


def retention(batch, heads, length, dim_qk, dim_v, block_M, block_N, dtype="float16"):
    """Scores times a mask of decays, rows normalised by the larger of their absolute sum and 1."""
    qk_shape, v_shape = [batch, length, heads, dim_qk], [batch, length, heads, dim_v]

    @T.prim_func
    def main(
        Q: T.Tensor(qk_shape, dtype),
        K: T.Tensor(qk_shape, dtype),
        V: T.Tensor(v_shape, dtype),
        mask: T.Tensor([heads, length, length], dtype),
        Output: T.Tensor(v_shape, dtype),
    ):
        with T.Kernel(T.ceildiv(length, block_M), heads, batch, threads=128) as (bx, by, bz):
            Q_shared = T.alloc_shared([block_M, dim_qk], dtype)
            K_shared = T.alloc_shared([block_N, dim_qk], dtype)
            V_shared = T.alloc_shared([block_N, dim_v], dtype)
            mask_shared = T.alloc_shared([block_M, block_N], dtype)
            mask_local = T.alloc_fragment([block_M, block_N], dtype)
            acc_s = T.alloc_fragment([block_M, block_N], "float32")
            acc_s_1 = T.alloc_fragment([block_M, block_N], dtype)
            acc_o = T.alloc_fragment([block_M, dim_v], "float32")
            abs_sum = T.alloc_fragment([block_M], "float32")
            r_wo_clamp = T.alloc_fragment([block_M], "float32")
            r = T.alloc_fragment([block_M], "float32")
            r_new = T.alloc_fragment([block_M], "float32")
            T.copy(Q[bz, bx * block_M : (bx + 1) * block_M, by, :], Q_shared)
            T.fill(r, 0)
            T.fill(r_new, 0)
            T.fill(r_wo_clamp, 0)
            T.fill(acc_o, 0)
            for k in T.Pipelined(T.ceildiv(length, block_N), num_stages=1):
                T.copy(K[bz, k * block_N : (k + 1) * block_N, by, :], K_shared)
                T.clear(acc_s)
                T.gemm(Q_shared, K_shared, acc_s, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(mask[by, bx * block_M : (bx + 1) * block_M, k * block_N : (k + 1) * block_N], mask_shared)
                T.copy(mask_shared, mask_local)
                for i, j in T.Parallel(block_M, block_N):
                    acc_s[i, j] = acc_s[i, j] * mask_local[i, j]
                T.reduce_abssum(acc_s, abs_sum, dim=1)
                for i in T.Parallel(block_M):
                    r_wo_clamp[i] = r_wo_clamp[i] + abs_sum[i]
                for i in T.Parallel(block_M):
                    r_new[i] = T.max(r_wo_clamp[i], 1)
                for i, j in T.Parallel(block_M, dim_v):
                    acc_o[i, j] = T.if_then_else(k > 0, acc_o[i, j] * r[i] / r_new[i], acc_o[i, j])
                T.copy(r_new, r)
                for i, j in T.Parallel(block_M, block_N):
                    acc_s_1[i, j] = acc_s[i, j] / r_new[i]
                T.copy(V[bz, k * block_N : (k + 1) * block_N, by, :], V_shared)
                T.gemm(acc_s_1, V_shared, acc_o, policy=T.GemmWarpPolicy.FullRow)
            T.copy(acc_o, Output[bz, bx * block_M : (bx + 1) * block_M, by, :])

    return main


@pytest.mark.parametrize("length, tile", [(128, (64, 64)), (90, (32, 48))])
def test_retention(length, tile, device):
    batch, heads, dim_qk, dim_v = 1, 2, 64, 80
    q, k = (random((batch, length, heads, dim_qk), "float16", device, -0.5, 0.5) for _ in range(2))
    v = random((batch, length, heads, dim_v), "float16", device)
    steps = torch.arange(length, device=device)
    gamma = torch.tensor([0.9, 0.97], device=device)
    distance = (steps[:, None] - steps[None]).clamp(min=0)
    mask = (gamma[:, None, None] ** distance).tril().half()
    out = run(retention(batch, heads, length, dim_qk, dim_v, *tile), [q, k, v, mask], (v.shape, "float16"), device=device)
    qd, kd, vd = (x.double().cpu().transpose(1, 2) for x in (q, k, v))
    s = (qd @ kd.mT) * mask.double().cpu()
    s = s / s.abs().sum(-1, keepdim=True).clamp(min=1)
    assert_close(out.transpose(1, 2), s @ vd, terms=2, scale=s.abs() @ vd.abs(), arithmetic="float16")


def chunk_scan(batch, length, chunk, groups, heads, headdim, dstate, block_M, block_N, block_K, block_D, stages, dtype="float16"):
    """Mamba 2: the contribution of a chunk's start state plus that inside the chunk, with decays from cumulative sums."""
    nchunks = length // chunk
    p = 1.44269504

    @T.prim_func
    def main(
        cb: T.Tensor((batch, nchunks, groups, chunk, chunk), dtype),
        x: T.Tensor((batch, length, heads, headdim), dtype),
        dt: T.Tensor((batch, heads, nchunks, chunk), dtype),
        dA_cumsum: T.Tensor((batch, heads, nchunks, chunk), dtype),
        C: T.Tensor((batch, length, groups, dstate), dtype),
        prev_states: T.Tensor((batch, nchunks, heads, headdim, dstate), dtype),
        D: T.Tensor((heads,), dtype),
        Output: T.Tensor((batch, length, heads, headdim), dtype),
    ):
        with T.Kernel(heads, T.ceildiv(chunk, block_M) * T.ceildiv(headdim, block_N), batch * nchunks, threads=128) as (
            bz,
            bx,
            by,
        ):
            acc_o = T.alloc_fragment((block_M, block_N), "float32")
            cb_shared = T.alloc_shared((block_M, block_K), dtype, scope="shared.dyn")
            cb_local = T.alloc_fragment((block_M, block_K), dtype)
            dA_cs_k_shared = T.alloc_shared((block_K), dtype, scope="shared")
            dA_cs_k_local = T.alloc_fragment((block_K), "float32")
            dA_cs_m_local = T.alloc_fragment((block_M), "float32")
            dt_shared = T.alloc_shared((block_K), dtype, scope="shared")
            dt_local = T.alloc_fragment((block_K), "float32")
            x_shared = T.alloc_shared((block_K, block_N), dtype, scope="shared.dyn")
            dA_cs_m_shared = T.alloc_shared((block_M), dtype, scope="shared")
            scale_m_local = T.alloc_fragment((block_M), "float32")
            C_shared = T.alloc_shared((block_M, block_D), dtype)
            prev_state_shared = T.alloc_shared((block_N, block_D), dtype)
            D_local = T.alloc_fragment((1), "float32")
            x_residual_shared = T.alloc_shared((block_M, block_N), dtype, scope="shared.dyn")
            x_residual_local = T.alloc_fragment((block_M, block_N), "float32")

            batch_idx = by % batch
            chunk_idx = by // batch
            m_idx = bx // T.ceildiv(headdim, block_N)
            n_idx = bx % T.ceildiv(headdim, block_N)

            T.copy(dA_cumsum[batch_idx, bz, chunk_idx, m_idx * block_M : (m_idx + 1) * block_M], dA_cs_m_shared)
            T.copy(dA_cs_m_shared, dA_cs_m_local)
            T.clear(acc_o)
            for i in T.Parallel(block_M):
                scale_m_local[i] = T.exp2(dA_cs_m_local[i] * p)
            T.copy(
                C[
                    batch_idx,
                    chunk_idx * chunk + m_idx * block_M : chunk_idx * chunk + (m_idx + 1) * block_M,
                    bz // (heads // groups),
                    0:block_D,
                ],
                C_shared,
            )
            T.copy(prev_states[batch_idx, chunk_idx, bz, n_idx * block_N : (n_idx + 1) * block_N, 0:block_D], prev_state_shared)
            T.gemm(C_shared, prev_state_shared, acc_o, transpose_B=True)
            for i, j in T.Parallel(block_M, block_N):
                acc_o[i, j] *= scale_m_local[i]
            loop_range = T.ceildiv((m_idx + 1) * block_M, block_K)
            for k in T.Pipelined(loop_range, num_stages=stages):
                T.copy(
                    cb[
                        batch_idx,
                        chunk_idx,
                        bz // (heads // groups),
                        m_idx * block_M : (m_idx + 1) * block_M,
                        k * block_K : (k + 1) * block_K,
                    ],
                    cb_shared,
                )
                T.copy(cb_shared, cb_local)
                T.copy(dA_cumsum[batch_idx, bz, chunk_idx, k * block_K : (k + 1) * block_K], dA_cs_k_shared)
                T.copy(dA_cs_k_shared, dA_cs_k_local)
                for i, j in T.Parallel(block_M, block_K):
                    cb_local[i, j] = cb_local[i, j] * T.exp2(dA_cs_m_local[i] * p - dA_cs_k_local[j] * p)
                T.copy(dt[batch_idx, bz, chunk_idx, k * block_K : (k + 1) * block_K], dt_shared)
                T.copy(dt_shared, dt_local)
                for i, j in T.Parallel(block_M, block_K):
                    cb_local[i, j] *= dt_local[j]
                for i, j in T.Parallel(block_M, block_K):
                    cb_local[i, j] = T.if_then_else(m_idx * block_M + i >= k * block_K + j, cb_local[i, j], 0)
                T.copy(
                    x[
                        batch_idx,
                        chunk_idx * chunk + k * block_K : chunk_idx * chunk + (k + 1) * block_K,
                        bz,
                        n_idx * block_N : (n_idx + 1) * block_N,
                    ],
                    x_shared,
                )
                T.gemm(cb_local, x_shared, acc_o)
            D_local[0] = D[bz]
            T.copy(
                x[
                    batch_idx,
                    chunk_idx * chunk + m_idx * block_M : chunk_idx * chunk + (m_idx + 1) * block_M,
                    bz,
                    n_idx * block_N : (n_idx + 1) * block_N,
                ],
                x_residual_shared,
            )
            T.copy(x_residual_shared, x_residual_local)
            for i, j in T.Parallel(block_M, block_N):
                acc_o[i, j] += x_residual_local[i, j] * D_local[0]
            T.copy(
                acc_o,
                Output[
                    batch_idx,
                    chunk_idx * chunk + m_idx * block_M : chunk_idx * chunk + (m_idx + 1) * block_M,
                    bz,
                    n_idx * block_N : (n_idx + 1) * block_N,
                ],
            )

    return main


@pytest.mark.parametrize("tile, stages", [((64, 64, 64), 2), ((32, 48, 32), 1)])
def test_chunk_scan(tile, stages, device):
    batch, length, chunk, groups, heads, headdim, dstate = 1, 256, 128, 1, 2, 64, 64
    nchunks = length // chunk
    cb = random((batch, nchunks, groups, chunk, chunk), "float16", device, -0.5, 0.5)
    x = random((batch, length, heads, headdim), "float16", device)
    dt = random((batch, heads, nchunks, chunk), "float16", device, 0, 1)
    decays = -torch.rand((batch, heads, nchunks, chunk), device=device) * 0.05
    dA = decays.cumsum(-1).half()
    C = random((batch, length, groups, dstate), "float16", device, -0.5, 0.5)
    states = random((batch, nchunks, heads, headdim, dstate), "float16", device)
    D = random((heads,), "float16", device)
    program = chunk_scan(batch, length, chunk, groups, heads, headdim, dstate, *tile, dstate, stages)
    out = run(program, [cb, x, dt, dA, C, states, D], ((batch, length, heads, headdim), "float16"), device=device)
    cbd, xd, dtd, dAd, Cd, sd, Dd = (t.double().cpu() for t in (cb, x, dt, dA, C, states, D))
    xc = xd.view(batch, nchunks, chunk, heads, headdim)
    Cc = Cd.view(batch, nchunks, chunk, groups, dstate).repeat_interleave(heads // groups, 3)
    dA_l = dAd.permute(0, 2, 1, 3)  # b c h l
    weight = cbd.repeat_interleave(heads // groups, 2) * (dA_l[..., :, None] - dA_l[..., None, :]).exp().tril()
    weight = weight.tril() * dtd.permute(0, 2, 1, 3)[..., None, :]
    inside = torch.einsum("bchls,bcshp->bclhp", weight, xc)
    before = torch.einsum("bclhn,bchpn->bclhp", Cc, sd) * dA_l.exp().permute(0, 1, 3, 2)[..., None]
    expected = (inside + before).reshape(out.shape) + xd * Dd[None, None, :, None]
    scale = torch.einsum("bchls,bcshp->bclhp", weight.abs(), xc.abs()).reshape(out.shape) + expected.abs() + 4
    assert_close(out, expected, scale=scale, arithmetic="float16")


def chunk_state(batch, length, chunk, groups, heads, headdim, dstate, block_M, block_N, block_K, stages, dtype="float16"):
    nchunks = length // chunk
    p = 1.44269504

    @T.prim_func
    def main(
        B: T.Tensor((batch, length, groups, dstate), dtype),
        x: T.Tensor((batch, length, heads, headdim), dtype),
        dt: T.Tensor((batch, heads, nchunks, chunk), dtype),
        dA_cumsum: T.Tensor((batch, heads, nchunks, chunk), dtype),
        Output: T.Tensor((batch, nchunks, heads, headdim, dstate), dtype),
    ):
        with T.Kernel(heads, T.ceildiv(headdim, block_M) * T.ceildiv(dstate, block_N), batch * nchunks, threads=128) as (
            bz,
            bx,
            by,
        ):
            x_shared = T.alloc_shared((block_K, block_M), dtype)
            x_local = T.alloc_fragment((block_K, block_M), dtype)
            xt_local = T.alloc_fragment((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), dtype)
            dt_shared = T.alloc_shared((block_K), dtype)
            dA_cumsum_shared = T.alloc_shared((block_K), dtype)
            acc_o = T.alloc_fragment((block_M, block_N), "float32")
            scale = T.alloc_fragment((block_K), "float32")
            dA_cs_last = T.alloc_fragment((1), "float32")
            dA_cumsum_local = T.alloc_fragment((block_K), "float32")
            dt_local = T.alloc_fragment((block_K), "float32")
            batch_idx = by % batch
            chunk_idx = by // batch
            m_idx = bx // T.ceildiv(dstate, block_N)
            n_idx = bx % T.ceildiv(dstate, block_N)
            dA_cs_last[0] = dA_cumsum[batch_idx, bz, chunk_idx, chunk - 1]
            T.clear(acc_o)
            for k in T.Pipelined(T.ceildiv(chunk, block_K), num_stages=stages):
                T.copy(
                    x[
                        batch_idx,
                        chunk_idx * chunk + k * block_K : chunk_idx * chunk + (k + 1) * block_K,
                        bz,
                        m_idx * block_M : (m_idx + 1) * block_M,
                    ],
                    x_shared,
                )
                T.copy(dA_cumsum[batch_idx, bz, chunk_idx, k * block_K : (k + 1) * block_K], dA_cumsum_shared)
                T.copy(dt[batch_idx, bz, chunk_idx, k * block_K : (k + 1) * block_K], dt_shared)
                T.copy(dA_cumsum_shared, dA_cumsum_local)
                T.copy(dt_shared, dt_local)
                for i in T.Parallel(block_K):
                    scale[i] = T.exp2(dA_cs_last[0] * p - dA_cumsum_local[i] * p) * dt_local[i]
                T.copy(x_shared, x_local)
                for i, j in T.Parallel(block_M, block_K):
                    xt_local[i, j] = x_local[j, i] * scale[j]
                T.copy(
                    B[
                        batch_idx,
                        chunk_idx * chunk + k * block_K : chunk_idx * chunk + (k + 1) * block_K,
                        bz // (heads // groups),
                        n_idx * block_N : (n_idx + 1) * block_N,
                    ],
                    B_shared,
                )
                T.gemm(xt_local, B_shared, acc_o)
            T.copy(
                acc_o,
                Output[
                    batch_idx,
                    chunk_idx,
                    bz,
                    m_idx * block_M : (m_idx + 1) * block_M,
                    n_idx * block_N : (n_idx + 1) * block_N,
                ],
            )

    return main


@pytest.mark.parametrize("tile, stages", [((64, 64, 32), 2), ((32, 48, 64), 1)])
def test_chunk_state(tile, stages, device):
    batch, length, chunk, groups, heads, headdim, dstate = 1, 128, 64, 1, 2, 64, 96
    nchunks = length // chunk
    B = random((batch, length, groups, dstate), "float16", device)
    x = random((batch, length, heads, headdim), "float16", device)
    dt = random((batch, heads, nchunks, chunk), "float16", device, 0, 1)
    dA = (-torch.rand((batch, heads, nchunks, chunk), device=device) * 0.1).cumsum(-1).half()
    program = chunk_state(batch, length, chunk, groups, heads, headdim, dstate, *tile, stages)
    out = run(program, [B, x, dt, dA], ((batch, nchunks, heads, headdim, dstate), "float16"), device=device)
    Bc = B.double().cpu().view(batch, nchunks, chunk, groups, dstate).repeat_interleave(heads, 3)
    xc = x.double().cpu().view(batch, nchunks, chunk, heads, headdim)
    dAd, dtd = dA.double().cpu().permute(0, 2, 3, 1), dt.double().cpu().permute(0, 2, 3, 1)
    weight = (dAd[:, :, -1:] - dAd).exp() * dtd
    expected = torch.einsum("bclhn,bclh,bclhp->bchpn", Bc, weight, xc)
    scale = torch.einsum("bclhn,bclh,bclhp->bchpn", Bc.abs(), weight, xc.abs())
    assert_close(out, expected, scale=scale, arithmetic="float16")


def gated_output(B, S, H, D, chunk, dtype="bfloat16"):
    """The output of a gated delta rule's chunk: what the state gives, decayed, and the chunk's own masked part."""

    @T.prim_func
    def main(
        Q: T.Tensor((B, S, H, D), dtype),
        K: T.Tensor((B, S, H, D), dtype),
        V: T.Tensor((B, S, H, D), dtype),
        States: T.Tensor((B, S // chunk, H, D, D), dtype),
        G: T.Tensor((B, S, H), "float32"),
        O: T.Tensor((B, S, H, D), dtype),
    ):
        with T.Kernel(S // chunk, B * H, threads=128) as (c, bh):
            b, h = bh // H, bh % H
            Qs, Ks, Vs = (T.alloc_shared((chunk, D), dtype) for _ in range(3))
            Hs, As, Os = T.alloc_shared((D, D), dtype), T.alloc_shared((chunk, chunk), dtype), T.alloc_shared((chunk, D), dtype)
            gate = T.alloc_shared((chunk,), "float32", scope="shared")
            a, o = T.alloc_fragment((chunk, chunk), "float32"), T.alloc_fragment((chunk, D), "float32")
            decay = T.alloc_fragment((chunk, chunk), "float32")
            T.disable_warp_group_reg_alloc()
            T.clear(a)
            T.clear(o)
            T.copy(Q[b, c * chunk : (c + 1) * chunk, h, :], Qs)
            T.copy(K[b, c * chunk : (c + 1) * chunk, h, :], Ks)
            T.copy(States[b, c, h, :, :], Hs)
            T.gemm(Qs, Hs, o)
            T.gemm(Qs, Ks, a, transpose_B=True)
            for i in T.Parallel(chunk):
                gate[i] = G[b, c * chunk + i, h]
            for i, d in T.Parallel(chunk, D):
                o[i, d] = o[i, d] * T.exp(gate[i])
            for i, j in T.Parallel(chunk, chunk):
                decay[i, j] = gate[i] - gate[j]
            for i, j in T.Parallel(chunk, chunk):
                with T.If(decay[i, j] <= 0):
                    with T.Then():
                        a[i, j] = a[i, j] * T.exp(decay[i, j])
                    with T.Else():
                        a[i, j] = 0
            for i, j in T.Parallel(chunk, chunk):
                with T.If(i < j):
                    with T.Then():
                        a[i, j] = 0
            T.copy(V[b, c * chunk : (c + 1) * chunk, h, :], Vs)
            T.copy(a, As)
            T.gemm(As, Vs, o)
            T.copy(o, Os)
            T.copy(Os, O[b, c * chunk : (c + 1) * chunk, h, :])

    return main


def test_gated_output(device):
    B, S, H, D, chunk = 1, 128, 2, 64, 64
    q, k, v = (random((B, S, H, D), "bfloat16", device) for _ in range(3))
    states = random((B, S // chunk, H, D, D), "bfloat16", device)
    gate = -torch.rand((B, S // chunk, chunk, H), device=device).cumsum(2).reshape(B, S, H) / 10
    out = run(gated_output(B, S, H, D, chunk), [q, k, v, states, gate], ((B, S, H, D), "bfloat16"), device=device)

    def chunks(x):
        return x.double().reshape(B, S // chunk, chunk, H, -1).transpose(2, 3)

    cq, ck, cv, g = chunks(q), chunks(k), chunks(v), chunks(gate)
    weights = (cq @ ck.mT * torch.exp((g - g.mT).clamp(max=0))).tril()
    expected = (cq @ states.double()) * g.exp() + weights @ cv
    torch.testing.assert_close(chunks(out), expected, rtol=3e-2, atol=3e-2 * expected.abs().max().item())
