"""Operators of the narrow types, minimum and maximum, integer operations: against exact arithmetic."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from testing.simulator.formats import BFLOAT16, E4M3, E5M2, HALF, NARROW, Format, assert_same, every_value

pytestmark = pytest.mark.filterwarnings("ignore:invalid value encountered in cast")  # NaN of ml_dtypes
_OPERATIONS = {"add": "a + b", "sub": "a - b", "mul": "a * b", "div": "a / b", "min": "tl::min(a, b)", "max": "tl::max(a, b)"}
_TEXT = "#include <tl/core.h>\n#include <tl/math.h>\n" + "\n".join(
    f"""extern "C" __global__ void {name}_{f.cpp[4:]}(const {f.cpp}* x, const {f.cpp}* y, {f.cpp}* z, int32_t n) {{
  for (int i = threadIdx.x; i < n; i += 32) {{ {f.cpp} a = x[i], b = y[i]; z[i] = {expression}; }}
}}
TL_ENTRY({name}_{f.cpp[4:]})"""
    for f in NARROW
    for name, expression in _OPERATIONS.items()
)


def _operands(rng: np.random.Generator, fmt: Format, count: int) -> tuple[np.ndarray, np.ndarray]:
    values = every_value(fmt)
    if values.size <= 256:
        return tuple(np.ascontiguousarray(v.reshape(-1)) for v in np.meshgrid(values, values))
    a, b = rng.choice(values, count), rng.choice(values, count)
    a[: count // 4] = b[rng.permutation(count)[: count // 4]]  # equal magnitudes and near cancellation
    return a, b


@pytest.mark.parametrize("operation", _OPERATIONS)
@pytest.mark.parametrize("fmt", NARROW, ids=lambda f: f.cpp)
def test_one_rounding(build, rng, fmt, operation):
    a, b = _operands(rng, fmt, 100_000)
    got = np.full(a.shape, np.nan).astype(fmt.dtype)
    names = [f"{name}_{f.cpp[4:]}" for f in NARROW for name in _OPERATIONS]
    build(_TEXT, *names).launch(f"{operation}_{fmt.cpp[4:]}", (1,), (32,), [a, b, got, a.size])
    x, y = a.astype(np.float64), b.astype(np.float64)
    with np.errstate(all="ignore"):
        if operation in ("min", "max"):  # IEEE: NaN loses; -0 < +0
            pick = np.fmin if operation == "min" else np.fmax
            zeros = (x == 0) & (y == 0)
            either = np.signbit(x) | np.signbit(y) if operation == "min" else np.signbit(x) & np.signbit(y)
            expected = np.where(zeros, np.where(either, -0.0, 0.0), pick(x, y))
        else:  # float64 results of these operands are exact, or round the same twice (53 >= 2 * 11 + 2)
            exact = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide}[operation](x, y)
            expected = fmt.round(exact)
    assert_same(got, expected)


def _nearest_even(exact: Fraction, fmt: Format) -> Fraction:
    if exact == 0:
        return exact
    exponent = abs(exact.numerator).bit_length() - exact.denominator.bit_length()
    if abs(exact) < Fraction(2) ** exponent:
        exponent -= 1
    unit = Fraction(2) ** (max(exponent, fmt.lowest_exponent) - fmt.precision + 1)
    return round(exact / unit) * unit  # ties to even


@pytest.mark.parametrize("fmt", (HALF, BFLOAT16), ids=lambda f: f.cpp)
def test_fma_rounds_once(build, rng, fmt):
    module = build(
        f"""#include <tl/math.h>
extern "C" __global__ void k(const {fmt.cpp}* x, const {fmt.cpp}* y, const {fmt.cpp}* z, {fmt.cpp}* r, int32_t n) {{
  for (int i = threadIdx.x; i < n; i += 32) r[i] = tl::fma(x[i], y[i], z[i]);
}}
TL_ENTRY(k)""",
        "k",
    )
    values = every_value(fmt)
    values = values[np.isfinite(values.astype(np.float32)) & (np.abs(values.astype(np.float64)) < 2.0**40)]
    a, b, c = (rng.choice(values, 4000) for _ in range(3))
    near_ties = fmt.round(a[:1000].astype(np.float64) * b[:1000].astype(np.float64) * 2.0**-9)
    c[:1000] = np.clip(near_ties, -fmt.largest, fmt.largest).astype(fmt.dtype)
    got = np.full(4000, np.nan).astype(fmt.dtype)
    module.launch("k", (1,), (32,), [a, b, c, got, 4000])
    operands = zip(*(v.astype(float).tolist() for v in (a, b, c, got)), strict=True)
    for x, y, z, r in operands:
        expected = _nearest_even(Fraction(x) * Fraction(y) + Fraction(z), fmt)
        if abs(expected) <= fmt.largest:  # overflow is the cast tests' matter
            assert Fraction(r) == expected, (x, y, z)


def test_comparisons_negation_compound(build, rng):
    text = """#include <tl/core.h>
extern "C" __global__ void k(const tl::half_t* x, const tl::half_t* y, int32_t* bits, tl::half_t* z) {
  int i = threadIdx.x;
  tl::half_t a = x[i], b = y[i];
  bits[i] = (a == b) | (a != b) << 1 | (a < b) << 2 | (a <= b) << 3 | (a > b) << 4 | (a >= b) << 5;
  tl::half_t c = -a; c += b; c *= tl::half_t(2.0f); c -= a; c /= tl::half_t(4);
  z[i] = c;
}
TL_ENTRY(k)"""
    x = rng.normal(size=256).astype(np.float16)
    y = np.where(rng.random(256) < 0.3, x, rng.normal(size=256)).astype(np.float16)
    x[0] = np.nan
    bits, z = np.full(256, -1, np.int32), np.full(256, np.nan, np.float16)
    build(text, "k").launch("k", (1,), (256,), [x, y, bits, z])
    expected = (x == y) | (x != y) * 2 | (x < y) * 4 | (x <= y) * 8 | (x > y) * 16 | (x >= y) * 32
    assert bits.tolist() == expected.tolist()
    assert_same(z, ((-x + y) * np.float16(2) - x) / np.float16(4))


def test_integer_operations(build, rng):
    text = """#include <tl/math.h>
#include <tl/core.h>
extern "C" __global__ void k(const int32_t* x, const int32_t* y, int32_t* r) {
  int i = threadIdx.x;
  r[i * 8] = tl::floordiv(x[i], y[i]); r[i * 8 + 1] = tl::floormod(x[i], y[i]);
  r[i * 8 + 2] = tl::shl(x[i], y[i] & 63); r[i * 8 + 3] = tl::shr(x[i], y[i] & 63);
  r[i * 8 + 4] = tl::popcount(x[i]); r[i * 8 + 5] = tl::clz(x[i]);
  r[i * 8 + 6] = tl::min(x[i], y[i]); r[i * 8 + 7] = tl::abs(x[i]);
}
TL_ENTRY(k)"""
    x = rng.integers(-(2**31) + 1, 2**31, 512, dtype=np.int32) >> rng.integers(0, 31, 512, dtype=np.int32)
    y = rng.integers(-100, 100, 512, dtype=np.int32)
    y[y == 0] = 7
    x[:4] = 0
    r = np.full((512, 8), -77, np.int32)
    build(text, "k").launch("k", (1,), (512,), [x, y, r])
    for a, b, row in zip(x.tolist(), y.tolist(), r.tolist()):
        n = b & 63
        shifted = (a << n) & 0xFFFFFFFF if n < 32 else 0
        shifted -= 2**32 if shifted >= 2**31 else 0
        zeros = 32 - (a & 0xFFFFFFFF).bit_length()
        assert row == [a // b, a % b, shifted, a >> min(n, 31), bin(a & 0xFFFFFFFF).count("1"), zeros, min(a, b), abs(a)]


@pytest.mark.parametrize("fmt", (E4M3, E5M2), ids=lambda f: f.cpp)
def test_isnan_isinf(build, fmt):
    values = every_value(fmt)
    text = f"""#include <tl/math.h>
extern "C" __global__ void k(const {fmt.cpp}* x, int32_t* r) {{
  int i = threadIdx.x;
  r[i] = tl::isnan(x[i]) | tl::isinf(x[i]) << 1 | tl::isfinite(x[i]) << 2;
}}
TL_ENTRY(k)"""
    r = np.full(256, -1, np.int32)
    build(text, "k").launch("k", (1,), (256,), [values, r])
    wide = values.astype(np.float32)
    assert r.tolist() == (np.isnan(wide) | np.isinf(wide) * 2 | np.isfinite(wide) * 4).tolist()
