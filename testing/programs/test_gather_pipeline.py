"""Pipelined loops whose tiles are gathered, padded or shifted by T.Parallel: the loads run ahead as copies do."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import tilelang
import tilelang.language as T
from testing.programs.launch import run, runnable
from testing.programs.reference import assert_close, random

TARGETS = [{"kind": "cuda", "arch": "sm_80"}, {"kind": "cuda", "arch": "sm_90a"}]


def gathered_scores(S, N, D, top, block, H, stages, dtype):
    """Scores of each query's own keys: rows of K by a table in global memory, holes where an entry is negative."""

    @T.prim_func
    def main(
        Q: T.Tensor((S, H, D), dtype),
        K: T.Tensor((N, D), dtype),
        rows: T.Tensor((S, top), "int32"),
        O: T.Tensor((S, H, top), "float32"),
    ):
        with T.Kernel(S, threads=128) as bx:
            Q_s = T.alloc_shared((H, D), dtype)
            K_s = T.alloc_shared((block, D), dtype)
            acc = T.alloc_fragment((H, block), "float32")
            T.copy(Q[bx, 0, 0], Q_s)
            for k in T.Pipelined(T.ceildiv(top, block), num_stages=stages):
                for i, d in T.Parallel(block, D):
                    K_s[i, d] = T.if_then_else(rows[bx, k * block + i] >= 0, K[rows[bx, k * block + i], d], 0)
                T.gemm(Q_s, K_s, acc, transpose_B=True, clear_accum=True)
                T.copy(acc, O[bx, 0, k * block])

    return main


@pytest.mark.parametrize("target", TARGETS, ids=["sm_80", "sm_90a"])
@pytest.mark.parametrize("stages, dtype", [(1, "float16"), (2, "bfloat16"), (3, "float16")])
def test_rows_of_a_table(target, stages, dtype, device):
    S, N, D, top, H = 3, 100, 64, 72, 64
    q, k = random((S, H, D), dtype, device), random((N, D), dtype, device)
    rows = torch.randint(-1, N, (S, top), dtype=torch.int32, device=device)
    program = gathered_scores(S, N, D, top, 32, H, stages, dtype)
    assert "copies K_s from K by cp.async, 16 bytes at a time" in str(tilelang.compile(program, target=target).remarks)
    out = run(program, [q, k, rows], ((S, H, top), "float32"), device=device, target=target)
    gathered = k.double()[rows.clamp(min=0).long()] * (rows >= 0).unsqueeze(-1)
    expected, scale = (torch.einsum("shd,std->sht", f(q.double()), f(gathered)) for f in (torch.clone, torch.abs))
    assert_close(out, expected, terms=D, scale=scale)


def convolution(N, C, H, W, filters, kernel, stride, pad, bm, bn, bk, stages, threads=128):
    """An image's patches as rows of a matrix; the patch that an element belongs to follows from its column."""
    OH, OW = (H + 2 * pad - kernel) // stride + 1, (W + 2 * pad - kernel) // stride + 1

    @T.prim_func
    def main(
        data: T.Tensor((N, H, W, C), "float16"), weight: T.Tensor((kernel, kernel, C, filters), "float16"),
        out: T.Tensor((N, OH, OW, filters), "float16"),
    ):  # fmt: skip
        with T.Kernel(T.ceildiv(filters, bn), T.ceildiv(N * OH * OW, bm), threads=threads) as (bx, by):
            data_s = T.alloc_shared((bm, bk), "float16")
            weight_s = T.alloc_shared((bk, bn), "float16")
            acc = T.alloc_fragment((bm, bn), "float32")
            flat_weight = T.reshape(weight, (kernel * kernel * C, filters))
            flat_out = T.reshape(out, (N * OH * OW, filters))
            T.clear(acc)
            for step in T.Pipelined(T.ceildiv(kernel * kernel * C, bk), num_stages=stages):
                for i, j in T.Parallel(bm, bk):
                    k = step * bk + j
                    m = by * bm + i
                    y = m % (OH * OW) // OW * stride + k // (kernel * C) - pad
                    x = m % OW * stride + k // C % kernel - pad
                    inside = (y >= 0) and (x >= 0) and (y < H) and (x < W)
                    data_s[i, j] = T.if_then_else(inside, data[m // (OH * OW), y, x, k % C], 0)
                T.copy(flat_weight[step * bk, bx * bn], weight_s)
                T.gemm(data_s, weight_s, acc)
            T.copy(acc, flat_out[by * bm, bx * bn])

    return main


@pytest.mark.parametrize("target", TARGETS, ids=["sm_80", "sm_90a"])
@pytest.mark.parametrize("C, kernel, stride, pad, stages", [(32, 3, 1, 1, 2), (64, 3, 2, 0, 3), (16, 1, 1, 0, 2)])
def test_convolution(C, kernel, stride, pad, stages, target, device):
    N, H, W, filters = 2, 9, 7, 64
    x, w = random((N, H, W, C), "float16", device), random((kernel, kernel, C, filters), "float16", device)
    program = convolution(N, C, H, W, filters, kernel, stride, pad, 64, 64, 32, stages)
    assert "copies data_s from data by cp.async" in str(tilelang.compile(program, target=target).remarks)
    operands = x.double().permute(0, 3, 1, 2), w.double().permute(3, 2, 0, 1)
    convolve = [
        F.conv2d(*(f(o) for o in operands), stride=stride, padding=pad).permute(0, 2, 3, 1) for f in (torch.clone, torch.abs)
    ]
    expected, scale = convolve
    out = run(program, [x, w], (tuple(expected.shape), "float16"), device=device, target=target)
    assert_close(out, expected, terms=C * kernel * kernel, scale=scale)


def grouped_rows(T_, K, N, block, stages, change=False):
    """Tokens of an expert: rows listed in shared memory, which the loop may (`change`) write itself."""

    @T.prim_func
    def main(
        X: T.Tensor((T_, K), "float16"),
        W: T.Tensor((N, K), "float16"),
        rows: T.Tensor((64,), "int32"),
        Y: T.Tensor((64, N), "float32"),
    ):
        with T.Kernel(T.ceildiv(N, 64), threads=128) as bx:
            rows_s = T.alloc_shared((64,), "int32")
            X_s = T.alloc_shared((64, block), "float16")
            W_s = T.alloc_shared((64, block), "float16")
            acc = T.alloc_fragment((64, 64), "float32")
            T.copy(rows, rows_s)
            T.clear(acc)
            for k in T.Pipelined(T.ceildiv(K, block), num_stages=stages):
                if change:
                    T.copy(rows, rows_s)
                for i, j in T.Parallel(64, block):
                    X_s[i, j] = X[rows_s[i], k * block + j]
                T.copy(W[bx * 64, k * block], W_s)
                T.gemm(X_s, W_s, acc, transpose_B=True)
            T.copy(acc, Y[0, bx * 64])

    return main


@pytest.mark.parametrize("target", TARGETS, ids=["sm_80", "sm_90a"])
@pytest.mark.parametrize("change", [False, True])
def test_rows_in_shared_memory(change, target, device):
    x, w = random((50, 144), "float16", device), random((96, 144), "float16", device)
    rows = torch.randint(0, 50, (64,), dtype=torch.int32, device=device)
    program = grouped_rows(50, 144, 96, 32, 3, change)
    assert ("copies X_s from X by cp.async" in str(tilelang.compile(program, target=target).remarks)) is not change
    out = run(program, [x, w, rows], ((64, 96), "float32"), device=device, target=target)
    picked = x.double()[rows.long()]
    assert_close(out, picked @ w.double().T, terms=144, scale=picked.abs() @ w.double().abs().T)


def ragged_keys(S, D, block, stages):
    """A sequence's keys, from a row that is known at run time, zeros behind its end: written with if and else."""

    @T.prim_func
    def main(
        Q: T.Tensor((64, D), "float16"),
        K: T.Tensor((S, D), "float16"),
        ends: T.Tensor((3,), "int32"),
        O: T.Tensor((2, 64, S), "float32"),
    ):
        with T.Kernel(2, threads=256) as sequence:
            Q_s = T.alloc_shared((64, D), "float16")
            K_s = T.alloc_shared((block, D), "float16")
            acc = T.alloc_fragment((64, block), "float32")
            first, count = ends[sequence], ends[sequence + 1] - ends[sequence]
            T.copy(Q, Q_s)
            for k in T.Pipelined(T.ceildiv(count, block), num_stages=stages):
                for i, d in T.Parallel(block, D):
                    if k * block + i < count:
                        K_s[i, d] = K[first + k * block + i, d]
                    else:
                        K_s[i, d] = 0
                T.gemm(Q_s, K_s, acc, transpose_B=True, clear_accum=True)
                T.copy(acc, O[sequence, 0, k * block])

    return main


@pytest.mark.parametrize("target", TARGETS, ids=["sm_80", "sm_90a"])
@pytest.mark.parametrize("stages", [0, 1, 3])
def test_ragged_rows_with_else(stages, target, device):
    q, k = random((64, 96), "float16", device), random((160, 96), "float16", device)
    ends = torch.tensor([0, 90, 160], dtype=torch.int32, device=device)
    program = ragged_keys(160, 96, 64, stages)
    remarks = str(tilelang.compile(program, target=target).remarks)
    assert ("copies K_s from K by cp.async, 16 bytes" if stages else "writes K_s, 16 bytes") in remarks
    out = torch.zeros((2, 64, 160), device=device)
    tilelang.compile(program, target=runnable(target, device))(q, k, ends, out)
    for sequence, (first, end) in enumerate([(0, 90), (90, 160)]):
        expected = q.double() @ k.double()[first:end].T
        torch.testing.assert_close(out[sequence, :, : end - first].double(), expected, rtol=1e-3, atol=1e-2)
        padded = -(-(end - first) // 64) * 64
        assert (out[sequence, :, end - first : padded] == 0).all()


@pytest.mark.parametrize("target", TARGETS, ids=["sm_80", "sm_90a"])
def test_no_races(target):
    program = gathered_scores(2, 40, 64, 72, 32, 64, 3, "float16")
    kernel = tilelang.compile(program, target=target, execution_backend="simulator")
    rows = torch.randint(-1, 40, (2, 72), dtype=torch.int32)
    report = kernel.check(torch.ones(2, 64, 64).half(), torch.ones(40, 64).half(), rows, torch.zeros(2, 64, 72), schedules=3)
    assert not report.findings, str(report)
