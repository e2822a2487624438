"""Programs of benchmark/programs that no other test runs: decoding, packed sequences, products split along K; small shapes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

import tilelang
from testing.programs.launch import run
from testing.programs.reference import assert_close, random

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmark"))
try:
    from programs import FAST_MATH, decode, pack, split_gemm, varlen_attention, w4a16
finally:
    sys.path.pop(0)


def attend(q, k, v, causal):
    """(heads, queries, dim) in float64; heads of k and v repeat."""
    k, v = (x.double().repeat_interleave(q.shape[0] // x.shape[0], 0) for x in (k, v))
    s = q.double() @ k.transpose(1, 2) * q.shape[-1] ** -0.5
    if causal:
        s = s.masked_fill(torch.ones(s.shape[1:], device=s.device).triu(1).bool(), float("-inf"))
    return s.softmax(-1) @ v


@pytest.mark.parametrize("B, H, G, S, D, splits", [(1, 8, 8, 512, 64, 2), (2, 4, 1, 256, 128, 1), (2, 6, 3, 384, 64, 3)])
def test_decode(B, H, G, S, D, splits, device):
    q = random((B, H, D), "float16", device)
    k, v = (random((B, S, H // G, D), "float16", device) for _ in range(2))
    outputs = ((B, H, splits, D), "float32"), ((B, H, splits), "float32"), ((B, H, D), "float16")
    got = run(decode(B, H, G, S, D, splits, bn=64), [q, k, v], *outputs, device=device, pass_configs=FAST_MATH)[-1]
    want = torch.stack([attend(q[b][:, None], k[b].transpose(0, 1), v[b].transpose(0, 1), False)[:, 0] for b in range(B)])
    assert_close(got, want, scale=1.0)


@pytest.mark.parametrize("causal", (False, True))
@pytest.mark.parametrize("lengths", [(70, 128, 1), (200, 33)])
def test_packed_attention(lengths, causal, device):
    H, G, D, total = 2, 2, 64, sum(lengths)
    q, k, v = (random((total, h, D), "float16", device) for h in (H, H // G, H // G))
    starts = torch.tensor([0, *torch.tensor(lengths).cumsum(0).tolist()], dtype=torch.int32, device=device)
    program = varlen_attention(len(lengths), H, G, total, D, causal, bm=64, bn=64, threads=128)
    inputs = [q, k, v, starts, max(lengths)]
    got = run(program, inputs, ((total, H, D), "float16"), device=device, pass_configs=FAST_MATH)
    parts = [tuple(x[a:b].transpose(0, 1) for x in (q, k, v)) for a, b in zip(starts.tolist(), starts.tolist()[1:])]
    assert_close(got, torch.cat([attend(*part, causal).transpose(0, 1) for part in parts]), scale=1.0)


@pytest.mark.parametrize(
    "M, N, K, splits, bm, bn", [(16, 96, 512, 2, 16, 64), (64, 128, 768, 3, 64, 64), (37, 80, 512, 4, 64, 64)]
)
def test_products_split_along_k(M, N, K, splits, bm, bn, device):
    a, b = random((M, K), "float16", device), random((N, K), "float16", device)
    got = torch.zeros((M, N), dtype=torch.float32, device=device)
    run(split_gemm(M, N, K, splits, bm, bn), [a, b, got], device=device, inout=(2,))
    assert_close(got, a.double() @ b.double().T, terms=K, scale=a.double().abs() @ b.double().abs().T)


@pytest.mark.parametrize(
    "M, N, K, bm, bn, splits",
    [(100, 128, 192, 64, 128, 1), (16, 128, 256, 16, 64, 2), (1, 128, 512, 8, 128, 4), (50, 64, 640, 64, 64, 2)],
)
def test_weights_of_four_bits_in_registers(M, N, K, bm, bn, splits, device):
    a, codes = random((M, K), "float16", device), torch.randint(0, 16, (N, K), dtype=torch.uint8)
    want, size = (x.double() @ y.double().T for x, y in ((a.cpu(), codes.int() - 8), (a.cpu().abs(), (codes.int() - 8).abs())))
    kernel = tilelang.compile(w4a16(M, N, K, bm, bn, splits, overlap=M <= 64))
    got = run(kernel, [a, pack(codes).to(device)], ((M, N), "float16"), device=device)
    assert_close(got.cpu(), want, terms=K, scale=size, arithmetic="float32")
    if "sm_90" in str(kernel.target):  # blocks of a cluster meet behind the loop: a producer serves it all the same
        source = kernel.get_kernel_source()
        assert "tma load" in str(kernel.remarks) and ("_to_rank" in source) == (splits > 1)
    if device == "cpu":
        report = kernel.check(a, pack(codes), torch.empty(M, N, dtype=torch.float16), schedules=2)
        assert report.ok, str(report)
