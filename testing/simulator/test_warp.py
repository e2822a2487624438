"""Shuffles of every size, votes, butterfly reductions, partial warps."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tilelang.errors import SimulationError

_SIZED = {1: "uint8_t", 2: "tl::half_t", 3: "three", 4: "float", 8: "double", 12: "twelve", 16: "sixteen"}
_TYPES = """struct three { uint8_t x[3]; };
struct twelve { uint32_t x[3]; };
struct sixteen { uint64_t x[2]; };
"""
_SHUFFLES = """#include <tl/core.h>
#include <tl/shuffle.h>
""" + _TYPES + "".join(
    f"""extern "C" __global__ void shuffle{size}(const {t}* x, {t}* y, int32_t mask, int32_t lane, int32_t delta) {{
  int i = threadIdx.x;
  {t} v = x[i];
  y[i] = tl::shfl_xor(v, mask);
  y[64 + i] = tl::shfl(v, (i * 7 + lane) & 31);
  y[128 + i] = tl::shfl_up(v, delta);
  y[192 + i] = tl::shfl_down(v, delta);
}}
TL_ENTRY(shuffle{size})
"""
    for size, t in _SIZED.items()
)  # fmt: skip


@pytest.mark.parametrize("size", _SIZED)
def test_shuffles(build, rng, size):
    module = build(_SHUFFLES, *[f"shuffle{s}" for s in _SIZED])
    x = rng.integers(0, 256, (64, size), dtype=np.uint8)
    for mask, lane, delta in ((1, 5, 3), (16, 0, 31), (31, 17, 1)):
        y = np.zeros((4, 64, size), np.uint8)
        module.launch(f"shuffle{size}", (1,), (64,), [x, y, mask, lane, delta])
        lanes = np.arange(64)
        base, own = lanes & ~31, lanes & 31
        up, down = own - delta, own + delta
        sources = [own ^ mask, (lanes * 7 + lane) & 31, np.where(up >= 0, up, own), np.where(down < 32, down, own)]
        for got, source in zip(y, sources, strict=True):
            assert np.array_equal(got, x[base + source])


_REDUCTIONS = {"sum": np.sum, "max": np.max, "min": np.min, "absmax": lambda v, axis: np.abs(v).max(axis)}
_REDUCE = """#include <tl/core.h>
#include <tl/reduce.h>
""" + "".join(
    f"""extern "C" __global__ void {op}_{extent}_{stride}(const {t}* x, {t}* y) {{
  y[threadIdx.x] = tl::warp_reduce<tl::op_{op}, {extent}, {stride}>(x[threadIdx.x]);
}}
TL_ENTRY({op}_{extent}_{stride})
"""
    for op, t in [*[(o, "float") for o in _REDUCTIONS], ("bitand", "uint32_t"), ("bitor", "uint32_t"), ("bitxor", "uint32_t")]
    for extent, stride in ((32, 1), (4, 1), (8, 4), (2, 16), (1, 1))
)  # fmt: skip
_REDUCE_NAMES = [line.split("(")[1].rstrip(")") for line in _REDUCE.splitlines() if line.startswith("TL_ENTRY")]


@pytest.mark.parametrize("extent, stride", ((32, 1), (4, 1), (8, 4), (2, 16), (1, 1)))
@pytest.mark.parametrize("op", [*_REDUCTIONS, "bitand", "bitor", "bitxor"])
def test_warp_reduce(build, rng, op, extent, stride):
    module = build(_REDUCE, *_REDUCE_NAMES)
    bits = op.startswith("bit")
    x = rng.integers(0, 2**32, 96, dtype=np.uint32) if bits else rng.normal(size=96).astype(np.float32)
    if op == "absmax" and extent == 1:
        x = np.abs(x)  # nothing is combined, so nothing takes magnitudes
    y = np.zeros_like(x)
    module.launch(f"{op}_{extent}_{stride}", (1,), (96,), [x, y])
    lanes = np.arange(96)
    members = np.stack([(lanes & ~((extent - 1) * stride)) + i * stride for i in range(extent)])
    if bits:
        function = {"bitand": np.bitwise_and, "bitor": np.bitwise_or, "bitxor": np.bitwise_xor}[op]
        assert np.array_equal(y, function.reduce(x[members], axis=0))
    else:
        np.testing.assert_allclose(y, _REDUCTIONS[op](x[members].astype(np.float64), axis=0), rtol=1e-6, atol=1e-6)


def test_reduce_narrow_types_and_nan(build, rng):
    text = """#include <tl/core.h>
#include <tl/reduce.h>
extern "C" __global__ void k(const tl::bfloat16_t* x, tl::bfloat16_t* y) {
  y[threadIdx.x] = tl::warp_reduce<tl::op_max, 32, 1>(x[threadIdx.x]);
  y[32 + threadIdx.x] = tl::warp_reduce<tl::op_max_nan, 32, 1>(x[threadIdx.x]);
}
TL_ENTRY(k)"""
    x = rng.normal(size=32).astype(ml_dtypes.bfloat16)
    x[7] = np.nan
    y = np.zeros((2, 32), ml_dtypes.bfloat16)
    build(text, "k").launch("k", (1,), (32,), [x, y])
    with np.errstate(invalid="ignore"):
        assert np.all(y[0].astype(np.float32) == np.nanmax(x.astype(np.float32)))
        assert np.all(np.isnan(y[1].astype(np.float32)))


def test_votes_and_election(build):
    text = """#include <tl/core.h>
#include <tl/shuffle.h>
extern "C" __global__ void k(uint32_t* ballots, int32_t* flags, int32_t* elected) {
  int i = threadIdx.x;
  ballots[i] = tl::ballot(i % 3 == 0);
  flags[i] = tl::any(i == 40) | tl::all(i < 40) << 1 | tl::all(i < 64) << 2;
  if (tl::elect_one()) elected[i / 32] += 1;
}
TL_ENTRY(k)"""
    ballots, flags, elected = np.zeros(64, np.uint32), np.zeros(64, np.int32), np.zeros(2, np.int32)
    build(text, "k").launch("k", (1,), (64,), [ballots, flags, elected])
    for warp in range(2):
        votes = sum(1 << lane for lane in range(32) if (warp * 32 + lane) % 3 == 0)
        assert set(ballots[warp * 32 : warp * 32 + 32].tolist()) == {votes}
    assert set(flags[:32].tolist()) == {2 | 4} and set(flags[32:].tolist()) == {1 | 4}
    assert elected.tolist() == [1, 1]


def test_exited_lanes_do_not_take_part(build):
    """A collective asks only the lanes that are alive; the value of an exited lane is poison."""
    text = """#include <tl/core.h>
#include <tl/shuffle.h>
extern "C" __global__ void k(uint32_t* y) {
  int i = threadIdx.x;
  if (i >= 40) return;
  y[i] = tl::ballot(true);
  y[64 + i] = tl::shfl_xor(static_cast<uint32_t>(i), 8);
}
TL_ENTRY(k)"""
    y = np.zeros((2, 64), np.uint32)
    build(text, "k").launch("k", (1,), (50,), [y])
    assert set(y[0, :32].tolist()) == {0xFFFFFFFF} and set(y[0, 32:40].tolist()) == {0xFF}
    assert y[1, :32].tolist() == [i ^ 8 for i in range(32)]
    assert set(y[1, 32:40].tolist()) == {0xFFFFFFFF}


def test_different_collectives_are_reported(build):
    text = """#include <tl/core.h>
#include <tl/shuffle.h>
extern "C" __global__ void k(uint32_t* y) {
  if (threadIdx.x < 16) y[threadIdx.x] = tl::shfl(1u, 0);
  else y[threadIdx.x] = tl::ballot(true);
}
TL_ENTRY(k)"""
    with pytest.raises(SimulationError, match=r"warp 0 have come to different warp operations \(lines 4 and 5\)"):
        build(text, "k").launch("k", (1,), (32,), [np.zeros(32, np.uint32)])


def test_matrix_instruction_in_partial_warp_is_reported(build):
    text = """#include <tl/core.h>
#include <tl/mma.h>
extern "C" __global__ void k(float* y) {
  alignas(16) tl::half_t a[8], b[4]; alignas(16) float c[4];
  tl::mma_m16n8k16(c, a, b);
  tl::mma_ready();
  y[threadIdx.x] = c[0];
}
TL_ENTRY(k)"""
    with pytest.raises(SimulationError, match="only 16 lanes are alive .line 5."):
        build(text, "k").launch("k", (1,), (48,), [np.zeros(48, np.float32)])
