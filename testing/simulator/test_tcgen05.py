"""tcgen05: descriptors of every swizzle and order, both shapes of D, loads and stores, against float64; no GPU has confirmed it."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tilelang.errors import SimulationError
from tilelang.simulator import SimulatedModule, compile_kernel

_CPP = {np.float16: "tl::half_t", ml_dtypes.float8_e4m3fn: "tl::float8_e4m3_t", np.float32: "float", np.int8: "int8_t"}


def offsets(swizzle: int, transposed: bool, rows: int, size: int) -> tuple[int, int]:
    """Leading and stride offset of a descriptor of a tile of `rows` and 32 bytes along k."""
    if not transposed:
        return (128, 256) if not swizzle else (16, 8 * swizzle)
    depth = 32 // size  # rows of k
    return (rows * size // 16 * 128, 128) if not swizzle else (depth * swizzle, 8 * swizzle)


def image(matrix: np.ndarray, swizzle: int, transposed: bool) -> np.ndarray:
    """Bytes of shared memory that hold matrix[row, k]: canonical layouts of PTX ISA, "Shared memory layout and swizzling"."""
    rows, k = matrix.shape
    size = matrix.itemsize
    raw = np.ascontiguousarray(matrix).view(np.uint8).reshape(rows, k, size)
    out = np.full(16384, 0xFF, np.uint8)
    leading, stride = offsets(swizzle, transposed, rows, size)
    chunk = 16 // size  # elements
    for r in range(rows):
        for j in range(k):
            if transposed and swizzle:
                per = swizzle // size
                at = r // per * leading + j // 8 * stride + j % 8 * swizzle + r % per * size
            elif transposed:
                at = r // chunk * stride + j // 8 * leading + j % 8 * 16 + r % chunk * size
            elif swizzle:
                at = r // 8 * stride + r % 8 * swizzle + j * size
            else:
                at = r // 8 * stride + j * size // 16 * leading + r % 8 * 16 + j * size % 16
            if swizzle:
                at ^= (at >> 7 & (swizzle // 16 - 1)) << 4
            out[at : at + size] = raw[r, j]
    return out


def kernel(name, kind, c, m, n, swizzle, trans_a, trans_b, accumulate):
    """D of one instruction, all lanes of its columns."""
    size = np.dtype(kind).itemsize
    a, b = (", ".join(map(str, offsets(swizzle, t, rows, size))) for t, rows in ((trans_a, m), (trans_b, n)))
    flags = ", ".join("true" if t else "false" for t in (trans_a, trans_b))
    return f"""
extern "C" __global__ void {name}(const char* A, const char* B, uint32_t* D) {{
  char* smem = tl::dyn_smem();
  const int i = threadIdx.x;
  uint64_t* bar = reinterpret_cast<uint64_t*>(smem + 32768);
  uint32_t* slot = reinterpret_cast<uint32_t*>(smem + 32776);
  for (int j = i; j < 1024; j += 128) {{ tl::store<16>(smem + j * 16, A + j * 16); tl::store<16>(smem + 16384 + j * 16, B + j * 16); }}
  if (i == 0) {{ tl::mbarrier_init(bar, 1); tl::fence_mbarrier_init(); }}
  if (i < 32) {{ tl::tcgen05_alloc<64>(slot); tl::tcgen05_relinquish(); }}
  tl::fence_proxy_async();
  tl::sync_threads();
  const uint32_t d = *slot, mine = d + (static_cast<uint32_t>(i / 32) << 21);
  uint32_t r[64];
  for (int j = 0; j < 64; ++j) r[j] = D[i * 64 + j];
  tl::tcgen05_st<64>(mine, r);
  tl::tcgen05_wait_st();
  tl::tcgen05_fence_before();
  tl::sync_threads();
  if (i == 0) {{
    tl::tcgen05_fence_after();
    tl::tcgen05_mma_ss<{_CPP[kind]}, {_CPP[kind]}, {c}, {m}, {n}, {flags}>(d, tl::tcgen05_descriptor<{swizzle}>(smem, {a}), tl::tcgen05_descriptor<{swizzle}>(smem + 16384, {b}), {"true" if accumulate else "false"});
    tl::tcgen05_commit(bar);
  }}
  tl::mbarrier_wait(bar, 0);
  tl::tcgen05_fence_after();
  tl::tcgen05_ld<32>(r, mine);
  tl::tcgen05_ld<32>(r + 32, mine + 32);
  tl::tcgen05_wait_ld();
  tl::tcgen05_pin<64>(r);
  for (int j = 0; j < 64; ++j) D[i * 64 + j] = r[j];
  tl::tcgen05_fence_before();
  tl::sync_threads();
  tl::tcgen05_fence_after();
  if (i < 32) tl::tcgen05_dealloc<64>(d);
}}
TL_ENTRY({name})
"""


CASES = [
    (kind, c, m, n, swizzle, ta, tb, accumulate)
    for kind, c in ((np.float16, "float"), (ml_dtypes.float8_e4m3fn, "float"), (np.int8, "int32_t"))
    for m, n in ((64, 64), (128, 64))
    for swizzle in (0, 32, 64)
    for ta, tb in ((False, False), (True, False), (False, True), (True, True))
    for accumulate in (False, True)
    if (m, n) == (128, 64) or not accumulate
]
CASES += [(np.float16, "float", 128, 64, 128, ta, tb, True) for ta in (False, True) for tb in (False, True)]
CASES += [(np.float32, "float", m, 48, s, False, False, True) for m in (64, 128) for s in (0, 32, 64, 128)]
CASES += [(np.float16, "tl::half_t", m, 16, 32, False, False, True) for m in (64, 128)]


@pytest.fixture(scope="module")
def module():
    head = "#include <tl/core.h>\n#include <tl/mbarrier.h>\n#include <tl/tcgen05.h>\n"
    names = [f"k{i}" for i in range(len(CASES))]
    return SimulatedModule(compile_kernel(head + "".join(map(kernel, names, *zip(*CASES))), names))


@pytest.mark.parametrize("index", range(len(CASES)))
def test_product(module, index, rng):
    kind, c, m, n, swizzle, trans_a, trans_b, accumulate = CASES[index]
    k = 32 // np.dtype(kind).itemsize
    draw = (lambda shape: rng.integers(-128, 128, shape)) if kind is np.int8 else (lambda shape: rng.standard_normal(shape))
    a, b = draw((m, k)).astype(kind), draw((n, k)).astype(kind)
    if kind is np.float32:  # tf32 ignores 13 bits
        a, b = ((x.view(np.uint32) & ~np.uint32(0x1FFF)).view(np.float32) for x in (a, b))
    start = draw((m, n)).astype(np.int32 if kind is np.int8 else np.float16 if "half" in c else np.float32)
    d = np.full((128, 64), 0xDEADBEEF, np.uint32)
    lanes = np.arange(m) if m == 128 else np.arange(m) // 16 * 32 + np.arange(m) % 16
    d[lanes, :n] = start.view(np.uint16).astype(np.uint32) if "half" in c else start.view(np.uint32)
    before = d.copy()
    module.launch(f"k{index}", (1,), (128,), [image(a, swizzle, trans_a), image(b, swizzle, trans_b), d], shared_bytes=32784)
    found = d[lanes, :n]
    got = found.astype(np.uint16).view(np.float16) if "half" in c else found.view(np.int32 if kind is np.int8 else np.float32)
    exact = a.astype(np.float64) @ b.astype(np.float64).T + (start.astype(np.float64) if accumulate else 0)
    if kind is np.int8:
        assert np.array_equal(got.astype(np.float64), exact)
    else:
        np.testing.assert_allclose(
            got.astype(np.float64), exact, rtol=0, atol=2e-2 if "half" in c else 1e-4 * np.abs(exact).max()
        )
    d[lanes, :n] = before[lanes, :n]
    assert np.array_equal(d, before), "lanes and columns beside D changed"


def _refused(body: str, words: str, shared: int = 32784):
    text = f"""#include <tl/core.h>
#include <tl/mbarrier.h>
#include <tl/tcgen05.h>
#include <tl/smem_address.h>
extern "C" __global__ void k() {{
  char* smem = tl::dyn_smem();
  uint32_t* slot = reinterpret_cast<uint32_t*>(smem + 32776);
  const int i = threadIdx.x;
  tl::tcgen05_alloc<64>(slot);
  const uint64_t a = tl::tcgen05_descriptor<128>(smem, 16, 1024);
  {body}
}}
TL_ENTRY(k)
"""
    with pytest.raises(SimulationError, match=words):
        SimulatedModule(compile_kernel(text, ["k"])).launch("k", (1,), (32,), [], shared_bytes=shared)


def test_refusals():
    mma = "if (i == 0) tl::tcgen05_mma_ss<tl::half_t, tl::half_t, float, 128, {}>({}, {}, {}, false);"
    _refused(mma.format(128, "*slot", "a", "a"), "the block has not allocated them")
    _refused(mma.format(64, "*slot + (5u << 16)", "a", "a"), "D starts at lane 0")
    _refused(mma.format(64, "*slot", "a & ~(uint64_t{1} << 46)", "a"), "bits 46 to 48")
    _refused(mma.format(64, "*slot", "a | uint64_t{3} << 61", "a"), "swizzle mode")
    _refused(mma.format(64, "*slot", "a | uint64_t{1} << 49", "a"), "base offset")
    _refused("tl::tcgen05_alloc<512>(slot);", "the block itself holds them")
    _refused("tl::tcgen05_relinquish(); tl::tcgen05_alloc<32>(slot);", "after relinquish_alloc_permit")
    _refused("if (i < 16) tl::tcgen05_wait_ld(); else tl::tcgen05_wait_st();", "different warp operations")
    _refused("tl::tcgen05_alloc<64, 2>(slot);", "without a cluster of two")
