"""Hints: they fit the machine, follow the cost model, and name what examples read."""

from __future__ import annotations

import pytest
import torch

import tilelang
from tilelang.carver import (
    CUDA,
    ConvTemplate,
    ElementwiseTemplate,
    FlashAttentionTemplate,
    GEMVTemplate,
    GeneralReductionTemplate,
    MatmulTemplate,
)
from tilelang.carver.arch import CDNA, driver
from tilelang.carver.roller.rasterization import NoRasterization
from tilelang.errors import ArgumentError, UnsupportedError

H100 = CUDA({"kind": "cuda", "arch": "sm_90a"})
A10 = CUDA({"kind": "cuda", "arch": "sm_86"})

TEMPLATES = [
    MatmulTemplate(4096, 4096, 4096),
    MatmulTemplate(17, 300, 64, in_dtype="int8", out_dtype="int32", accum_dtype="int32"),
    GEMVTemplate(4096, 4096),
    ElementwiseTemplate([8, 1000, 77], "float32"),
    GeneralReductionTemplate("SSR", [8, 100, 4096]),
    GeneralReductionTemplate("RS", [4096, 100]),
    FlashAttentionTemplate(4, 16, 128, 2048, 2048, True),
    ConvTemplate(8, 64, 56, 56, 128, 3, 1, 1, 1),
]


@pytest.mark.parametrize("arch", [H100, A10], ids=["H100", "A10"])
@pytest.mark.parametrize("template", TEMPLATES, ids=lambda t: type(t).__name__)
def test_hints_fit_and_are_ranked(template, arch):
    hints = template.with_arch(arch).recommend_hints(topk=10)
    assert 1 <= len(hints) <= 10
    times = [hint.predicted_ms for hint in hints]
    assert times == sorted(times) and times[0] > 0
    for hint in hints:
        launch = template.work(hint).launches[0]
        assert 32 <= hint.threads <= 1024 and launch.pipelined_bytes <= arch.smem_cap and launch.registers <= 255
        if hint.warp:
            rows, columns = (b // w for b, w in zip(hint.block, hint.warp))
            assert rows * columns * 32 == hint.threads


def test_large_multiplies_get_large_tiles_and_small_ones_enough_blocks():
    best = MatmulTemplate(8192, 8192, 8192).with_arch(H100).recommend_hints(5)
    assert all(hint.block[0] * hint.block[1] >= 128 * 128 and hint.pipeline_stage >= 2 for hint in best)
    assert not isinstance(best[0].rasterization_plan, NoRasterization)
    small = MatmulTemplate(512, 512, 4096).with_arch(H100).recommend_hints(1)[0]
    assert small.block[0] * small.block[1] <= 64 * 64
    assert any(hint.block == [128, 256] for hint in MatmulTemplate(4096, 4096, 4096).with_arch(H100).recommend_hints(10))


def test_plain_programs_compute_the_same(device):
    a, b = torch.randn(70, 40, device=device).half(), torch.randn(50, 40, device=device).half()
    kernel = tilelang.compile(MatmulTemplate(70, 50, 40, out_dtype="float32").equivalent_function(), out_idx=-1)
    torch.testing.assert_close(kernel(a, b), a.float() @ b.float().T, rtol=1e-3, atol=1e-3)
    kernel = tilelang.compile(GEMVTemplate(50, 40, out_dtype="float32").equivalent_function(), out_idx=-1)
    torch.testing.assert_close(kernel(a[0].clone(), b), b.float() @ a[0].float(), rtol=1e-3, atol=1e-3)


def test_machines():
    assert H100.compute_max_core == 132 and H100.smem_cap == 227 * 1024 and H100.sm_version == 90
    assert driver.get_num_sms() > 0 and driver.get_l2_cache_size() > 0
    with pytest.raises(UnsupportedError, match="CDNA"):
        CDNA("hip")
    with pytest.raises(ArgumentError, match="with_arch"):
        MatmulTemplate(64, 64, 64).recommend_hints()
    with pytest.raises(ArgumentError, match="structure"):
        GeneralReductionTemplate("SS", [1, 2])
    with pytest.raises(UnsupportedError, match="examples"):
        FlashAttentionTemplate().equivalent_function()
