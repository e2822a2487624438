"""Launching: indices, arguments, refusals, parallel blocks, printing, assertions, compilation errors."""

from __future__ import annotations

import ctypes
import threading

import numpy as np
import pytest

from tilelang.errors import CompilationError, SimulationError, UnavailableError
from tilelang.simulator import compile_kernel, library_path, load_library, source_root


def test_indices_and_extents(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y) {
  int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  int32_t* row = y + (block * 30 + thread) * 6;
  row[0] = blockIdx.x; row[1] = blockIdx.y; row[2] = blockIdx.z;
  row[3] = threadIdx.x; row[4] = threadIdx.y; row[5] = threadIdx.z;
}
TL_ENTRY(k)"""
    y = np.full((2, 3, 4, 5, 3, 2, 6), -1, np.int32)
    build(text, "k").launch("k", (4, 3, 2), (2, 3, 5), [y])
    bz, by, bx, tz, ty, tx = np.indices(y.shape[:-1])
    assert np.array_equal(y, np.stack([bx, by, bz, tx, ty, tz], -1))


def test_arguments_of_every_type(build):
    text = """#include <tl/core.h>
extern "C" __global__ void __launch_bounds__(32)
k(double* y, int8_t a, uint16_t b, int64_t c, float d, double e, bool f, tl::half_t g, const double* __restrict__ h) {
  y[0] = a; y[1] = b; y[2] = c; y[3] = d; y[4] = e; y[5] = f; y[6] = tl::cast<double>(g); y[7] = h[1];
}
TL_ENTRY(k)"""
    y, h = np.zeros(8), np.array([1.0, 2.5])
    half = ctypes.c_uint16(int(np.float16(0.75).view(np.uint16)))
    values = [ctypes.c_int8(-5), ctypes.c_uint16(65535), ctypes.c_int64(-(2**40)), 0.5, ctypes.c_double(0.1), True, half]
    build(text, "k").launch("k", (1,), (1,), [y, *values, h])
    assert y.tolist() == [-5, 65535, -(2**40), 0.5, 0.1, 1, 0.75, 2.5]


def test_impossible_launches(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y) { y[0] = 1; }
TL_ENTRY(k)"""
    module = build(text, "k")
    y = np.zeros(1, np.int32)
    with pytest.raises(SimulationError, match="2048 x 1 x 1 threads"):
        module.launch("k", (1,), (2048,), [y])
    with pytest.raises(SimulationError, match="300000 bytes of shared memory"):
        module.launch("k", (1,), (1,), [y], shared_bytes=300000)
    module.launch("k", (0, 5), (32,), [y])
    assert y[0] == 0  # an empty grid runs nothing


def test_many_blocks_and_host_threads(build):
    text = """#include <tl/core.h>
extern "C" __global__ void k(int32_t* y, int32_t salt) {
  int32_t* s = reinterpret_cast<int32_t*>(tl::dyn_smem());
  s[threadIdx.x] = blockIdx.x * 64 + threadIdx.x + salt;
  tl::sync_threads();
  y[blockIdx.x * 64 + threadIdx.x] = s[threadIdx.x ^ 63];
}
TL_ENTRY(k)"""
    module = build(text, "k")
    results = [np.zeros(200 * 64, np.int32) for _ in range(4)]
    load_library().tl_sim_set_threads(3)
    try:
        launches = [
            threading.Thread(target=module.launch, args=("k", (200,), (64,), [y, i]), kwargs={"shared_bytes": 256})
            for i, y in enumerate(results)
        ]
        for launch in launches:
            launch.start()
        for launch in launches:
            launch.join()
    finally:
        load_library().tl_sim_set_threads(0)
    for i, y in enumerate(results):
        assert np.array_equal(y, (np.arange(200 * 64) ^ 63) + i)


def test_print(build, capfd):
    text = """#include <tl/core.h>
#include <tl/print.h>
extern "C" __global__ void k(int64_t big) {
  if (threadIdx.x == 1 && threadIdx.y == 2) {
    tl::print_message("hello");
    tl::print_value("x", tl::half_t(1.5f));
    tl::print_value("", big);
    tl::print_value("b", true);
    tl::print_value("u", uint8_t(200));
    tl::print_value("d", 0.1);
    tl::print_element("", "C", 7, 2.5f);
  }
}
TL_ENTRY(k)"""
    build(text, "k").launch("k", (1,), (4, 4), [ctypes.c_int64(-(2**40))])
    lines = capfd.readouterr().out.splitlines()
    place = "BLOCK=(0, 0, 0), THREAD=(1, 2, 0)"
    assert lines == ["hello", f"x: {place}: 1.5", f"{place}: {-(2**40)}", f"b: {place}: true", f"u: {place}: 200",
                     f"d: {place}: 0.10000000000000001", "C[7] = 2.5"]  # fmt: skip


def test_assertion(build):
    text = """#include <tl/core.h>
#include <tl/print.h>
extern "C" __global__ void k(int32_t n) {
  tl::device_assert(static_cast<int>(threadIdx.x) < n, "thread within n");
}
TL_ENTRY(k)"""
    module = build(text, "k")
    module.launch("k", (1,), (32,), [32])
    report = r"assertion failed: thread within n \(line 4\), block \(0, 0, 0\), thread \(20, 0, 0\)"
    with pytest.raises(SimulationError, match=report):
        module.launch("k", (1,), (32,), [20])


def test_compiler_refuses():
    with pytest.raises(CompilationError) as caught:
        compile_kernel('#include <tl/core.h>\nextern "C" __global__ void k() { nonsense; }\nTL_ENTRY(k)', ["k"])
    assert "nonsense" in caught.value.log and "nonsense" not in str(caught.value)
    with pytest.raises(CompilationError, match=r"no TL_ENTRY\(other\)"):
        compile_kernel('#include <tl/core.h>\nextern "C" __global__ void k() {}\nTL_ENTRY(k)', ["k", "other"])


def test_no_compiler(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(UnavailableError, match="needs a C\\+\\+ compiler"):
        compile_kernel("", [])
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(UnavailableError, match="CXX names 'no-such-compiler'"):
        compile_kernel("", [])


def test_runtime_library_exists():
    assert library_path().is_file()
    header = (source_root() / "simulator" / "include" / "tl_sim_abi.h").read_text()
    assert f"#define TL_SIM_ABI_VERSION {load_library().tl_sim_abi_version()}\n" in header  # built from these sources
