"""The benchmark programs, at sizes that the simulator finishes: our own copies always, and the benchmark's file where it is.

The file is found through TILELANG_BENCH (a directory or the file), or as `../shared/bench/programs.py` beside the repository.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import torch
from torch.overrides import TorchFunctionMode

from testing.programs import bench_programs

# What is compiled is what the benchmark compiles (its tiles, stages, threads); only the problem is smaller.
SMALL = {
    "gemm_f16": ("gemm", (128, 256, 192), {}),
    "gemm_f16_nn": ("gemm", (128, 256, 192), {"tb": False}),
    "gemm_f16_ragged": ("gemm", (200, 300, 136), {}),
    "gemm_bf16_s4": ("gemm", (128, 256, 320), {"dtype": "bfloat16", "stages": 4}),
    "gemm_e4m3": ("gemm", (128, 256, 384), {"dtype": "float8_e4m3", "bk": 128, "stages": 4}),
    "gemm_f16_small_tile": ("gemm", (128, 128, 128), {"bm": 64, "bn": 64, "bk": 64, "threads": 128}),
    "attn_d128": ("attention", (1, 1, 256, 128, False), {}),
    "attn_d128_causal": ("attention", (1, 1, 256, 128, True), {}),
    "attn_d64": ("attention", (1, 2, 256, 64, False), {}),
    "attn_d64_causal": ("attention", (2, 1, 256, 64, True), {}),
    "add_f16": ("add", (20000,), {}),
    "add_f16_tiny": ("add", (4096,), {"block": 1024, "threads": 128}),
    "rms_norm_8192": ("rms_norm", (4, 8192), {}),
    "softmax_8192": ("softmax", (4, 8192), {}),
    "dequant_64": ("dequant_gemm", (64, 128, 256), {}),
    "dequant_large_tile": ("dequant_gemm", (256, 128, 128), {"bm": 128, "bn": 128, "bk": 64, "threads": 256}),
}


def benchmark_file() -> Path | None:
    """The benchmark's own programs, or None."""
    given = os.environ.get("TILELANG_BENCH")
    place = Path(given) if given else Path(__file__).resolve().parents[3] / "shared" / "bench"
    place = place / "programs.py" if place.is_dir() else place
    if given and not place.is_file():
        raise FileNotFoundError(f"TILELANG_BENCH={given}: no programs.py there")
    return place if place.is_file() else None


def load(path: Path):
    spec = importlib.util.spec_from_file_location("tilelang_benchmark_programs", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


class OnDevice(TorchFunctionMode):
    """The benchmark writes `device="cuda"`; factories inside of this mode make tensors elsewhere."""

    def __init__(self, device: str) -> None:
        super().__init__()
        self.device = device

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == "cuda":
            kwargs["device"] = self.device
        return function(*args, **kwargs)


def compare(out: torch.Tensor, expected: torch.Tensor, tol: float) -> None:
    out, expected = out.double().cpu(), expected.double().cpu()
    assert out.shape == expected.shape
    error = ((out - expected).abs() / expected.abs().max()).max()
    assert bool(error <= tol), f"the largest error is {error:.3g} of the largest element, allowed {tol}"  # NaN fails as well


@pytest.mark.parametrize("name", SMALL)
def test_own_program(name, device):
    function, args, options = SMALL[name]
    case = getattr(bench_programs, function)(*args, **options)
    inputs = case.inputs(device)
    kernel = case.make()
    for _ in range(2):  # the second call finds what the first one left in memory
        compare(kernel(*inputs), case.ref(*inputs), case.tol)


if benchmark_file() is not None:

    @pytest.mark.parametrize("name", SMALL)
    def test_benchmark_program(name, device):
        """The file's own text, unchanged."""
        function, args, options = SMALL[name]
        case = getattr(load(benchmark_file()), function)(*args, **options)
        with OnDevice(device):
            inputs = case.inputs()
            expected = case.ref(*inputs)
        compare(case.make()(*inputs), expected, case.tol)
