"""Loads, stores, cp.async, and what happens outside of what one owns."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from tilelang.errors import SimulationError


@pytest.mark.parametrize("width", (1, 2, 4, 8, 16, 32))
def test_vector_access(build, rng, width):
    text = "#include <tl/core.h>\n" + "".join(
        f"""extern "C" __global__ void move{b}(const uint8_t* x, uint8_t* y, uint8_t* z) {{
  alignas(16) uint8_t local[{b}], guarded[{b}];
  int i = threadIdx.x;
  tl::load<{b}>(local, x + i * {b});
  tl::store<{b}>(y + i * {b}, local);
  tl::load<{b}>(guarded, i % 2 ? x + i * {b} : nullptr, i % 2 != 0);
  tl::store<{b}>(i % 3 ? z + i * {b} : nullptr, guarded, i % 3);
}}
TL_ENTRY(move{b})
"""
        for b in (1, 2, 4, 8, 16, 32)
    )
    x = rng.integers(1, 256, (64, width), dtype=np.uint8)
    storage = [np.zeros(64 * width + 32, np.uint8) for _ in range(3)]
    aligned = [s[-s.ctypes.data % 32 :][: 64 * width].reshape(64, width) for s in storage]
    aligned[0][:] = x
    aligned[2][:] = 7
    build(text, *[f"move{b}" for b in (1, 2, 4, 8, 16, 32)]).launch(f"move{width}", (1,), (64,), aligned)
    assert np.array_equal(aligned[1], x)
    for i in range(64):
        expected = 7 if i % 3 == 0 else x[i] if i % 2 else 0
        assert np.all(aligned[2][i] == expected)


def test_misaligned_access_is_reported(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t offset, int32_t shared_offset) {
  alignas(16) char local[16] = {};
  char* s = tl::dyn_smem();
  tl::store<16>(s + offset, local);
  tl::load<8>(local, s + shared_offset);
}
TL_ENTRY(k)"""
    module = build(text, "k")
    module.launch("k", (1,), (1,), [16, 24], shared_bytes=64)
    with pytest.raises(SimulationError, match=r"misaligned 16-byte store at shared memory offset 8 \(line 5\), block"):
        module.launch("k", (1,), (1,), [8, 0], shared_bytes=64)
    with pytest.raises(SimulationError, match=r"misaligned 8-byte load at shared memory offset 20 \(line 6\)"):
        module.launch("k", (1,), (1,), [0, 20], shared_bytes=64)


_POKE = """#include <tl/core.h>
extern "C" __global__ void k(int32_t offset, float* y) {
  float* s = reinterpret_cast<float*>(tl::dyn_smem());
  if (threadIdx.x == 5 && blockIdx.x == 1) {
    s[offset] = 1.0f;
  }
  y[threadIdx.x] = s[threadIdx.x];
}
TL_ENTRY(k)
extern "C" __global__ void peek(int64_t address) {
  if (threadIdx.x == 3) *reinterpret_cast<volatile int32_t*>(address) = 1;
}
TL_ENTRY(peek)"""


def test_shared_memory_guard_page(build):
    module = build(_POKE, "k", "peek")
    y = np.zeros(64, np.float32)
    module.launch("k", (2,), (64,), [63, y], shared_bytes=256)
    assert np.isnan(y[:63]).all()  # untouched shared memory is poison
    report = r"shared memory access out of bounds: offset 256 of 256 bytes, block \(1, 0, 0\), thread \(5, 0, 0\)"
    with pytest.raises(SimulationError, match=report) as caught:
        module.launch("k", (2,), (64,), [64, y], shared_bytes=256)
    assert "(line 5)" in caught.value.message
    with pytest.raises(SimulationError, match="written past its end: offset 256 of 256|offset 260 of 260"):
        module.launch("k", (2,), (64,), [65, y], shared_bytes=260)
    with pytest.raises(SimulationError, match="written before its start: offset -4"):
        module.launch("k", (2,), (64,), [-1, y], shared_bytes=256)
    module.launch("k", (2,), (64,), [3, y], shared_bytes=256)


def test_global_fault_is_reported(build):
    module = build(_POKE, "k", "peek")
    with pytest.raises(SimulationError, match=r"memory access out of bounds: address (0x10|\(nil\)).*thread \(3, 0, 0\)"):
        module.launch("peek", (1,), (32,), [ctypes.c_int64(16)])


def test_a_division_by_zero_is_reported(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(const int* x, int* y) {
  y[threadIdx.x] = 7 / x[threadIdx.x];
}
TL_ENTRY(k)"""
    module = build(text, "k")
    x, y = np.arange(1, 33, dtype=np.int32), np.zeros(32, np.int32)
    module.launch("k", (1,), (32,), [x, y])
    assert np.array_equal(y, 7 // x)
    x[9] = 0
    with pytest.raises(SimulationError, match=r"integer division by zero, block \(0, 0, 0\), thread \(9, 0, 0\).*\(line 3\)"):
        module.launch("k", (1,), (32,), [x, y])


def test_stack_overflow_is_reported(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y, int32_t n) {
  volatile int32_t local[200000];
  for (int i = 199999; i >= n; --i) local[i] = i;
  y[0] = local[n];
}
TL_ENTRY(k)"""
    with pytest.raises(SimulationError, match="stack overflow: the local arrays of a thread take more than"):
        build(text, "k").launch("k", (1,), (2,), [np.zeros(1, np.int32), 0])


_ASYNC = """#include <tl/core.h>
#include <tl/cp_async.h>
extern "C" __global__ void k(const int32_t* x, int32_t* y, int32_t wait, int32_t n) {
  char* s = tl::dyn_smem();
  int i = threadIdx.x;
  tl::cp_async<16>(s + i * 32, x + i * 8, i < n);
  tl::cp_async_commit();
  tl::cp_async<8>(s + i * 32 + 16, x + i * 8 + 4);
  tl::cp_async<4>(s + i * 32 + 24, x + i * 8 + 6, true);
  tl::cp_async<4>(s + i * 32 + 28, x + i * 8 + 7, i % 2);
  tl::cp_async_commit();
  if (wait == 0) tl::cp_async_wait<0>();
  if (wait == 1) tl::cp_async_wait<1>();
  if (wait == 2) tl::cp_async_wait<2>();
  tl::sync_threads();
  for (int j = 0; j < 8; ++j) y[i * 8 + j] = reinterpret_cast<const int32_t*>(s)[((i + 1) % 32) * 8 + j];
}
TL_ENTRY(k)"""


@pytest.mark.parametrize("wait", (0, 1, 2))
def test_cp_async_arrives_at_its_wait(build, rng, wait):
    x, y = rng.integers(0, 2**30, (32, 8), dtype=np.int32), np.full((32, 8), -7, np.int32)
    build(_ASYNC, "k").launch("k", (1,), (32,), [x, y, wait, 20], shared_bytes=1024)
    expected = x.copy()
    expected[20:, :4] = 0  # a false predicate fills with zeros
    expected[::2, 7] = 0
    if wait >= 1:
        expected[:, 4:] = -1  # still poison
    if wait == 2:
        expected[:, :4] = -1
    assert np.array_equal(y, np.roll(expected, -1, axis=0))


def test_cp_async_outside_shared_memory_is_reported(build):
    x, y = np.zeros((32, 8), np.int32), np.zeros((32, 8), np.int32)
    with pytest.raises(SimulationError, match=r"cp.async of 16 bytes to shared memory offset 992 of 992 \(line 6\)"):
        build(_ASYNC, "k").launch("k", (1,), (32,), [x, y, 0, 32], shared_bytes=992)


def test_uninitialised_locals_are_not_zero(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(float* y, int32_t n) {
  float local[8];
  for (int i = 0; i < n; ++i) local[i] = 0;
  y[threadIdx.x] = local[threadIdx.x];
}
TL_ENTRY(k)"""
    y = np.zeros(8, np.float32)
    build(text, "k").launch("k", (1,), (8,), [y, 5])
    assert np.all(y[:5] == 0) and not np.any(np.abs(y[5:]) < 1e9)
