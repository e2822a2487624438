"""cast<To>(x) between all scalar types: exhaustive where the source is narrow, hard cases where it is wide."""

from __future__ import annotations

import numpy as np
import pytest

from testing.simulator.formats import BFLOAT16, FLOAT, HALF, NARROW, assert_same, every_value, hard_floats

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # NaN of ml_dtypes
INTEGERS = {
    "int8_t": np.int8, "int16_t": np.int16, "int32_t": np.int32, "int64_t": np.int64,
    "uint8_t": np.uint8, "uint16_t": np.uint16, "uint32_t": np.uint32, "uint64_t": np.uint64,
}  # fmt: skip
FLOATS = {"float": np.float32, "double": np.float64}
NARROW_TYPES = {f.cpp: f.dtype for f in NARROW}
TYPES = {**INTEGERS, **FLOATS, **NARROW_TYPES}


def _name(source: str, target: str) -> str:
    return f"cast_{source}_{target}".replace("tl::", "")


_PAIRS = [(s, t) for s in TYPES for t in TYPES if s in FLOATS or s in NARROW_TYPES or t in NARROW_TYPES]
_TEXT = "#include <tl/core.h>\n" + "\n".join(
    f"""extern "C" __global__ void {_name(s, t)}(const {s}* x, {t}* y, int32_t n) {{
  for (int i = threadIdx.x; i < n; i += 32) y[i] = tl::cast<{t}>(x[i]);
}}
TL_ENTRY({_name(s, t)})"""
    for s, t in _PAIRS
)


@pytest.fixture(scope="module")
def cast(build):
    module = build(_TEXT, *[_name(*pair) for pair in _PAIRS])

    def run(x: np.ndarray, source: str, target: str) -> np.ndarray:
        x = np.ascontiguousarray(x)
        y = np.full(x.shape, 0x5A if target in INTEGERS else np.nan).astype(TYPES[target])
        module.launch(_name(source, target), (1,), (32,), [x, y, x.size])
        return y

    return run


@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.cpp)
@pytest.mark.parametrize("target", FLOATS)
def test_widening_is_exact(cast, fmt, target):
    values = every_value(fmt)
    assert_same(cast(values, fmt.cpp, target), values.astype(np.float64))


@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.cpp)
def test_float_rounds_once(cast, rng, fmt):
    x = hard_floats(rng, fmt, 100_000)
    expected = fmt.round(x)
    assert_same(cast(x, "float", fmt.cpp), expected)


@pytest.mark.parametrize("fmt", [*NARROW, FLOAT], ids=lambda f: f.cpp)
def test_double_rounds_once(cast, rng, fmt):
    base = hard_floats(rng, HALF if fmt is FLOAT else fmt, 20_000).astype(np.float64)
    tiny = base * (1 + rng.choice([-1, 1], base.shape) * 2.0**-40)  # a first rounding to float would lose these
    wide = np.array([1e300, -1e300, 1e-300, -1e-300, 3.5e38, 2.0**-150, -(2.0**-149)])
    x = np.concatenate([base, tiny, wide])
    with np.errstate(all="ignore"):
        assert_same(cast(x, "double", fmt.cpp), fmt.round(x))


def _fits_double(v: int) -> int:
    if abs(v) < 2**53:
        return v
    return ((abs(v) >> 11) | (abs(v) & 2047 != 0)) * 2048 * (1 if v > 0 else -1)


def _saturated(v: float, info: np.iinfo) -> int:
    if v != v:
        return 0
    if abs(v) == np.inf:
        return info.max if v > 0 else info.min
    return max(info.min, min(info.max, int(v)))


@pytest.mark.parametrize("source", INTEGERS)
@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.cpp)
def test_integers_round_once(cast, rng, source, fmt):
    info = np.iinfo(INTEGERS[source])
    bits = rng.integers(0, info.bits, 4000)
    x = (rng.integers(0, 2**63, 4000, dtype=np.uint64) >> (63 - bits).astype(np.uint64)).astype(INTEGERS[source])
    near = [2**e + d for e in range(info.bits) for d in (-1, 0, 1, 2**e // 2048, 2**e // 2048 + 1) if 2**e + d <= info.max]
    x = np.concatenate([x, np.array([*near, info.min, info.max, 0], INTEGERS[source])])
    # float64 holds 53 bits; make larger integers odd-sticky so that its own rounding decides nothing
    sticky = np.array([_fits_double(v) for v in x.tolist()], np.float64)
    assert_same(cast(x, source, fmt.cpp), fmt.round(sticky))


@pytest.mark.parametrize("target", INTEGERS)
@pytest.mark.parametrize("source", [*FLOATS, *NARROW_TYPES])
def test_to_integer_truncates_and_saturates(cast, rng, source, target):
    info = np.iinfo(INTEGERS[target])
    if source in FLOATS:
        x = np.concatenate([
            rng.normal(size=2000) * 10.0 ** rng.integers(-2, 21, 2000),
            np.array([np.nan, np.inf, -np.inf, 0.99, -0.99, 127.5, 128, -129, 255.9, 256]),
            np.array([2.0**31, -(2.0**31), 2.0**32, 2.0**63, -(2.0**63), 2.0**64]),
        ]).astype(FLOATS[source])  # fmt: skip
    else:
        x = every_value(next(f for f in NARROW if f.cpp == source))
    got = cast(x, source, target)
    expected = [_saturated(v, info) for v in x.astype(np.float64).tolist()]
    assert got.tolist() == expected


@pytest.mark.parametrize("source", [f.cpp for f in NARROW])
@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.cpp)
def test_narrow_to_narrow(cast, source, fmt):
    if source == fmt.cpp:
        return
    values = every_value(next(f for f in NARROW if f.cpp == source))
    assert_same(cast(values, source, fmt.cpp), fmt.round(values.astype(np.float64)))


def test_bool(build):
    module = build(
        """#include <tl/core.h>
extern "C" __global__ void k(const float* x, bool* y, tl::half_t* z, int32_t n) {
  int i = threadIdx.x;
  y[i] = tl::cast<bool>(x[i]);
  z[i] = tl::cast<tl::half_t>(y[i]);
  y[i] = y[i] && tl::cast<bool>(tl::cast<tl::bfloat16_t>(x[i])) && tl::cast<bool>(tl::cast<double>(x[i]));
}
TL_ENTRY(k)""",
        "k",
    )
    x = np.array([0.0, -0.0, 1.0, -2.5, np.nan, np.inf, 1e-40, 256.0], np.float32)
    y, z = np.zeros(8, bool), np.full(8, np.nan, np.float16)
    module.launch("k", (1,), (8,), [x, y, z, 8])
    assert y.tolist() == [False, False] + [True] * 6
    assert z.tolist() == [0, 0] + [1] * 6


@pytest.mark.parametrize("fmt", (HALF, BFLOAT16), ids=lambda f: f.cpp)
def test_cast_array(build, rng, fmt):
    module = build(
        f"""#include <tl/core.h>
extern "C" __global__ void k(const float* x, {fmt.cpp}* y) {{ tl::cast_array<8>(y + threadIdx.x * 8, x + threadIdx.x * 8); }}
TL_ENTRY(k)""",
        "k",
    )
    x, y = rng.normal(size=256).astype(np.float32), np.full(256, np.nan).astype(fmt.dtype)
    module.launch("k", (1,), (32,), [x, y])
    assert_same(y, fmt.round(x))
