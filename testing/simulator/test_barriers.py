"""Barriers, deadlocks and their reports."""

from __future__ import annotations

import numpy as np
import pytest

from tilelang.errors import SimulationError


def test_threads_see_each_others_writes(build, rng):
    text = """#include <tl/core.h>
extern "C" __global__ void k(const int32_t* x, int32_t* y) {
  int32_t* s = reinterpret_cast<int32_t*>(tl::dyn_smem());
  int i = threadIdx.x;
  for (int round = 0; round < 5; ++round) {
    s[i] = x[round * 256 + i];
    tl::sync_threads();
    y[round * 256 + i] = s[255 - i];
    tl::sync_threads();
  }
}
TL_ENTRY(k)"""
    x = rng.integers(0, 1000, (5, 256), dtype=np.int32)
    y = np.full_like(x, -1)
    build(text, "k").launch("k", (1,), (256,), [x, y], shared_bytes=1024)
    assert np.array_equal(y, x[:, ::-1])


def test_missing_barrier_shows(build):
    """Without the barrier, some thread reads poison (0xff bytes), not a plausible value."""
    text = """#include <tl/core.h>
extern "C" __global__ void k(float* y) {
  float* s = reinterpret_cast<float*>(tl::dyn_smem());
  s[threadIdx.x] = 1.0f;
  y[threadIdx.x] = s[255 - threadIdx.x];
}
TL_ENTRY(k)"""
    y = np.zeros(256, np.float32)
    build(text, "k").launch("k", (1,), (256,), [y], shared_bytes=1024)
    assert np.isnan(y).any()


def test_named_barriers_between_groups(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y) {
  int32_t* s = reinterpret_cast<int32_t*>(tl::dyn_smem());
  int i = threadIdx.x;
  if (i < 64) {  // producer: signals, does not wait
    s[i] = i * 3;
    tl::bar_arrive<1>(128);
    tl::bar_sync<2>(64);
    y[i] = s[63 - i];
  } else {
    tl::bar_sync<1>(128);
    y[i] = s[i - 64] + 1;
  }
}
TL_ENTRY(k)"""
    y = np.full(128, -1, np.int32)
    build(text, "k").launch("k", (1,), (128,), [y], shared_bytes=256)
    assert y.tolist() == [(63 - i) * 3 for i in range(64)] + [i * 3 + 1 for i in range(64)]


def test_sync_threads_after_an_exit(build):
    """As on hardware, __syncthreads asks only threads that have not exited."""
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y) {
  if (threadIdx.x >= 100) return;
  tl::sync_threads();
  y[threadIdx.x] = 1;
}
TL_ENTRY(k)"""
    y = np.zeros(128, np.int32)
    build(text, "k").launch("k", (1,), (128,), [y])
    assert y.sum() == 100


def test_deadlock_report_names_every_group(build):
    text = """#include <tl/core.h>
#include <tl/shuffle.h>
extern "C" __global__ void k(float* y) {
  int i = threadIdx.x;
  if (i < 32) {
    tl::sync_threads();
  } else if (i < 40) {
    y[i] = tl::shfl_xor(y[i], 1);
  } else if (i < 64) {
    tl::bar_sync<3>(64);
  } else {
    return;
  }
}
TL_ENTRY(k)"""
    with pytest.raises(SimulationError) as caught:
        build(text, "k").launch("k", (2, 3), (96,), [np.zeros(96, np.float32)])
    error = caught.value
    assert error.message.startswith("deadlock: no thread of block (")
    report = "\n".join(error.notes)
    assert "threads 0-31: wait at barrier 0 (line 6), 32 of 64 threads arrived" in report
    assert "threads 32-39: wait in a shuffle (line 8), 8 of 32 lanes of warp 1 arrived" in report
    assert "threads 40-63: wait at barrier 3 (line 10), 24 of 64 threads arrived" in report
    assert "threads 64-95: exited" in report


def test_counts_that_contradict(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t first, int32_t second) {
  if (threadIdx.x < 32) tl::bar_sync<1>(first);
  else tl::bar_sync<1>(second);
}
TL_ENTRY(k)"""
    module = build(text, "k")
    module.launch("k", (1,), (64,), [64, 64])
    with pytest.raises(SimulationError, match=r"count of 32 \(line 4\) while other threads wait there with 64"):
        module.launch("k", (1,), (64,), [64, 32])
    with pytest.raises(SimulationError, match=r"count of 48 \(line 3\): it must be a multiple of 32"):
        module.launch("k", (1,), (64,), [48, 64])


def test_a_failed_launch_leaves_nothing_behind(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y, int32_t wrong) {
  if (!wrong || threadIdx.x < 7) tl::sync_threads();
  else if (threadIdx.x == 8) tl::bar_sync<1>(64);
  y[threadIdx.x] = 1;
}
TL_ENTRY(k)"""
    module = build(text, "k")
    for _ in range(3):
        with pytest.raises(SimulationError, match="deadlock"):
            module.launch("k", (4,), (64,), [np.zeros(64, np.int32), 1])
        y = np.zeros(64, np.int32)
        module.launch("k", (1,), (64,), [y, 0])
        assert y.sum() == 64
