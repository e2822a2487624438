"""do_bench and the spread of its times; nothing here depends on how fast this machine is."""

from __future__ import annotations

import time

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import UnavailableError, UnsupportedError
from tilelang.profiler import Timing, do_bench, time_calls


def test_counts_modes_and_quantiles(device):
    calls = []
    timing = time_calls(lambda: calls.append(1), n_warmup=3, n_repeat=5)
    assert len(timing.times) == 5 and timing.backend == ("event" if device == "cuda" else "wall") and not timing.stopped
    assert len(do_bench(lambda: None, _n_repeat=9, quantiles=[0.1, 0.5, 0.9])) == 3
    slept = {mode: do_bench(lambda: time.sleep(1e-4), _n_repeat=3, return_mode=mode, backend="wall") for mode in ("min", "max")}
    assert all(0.1 <= time for time in slept.values())


def test_an_estimate_over_the_baseline_stops(device):
    calls = []

    def slow():
        calls.append(1)
        time.sleep(0.002)

    assert time_calls(slow, rep=1000, early_stop_baseline=1.0).stopped
    assert len(calls) == 1 + (2 if device == "cuda" else 1)  # the first, then the estimate: of two calls by events


def test_spread_and_noise():
    steady = Timing([1.0, 1.0, 1.01, 0.99, 1.0] * 20, "event")
    noisy = Timing([0.6, 1.0, 1.5, 0.8, 1.2] * 2, "event")
    assert steady.spread < 0.02 < noisy.spread and steady.median == 1.0
    assert not steady.differs_from(noisy) and Timing([1.1] * 50, "event").differs_from(steady)
    assert Timing([3.0, 1.0, 2.0], "wall").quantiles([0.0, 0.25, 0.5, 1.0]) == [1.0, 1.5, 2.0, 3.0]


def test_what_does_not_exist_is_refused():
    with pytest.raises(UnsupportedError, match="msprof"):
        do_bench(lambda: None, backend="msprof")
    with pytest.raises(UnsupportedError, match="mode"):
        do_bench(lambda: None, return_mode="mode")
    if not torch.cuda.is_available():
        with pytest.raises(UnavailableError, match="cupti needs a GPU"):
            do_bench(lambda: None, backend="cupti")


def test_a_kernels_profiler_and_roofline():
    @T.prim_func
    def main(A: T.Tensor((256,), "float32"), B: T.Tensor((256,), "float32")):
        with T.Kernel(4, threads=64) as bx:
            for i in T.Parallel(64):
                B[bx * 64 + i] = A[bx * 64 + i] + 1

    kernel = tilelang.compile(main, out_idx=-1)
    profiler = kernel.get_profiler()
    profiler.assert_allclose(lambda a: a + 1)
    assert profiler.do_bench(n_warmup=1, n_repeat=2) > 0
    assert kernel.roofline().limiter == "memory" and kernel.roofline(latency_ms=1.0).fraction < 1
