"""The cost model against published times of an H100 (benchmark/results/README.md, warp specialization)."""

from __future__ import annotations

import pytest

from tilelang.carver import CUDA, FlashAttentionTemplate, MatmulTemplate
from tilelang.carver.hint import Hint
from tilelang.carver.model import predict_ms
from tilelang.profiler.work import LaunchWork, Work

H100 = CUDA({"kind": "cuda", "arch": "sm_90a"})
_LARGE, _SMALL = Hint([128, 256], [64, 64], [64], 3, 256), Hint([64, 64], [16, 64], [64], 3, 128)
_WIDE = Hint([128, 256], [64, 64], [128], 4, 256)


def gemm(size, dtype="float16"):
    return MatmulTemplate(size, size, size, in_dtype=dtype)


def attention(heads, depth, causal):
    return FlashAttentionTemplate(4, heads, depth, 4096, 4096, causal)


def streaming(read, written, operations=0.0):
    """Blocks of 256 threads that read and write `read` and `written` bytes once."""
    launch = LaunchWork(16384, 256, plain_operations=operations, global_read=read, global_written=written, narrowest_row=512)
    return Work([launch], read + written)


PUBLISHED = {
    "gemm_f16_4096": (gemm(4096), _LARGE, 0.187),
    "gemm_f16_8192": (gemm(8192), _LARGE, 1.49),
    "gemm_bf16_8192": (gemm(8192, "bfloat16"), _LARGE, 1.39),
    "gemm_e4m3_8192": (gemm(8192, "float8_e4m3fn"), _WIDE, 0.742),
    "gemm_f16_512": (gemm(512), _SMALL, 0.0031),
    "attn_d128": (attention(16, 128, False), Hint([128, 128], [16, 128], [128], 2, 256), 0.847),
    "attn_d128_causal": (attention(16, 128, True), Hint([128, 128], [16, 128], [128], 2, 256), 0.503),
    "attn_d64": (attention(32, 64, False), Hint([128, 128], [16, 128], [64], 2, 256), 1.129),
    "attn_d64_causal": (attention(32, 64, True), Hint([128, 128], [16, 128], [64], 2, 256), 0.693),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_predictions_are_near_what_was_measured(name):
    template, hint, measured = PUBLISHED[name]
    assert predict_ms(template.work(hint), H100.device) == pytest.approx(measured, rel=0.3)


@pytest.mark.parametrize(
    "read, written, operations, measured",
    [(2**30, 2**29, 2**28, 0.5295), (2**28, 2**28, 4e8, 0.1794), (2**28, 2**28, 8e8, 0.1795)],
    ids=["add_f16_256M", "rms_norm_8192", "softmax_8192"],
)
def test_streams_run_at_what_memory_reaches(read, written, operations, measured):
    assert predict_ms(streaming(read, written, operations), H100.device) == pytest.approx(measured, rel=0.1)


@pytest.mark.parametrize("size", [2048, 4096, 8192])
def test_the_tile_that_was_fastest_is_proposed(size):
    """128 x 256 with steps of 64, three or four stages and two warpgroups: what the published GEMM times were taken with."""
    hints = gemm(size).with_arch(H100).recommend_hints(10)
    assert any(h.block == [128, 256] and h.rstep == [64] and h.pipeline_stage in (3, 4) and h.threads == 256 for h in hints)
