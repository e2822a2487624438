"""Mixture of experts: tokens sorted by expert, gathered rows of A, two grouped products and a weighted scatter."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random


def gate_up(tokens, hidden, inter, experts, slots, blocks, bm, bn, bk, dtype="float16"):
    @T.prim_func
    def main(
        X: T.Tensor((tokens, hidden), dtype),
        W_gate: T.Tensor((experts, inter, hidden), dtype),
        W_up: T.Tensor((experts, inter, hidden), dtype),
        sorted_token: T.Tensor((slots,), "int32"),
        block_expert: T.Tensor((blocks,), "int32"),
        H: T.Tensor((slots, inter), dtype),
    ):
        with T.Kernel(blocks, T.ceildiv(inter, bn), threads=128) as (bx, by):
            X_shared = T.alloc_shared((bm, bk), dtype)
            G_shared = T.alloc_shared((bn, bk), dtype)
            U_shared = T.alloc_shared((bn, bk), dtype)
            gate = T.alloc_fragment((bm, bn), "float32")
            up = T.alloc_fragment((bm, bn), "float32")
            expert = block_expert[bx]
            T.use_swizzle(4)
            T.clear(gate)
            T.clear(up)
            for k in T.Pipelined(T.ceildiv(hidden, bk), num_stages=1):
                for i, j in T.Parallel(bm, bk):
                    token = sorted_token[bx * bm + i]
                    X_shared[i, j] = T.if_then_else(token >= 0 and k * bk + j < hidden, X[token, k * bk + j], 0)
                T.copy(W_gate[expert, by * bn : (by + 1) * bn, k * bk : (k + 1) * bk], G_shared)
                T.copy(W_up[expert, by * bn : (by + 1) * bn, k * bk : (k + 1) * bk], U_shared)
                T.gemm(X_shared, G_shared, gate, transpose_B=True)
                T.gemm(X_shared, U_shared, up, transpose_B=True)
            for i, j in T.Parallel(bm, bn):
                gate[i, j] = gate[i, j] * T.sigmoid(gate[i, j])
                up[i, j] = up[i, j] * gate[i, j]
            T.copy(up, H[bx * bm : (bx + 1) * bm, by * bn : (by + 1) * bn])

    return main


def down(tokens, hidden, inter, experts, slots, blocks, bm, bn, bk, dtype="float16"):
    @T.prim_func
    def main(
        H: T.Tensor((slots, inter), dtype),
        W_down: T.Tensor((experts, hidden, inter), dtype),
        weights: T.Tensor((slots,), "float32"),
        sorted_token: T.Tensor((slots,), "int32"),
        block_expert: T.Tensor((blocks,), "int32"),
        Y: T.Tensor((tokens, hidden), "float32"),
    ):
        with T.Kernel(blocks, T.ceildiv(hidden, bn), threads=128) as (bx, by):
            H_shared = T.alloc_shared((bm, bk), dtype)
            W_shared = T.alloc_shared((bn, bk), dtype)
            acc = T.alloc_fragment((bm, bn), "float32")
            expert = T.alloc_local([1], "int32")
            expert[0] = block_expert[bx]
            T.clear(acc)
            for k in T.Pipelined(T.ceildiv(inter, bk), num_stages=2):
                T.copy(H[bx * bm : (bx + 1) * bm, k * bk : (k + 1) * bk], H_shared)
                T.copy(W_down[expert[0], by * bn : (by + 1) * bn, k * bk : (k + 1) * bk], W_shared)
                T.gemm(H_shared, W_shared, acc, transpose_B=True)
            for i, j in T.Parallel(bm, bn):
                if sorted_token[bx * bm + i] >= 0 and by * bn + j < hidden:
                    T.atomic_add(Y[sorted_token[bx * bm + i], by * bn + j], acc[i, j] * weights[bx * bm + i])

    return main


def sort_tokens(chosen, experts, bm):
    """Slots in order of experts, each expert padded to blocks of bm; -1 is padding."""
    token, weight_at, expert_of = [], [], []
    for e in range(experts):
        mine = (chosen == e).nonzero().tolist()
        padding = -len(mine) % bm
        token += [t for t, _ in mine] + [-1] * padding
        weight_at += [tuple(x) for x in mine] + [None] * padding
        expert_of += [e] * ((len(mine) + padding) // bm)
    return token, weight_at, expert_of


@pytest.mark.parametrize("tokens, hidden, inter", [(50, 64, 64), (37, 72, 100)])
def test_fused_experts(tokens, hidden, inter, device):
    experts, topk, bm, bn, bk = 4, 2, 32, 64, 32
    x = random((tokens, hidden), "float16", device)
    wg, wu = (random((experts, inter, hidden), "float16", device, -0.2, 0.2) for _ in range(2))
    wd = random((experts, hidden, inter), "float16", device, -0.2, 0.2)
    routing = torch.rand(tokens, experts).softmax(-1)
    weight, chosen = routing.topk(topk)
    token, at, expert_of = sort_tokens(chosen, experts, bm)
    slots, blocks = len(token), len(expert_of)
    slot_weight = torch.tensor([0.0 if p is None else float(weight[p]) for p in at], device=device)
    token_t = torch.tensor(token, dtype=torch.int32, device=device)
    expert_t = torch.tensor(expert_of, dtype=torch.int32, device=device)
    sizes = (tokens, hidden, inter, experts, slots, blocks, bm, bn, bk)
    h = run(gate_up(*sizes), [x, wg, wu, token_t, expert_t], ((slots, inter), "float16"), device=device)
    y = torch.zeros((tokens, hidden), device=device)
    run(down(*sizes), [h, wd, slot_weight, token_t, expert_t, y], device=device, inout=(5,))
    expected = torch.zeros(tokens, hidden, dtype=torch.float64)
    scale = torch.zeros_like(expected)
    xd = x.double().cpu()
    for e in range(experts):
        g, u, d = (w[e].double().cpu() for w in (wg, wu, wd))
        inner = (torch.nn.functional.silu(xd @ g.T) * (xd @ u.T)).half().double()
        share = torch.where(chosen == e, weight, 0).sum(1).double()[:, None]
        expected += share * (inner @ d.T)
        scale += share * (inner.abs() @ d.abs().T)
    assert_close(y, expected, dtype="float16", terms=4, scale=scale, arithmetic="float16")
