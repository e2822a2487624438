"""Warpgroups that take turns at the tensor cores: the same numbers, and nothing left hanging."""

from __future__ import annotations

import pytest
import torch

import tilelang

from .test_persistent import attention
from .test_tma import HOPPER


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("bm, threads", [(128, 256), (192, 384)])
def test_turns_change_no_result(causal, bm, threads):
    heads, length = 3, 500
    q, k, v = (torch.randn(heads, length, 128).half() for _ in range(3))
    program = attention(heads, length, 128, causal, bm, 64, threads)
    results = []
    for wanted in (True, False):
        configs = {"tl.enable_ping_pong": wanted}
        kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs)
        out = torch.full(q.shape, float("nan")).half()
        kernel(q, k, v, out)
        results.append(out)
        assert any("take turns" in r.text for r in kernel.remarks) == wanted
    assert torch.equal(results[0], results[1])
    expected = torch.nn.functional.scaled_dot_product_attention(q.float(), k.float(), v.float(), is_causal=causal)
    torch.testing.assert_close(results[0].float(), expected, rtol=2e-2, atol=4e-3)


def test_no_defects_are_found():
    q, k, v = (torch.randn(2, 256, 64).half() for _ in range(3))
    program, configs = attention(2, 256, 64, True, 192, 64, 384), {"tl.enable_ping_pong": True}
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs)
    assert any("take turns" in r.text for r in kernel.remarks)
    report = kernel.check(q, k, v, torch.empty_like(q), schedules=4)
    assert not report.findings, report
