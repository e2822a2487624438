"""Atomics: many threads of many blocks, on several OS threads, on few addresses."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tilelang.simulator import load_library

_TYPES = {
    "float": np.float32, "double": np.float64, "int32_t": np.int32, "uint32_t": np.uint32, "int64_t": np.int64,
    "uint64_t": np.uint64, "tl::half_t": np.float16, "tl::bfloat16_t": ml_dtypes.bfloat16,
}  # fmt: skip


def _id(t: str) -> str:
    return t.replace("tl::", "")


_TEXT = "#include <tl/core.h>\n#include <tl/atomic.h>\n" + "".join(
    f"""extern "C" __global__ void {op}_{_id(t)}(const {t}* x, {t}* y, {t}* previous) {{
  int i = blockIdx.x * 64 + threadIdx.x;
  previous[i] = tl::atomic_{op}(y + i % 3, x[i]);
}}
TL_ENTRY({op}_{_id(t)})
"""
    for t in _TYPES
    for op in ("add", "max", "min", *(("and", "or", "xor") if "int" in t else ()))
)
_NAMES = [line.split("(")[1].rstrip(")") for line in _TEXT.splitlines() if line.startswith("TL_ENTRY")]
_REFERENCE = {
    "add": np.add, "max": np.maximum, "min": np.minimum,
    "and": np.bitwise_and, "or": np.bitwise_or, "xor": np.bitwise_xor,
}  # fmt: skip


@pytest.fixture(autouse=True)
def four_threads():
    library = load_library()
    library.tl_sim_set_threads(4)
    yield
    library.tl_sim_set_threads(0)


@pytest.mark.parametrize("name", _NAMES)
def test_all_updates_arrive(build, rng, name):
    module = build(_TEXT, *_NAMES)
    op, _, cpp = name.partition("_")
    dtype = next(d for t, d in _TYPES.items() if _id(t) == cpp)
    if op in ("and", "or", "xor"):
        x = rng.integers(0, 2**31, 1536).astype(dtype)
    else:  # small whole numbers: every order of summation is exact, also in 8 significant bits
        low, high = (0, 2) if op == "add" else (0 if cpp.startswith("u") else -100, 100)
        x = rng.integers(low, high, 1536).astype(dtype)
        if op == "add" and cpp == "bfloat16_t":
            x[rng.random(1536) < 0.8] = 0
    start = np.array([1, 2, 3]).astype(dtype)
    y, previous = start.copy(), np.full(1536, 77).astype(dtype)
    module.launch(name, (24,), (64,), [x, y, previous])
    for slot in range(3):
        mine = x[slot::3]
        assert y[slot] == _REFERENCE[op].reduce(np.concatenate([start[slot : slot + 1], mine]))
        if op == "add":  # previous values, in some order, are the running sums
            seen = np.sort(previous[slot::3].astype(np.float64))
            assert seen[0] == start[slot] and np.all(np.diff(seen) <= 1) and seen[-1] <= y[slot]


def test_vector_add_memory_order_load_store(build):
    text = """#include <tl/core.h>
#include <tl/atomic.h>
extern "C" __global__ void k(float* f, tl::half_t* h, int32_t* flag, int32_t* order) {
  alignas(16) float v[4] = {1, 2, 3, 4};
  alignas(8) tl::half_t w[2] = {tl::half_t(1.0f), tl::half_t(0.5f)};
  tl::atomic_add_vec<4>(f, v);
  tl::atomic_add_vec<2>(f + 4, v);
  tl::atomic_add_vec<2>(h, w);
  tl::atomic_add<tl::memory_order::acq_rel>(order, 1);
  if (threadIdx.x == 0) tl::atomic_store<tl::memory_order::release>(flag, tl::atomic_load<tl::memory_order::acquire>(flag) | 1);
}
TL_ENTRY(k)"""
    f, h, flag, order = np.zeros(6, np.float32), np.zeros(2, np.float16), np.zeros(1, np.int32), np.zeros(1, np.int32)
    build(text, "k").launch("k", (8,), (32,), [f, h, flag, order])
    assert f.tolist() == [256, 512, 768, 1024, 256, 512]
    assert h.tolist() == [256, 128] and flag[0] == 1 and order[0] == 256


def test_shared_memory_atomics(build):
    text = """#include <tl/core.h>
#include <tl/atomic.h>
extern "C" __global__ void k(int32_t* y) {
  int32_t* s = reinterpret_cast<int32_t*>(tl::dyn_smem());
  if (threadIdx.x == 0) *s = 0;
  tl::sync_threads();
  tl::atomic_add(s, static_cast<int32_t>(threadIdx.x));
  tl::sync_threads();
  if (threadIdx.x == 0) y[blockIdx.x] = *s;
}
TL_ENTRY(k)"""
    y = np.full(16, -1, np.int32)
    build(text, "k").launch("k", (16,), (96,), [y], shared_bytes=4)
    assert y.tolist() == [96 * 95 // 2] * 16
