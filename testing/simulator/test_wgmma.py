"""wgmma: every type, operand source, layout and width, against float64 and against the published rule of the sums."""

# ruff: noqa: E501 - lines of kernel text
from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest

from testing.simulator.hopper_sums import fused_sum
from tilelang.errors import SimulationError
from tilelang.simulator import load_library

_E4, _E5, _BF = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.bfloat16
_CPP = {
    np.float16: "tl::half_t", _BF: "tl::bfloat16_t", np.float32: "float", np.int8: "int8_t", np.uint8: "uint8_t",
    np.int32: "int32_t", _E4: "tl::float8_e4m3_t", _E5: "tl::float8_e5m2_t",
}  # fmt: skip
_LOWEST = {np.float16: -14, _BF: -126, np.float32: -126, _E4: -6, _E5: -14}


@dataclass(frozen=True)
class Case:
    a: type
    b: type
    c: type
    n: int
    registers: bool = False
    swizzle: int = 128
    trans_a: bool = False
    trans_b: bool = False
    scale_a: int = 1
    scale_b: int = 1

    @property
    def k(self) -> int:
        return 32 // np.dtype(self.a).itemsize

    @property
    def name(self) -> str:
        types = "_".join(np.dtype(t).name for t in (self.a, self.b, self.c))
        signs = ("m" if self.scale_a < 0 else "p") + ("m" if self.scale_b < 0 else "p")
        return (
            f"w{self.n}_{types}_{'rs' if self.registers else 'ss'}{self.swizzle}{'ta' * self.trans_a}{'tb' * self.trans_b}{signs}"
        )

    def offsets(self, transposed: bool, rows: int) -> tuple[int, int]:
        """Leading and stride offset of a descriptor."""
        if not transposed:
            return (128, 256) if not self.swizzle else (16, 8 * self.swizzle)
        return (rows * 16, 128) if not self.swizzle else (16 * self.swizzle, 8 * self.swizzle)

    def text(self) -> str:
        a, b, c = (_CPP[t] for t in (self.a, self.b, self.c))
        flag = {True: "true", False: "false"}
        per_thread = 16 // np.dtype(self.a).itemsize
        second = ", ".join(map(str, self.offsets(self.trans_b, self.n)))
        lines = [
            f"""extern "C" __global__ void {self.name}(const char* A, const char* B, {c}* C, int32_t accumulate) {{
  char* smem = tl::dyn_smem();
  const int tid = threadIdx.x;
  for (int i = tid; i < 2048; i += 128) {{ tl::store<16>(smem + i * 16, A + i * 16); tl::store<16>(smem + 32768 + i * 16, B + i * 16); }}
  alignas(16) {c} d[{self.n // 2}];
  for (int i = 0; i < {self.n // 2}; ++i) d[i] = C[tid * {self.n // 2} + i];
  tl::fence_proxy_async();
  tl::sync_threads();
  const uint64_t b = tl::wgmma_descriptor<{self.swizzle}>(smem + 32768, {second});
  tl::wgmma_fence();"""
        ]
        scales = f"{self.scale_a}, {self.scale_b}"
        if self.registers:
            lines.append(f"  alignas(16) {a} x[{per_thread}];\n  __builtin_memcpy(x, A + tid * 16, 16);")
            lines.append(f"  tl::wgmma_rs<{a}, {b}, {self.n}, {flag[self.trans_b]}, {scales}>(d, x, b, accumulate);")
        else:
            offsets = ", ".join(map(str, self.offsets(self.trans_a, 64)))
            lines.append(f"  const uint64_t a = tl::wgmma_descriptor<{self.swizzle}>(smem, {offsets});")
            lines.append(
                f"  tl::wgmma_ss<{a}, {b}, {self.n}, {flag[self.trans_a]}, {flag[self.trans_b]}, {scales}>(d, a, b, accumulate);"
            )
        lines.append(f"""  tl::wgmma_commit();
  tl::wgmma_wait<0>();
  tl::wgmma_pin<{self.n}>(d);
  for (int i = 0; i < {self.n // 2}; ++i) C[tid * {self.n // 2} + i] = d[i];
}}
TL_ENTRY({self.name})
""")
        return "\n".join(lines)

    def image(self, matrix: np.ndarray, transposed: bool) -> np.ndarray:
        """Bytes of shared memory that hold matrix[row, k]; 1024-byte aligned, so that the swizzle sees the offset alone."""
        rows, k = matrix.shape
        size = matrix.itemsize
        raw = np.ascontiguousarray(matrix).view(np.uint8).reshape(rows, k, size)
        image = np.full(32768, 0xFF, np.uint8)
        leading, stride = self.offsets(transposed, rows)
        for r in range(rows):
            for j in range(k):
                if transposed and self.swizzle:
                    per = self.swizzle // 2
                    at = r // per * leading + j // 8 * stride + j % 8 * self.swizzle + r % per * 2
                elif transposed:
                    at = r // 8 * stride + j // 8 * leading + j % 8 * 16 + r % 8 * 2
                elif self.swizzle:
                    at = r // 8 * stride + r % 8 * self.swizzle + j * size
                else:
                    at = r // 8 * stride + j * size // 16 * leading + r % 8 * 16 + j * size % 16
                if self.swizzle:
                    at ^= (at >> 7 & (self.swizzle // 16 - 1)) << 4
                image[at : at + size] = raw[r, j]
        return image


_FLOATS = [(np.float16, np.float16, np.float32), (np.float16, np.float16, np.float16), (_BF, _BF, np.float32)]
_FLOATS += [(np.float32, np.float32, np.float32)]
_FLOATS += [(a, b, c) for a in (_E4, _E5) for b in (_E4, _E5) for c in (np.float32, np.float16)]
_INTEGERS = [(a, b, np.int32) for a in (np.int8, np.uint8) for b in (np.int8, np.uint8)]
CASES = [Case(a, b, c, n, registers) for a, b, c in _FLOATS + _INTEGERS for n in (8, 64) for registers in (False, True)]
CASES += [Case(np.float16, np.float16, np.float32, n) for n in (16, 24, 40, 96, 128, 200, 256)]
CASES += [Case(np.int8, np.int8, np.int32, n) for n in (16, 24, 48, 256)]
CASES += [
    Case(t, t, np.float32, n, False, swizzle, ta, tb)
    for t, n in ((np.float16, 64), (_BF, 128)) for swizzle in (0, 32, 64, 128) for ta in (False, True) for tb in (False, True)
]  # fmt: skip
CASES += [Case(_E4, _E4, np.float32, 32, False, swizzle) for swizzle in (0, 32, 64)]
CASES += [
    Case(np.float16, np.float16, np.float32, 32, r, 128, False, False, sa, sb)
    for r in (False, True)
    for sa in (1, -1)
    for sb in (1, -1)
]
CASES = list({case.name: case for case in CASES}.values())


@pytest.fixture(scope="module")
def module(build):
    widths = sorted({case.n for case in CASES})
    includes = "".join(f"#include <tl/wgmma/m64n{n}.h>\n" for n in widths)
    return build("#include <tl/core.h>\n" + includes + "".join(case.text() for case in CASES), *[case.name for case in CASES])


def _random(rng, dtype, shape, spread=0.0):
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return np.clip(rng.normal(size=shape) * 2.0 ** np.round(rng.normal(size=shape) * spread), -440, 440).astype(dtype)


def _rows_and_columns(n):
    thread, i = np.meshgrid(np.arange(128), np.arange(n // 2), indexing="ij")
    return thread // 32 * 16 + thread % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + thread % 4 * 2 + i % 2


def _a_fragments(case, a):
    per = 4 // a.itemsize
    thread, i = np.meshgrid(np.arange(128), np.arange(4 * per), indexing="ij")
    register = i // per
    rows = thread // 32 * 16 + thread % 32 // 4 + register % 2 * 8
    return np.ascontiguousarray(a[rows, register // 2 * 4 * per + thread % 4 * per + i % per])


def _run(module, case, a, b, c, **options):
    """c + a @ b.T of the simulated instruction."""
    where = _rows_and_columns(case.n)
    fragments = np.ascontiguousarray(c[where])
    first = np.zeros(32768, np.uint8)
    if case.registers:
        raw = _a_fragments(case, a).view(np.uint8).reshape(-1)
        first[: raw.size] = raw
    else:
        first = case.image(a, case.trans_a)
    second = case.image(b, case.trans_b)
    module.launch(case.name, (1,), (128,), [first, second, fragments, 1], shared_bytes=65536, **options)
    got = np.empty_like(c)
    got[where] = fragments
    return got


def _exact(x):
    if x.dtype == np.float32:
        return (x.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)
    return x.astype(np.float64)


@pytest.fixture(params=(False, True), ids=("fast", "portable"))
def portable(request):
    load_library().tl_sim_set_portable(request.param)
    yield request.param
    load_library().tl_sim_set_portable(0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_against_float64(module, rng, case, portable):
    a, b, c = _random(rng, case.a, (64, case.k)), _random(rng, case.b, (case.n, case.k)), _random(rng, case.c, (64, case.n))
    got = _run(module, case, a, b, c, numerics="fast", time=["early", "late", "random"][rng.integers(3)])
    product = _exact(a) @ _exact(b).T * case.scale_a * case.scale_b
    expected = c.astype(np.float64) + product
    if case.c is np.int32:
        assert np.array_equal(got, expected.astype(np.int64).astype(np.int32))
    else:
        scale = np.abs(c.astype(np.float64)) + np.abs(_exact(a)) @ np.abs(_exact(b)).T
        assert np.all(np.abs(got.astype(np.float64) - expected) <= scale * (2.0**-11 if case.c is np.float16 else 2.0**-20))


_RULED = [case for case in CASES if case.c is np.float32 and case.n in (8, 24) and case.scale_a == 1]


@pytest.mark.parametrize("case", _RULED, ids=lambda case: case.name)
def test_hardware_numerics_follow_the_rule(module, rng, case, portable):
    a, b = _random(rng, case.a, (64, case.k), 2), _random(rng, case.b, (case.n, case.k), 2)
    c = _random(rng, np.float32, (64, case.n), 6)
    got = _run(module, case, a, b, c, numerics="hardware")
    narrow = np.dtype(case.a).itemsize == 1
    rule = {"fraction": 13, "kept": 14} if narrow else {}
    for row in rng.choice(64, 12, replace=False):
        for column in range(case.n):
            expected = fused_sum(
                _exact(a)[row], _exact(b)[column], c[row, column], lowest=(_LOWEST[case.a], _LOWEST[case.b]), **rule
            )
            assert got[row, column] == expected, (row, column)


def test_infinities_and_nans(module, rng):
    case = Case(np.float16, np.float16, np.float32, 8)
    a, b, c = _random(rng, np.float16, (64, 16)), _random(rng, np.float16, (8, 16)), np.zeros((64, 8), np.float32)
    a[0, 3], a[1, 2], a[2, 0], a[2, 1] = np.inf, np.nan, np.inf, -np.inf
    b[:, 0] = b[:, 1] = b[:, 3] = np.abs(b[:, 3]) + np.float16(1)
    for numerics in ("fast", "hardware"):
        got = _run(module, case, a, b, c, numerics=numerics)
        assert (
            np.all(np.isposinf(got[0])) and np.all(np.isnan(got[1])) and np.all(np.isnan(got[2])) and np.all(np.isfinite(got[3:]))
        )


_HEAD = "#include <tl/core.h>\n#include <tl/wgmma/m64n8.h>\n"


def test_misuse_is_reported(build):
    body = """extern "C" __global__ void k(float* y, int32_t mode) {
  float d[4] = {};
  uint64_t a = tl::wgmma_descriptor<128>(tl::dyn_smem(), 16, 1024);
  if (mode != 0) tl::wgmma_fence();
  if (mode == 1) a = tl::wgmma_advance(a, 4096);
  if (mode == 2 && threadIdx.x == 64) a = tl::wgmma_advance(a, 32);
  if (mode == 3 && threadIdx.x == 7) tl::sync_threads();
  else tl::wgmma_ss<tl::half_t, tl::half_t, 8>(d, a, a, false);
  tl::wgmma_commit();
  tl::wgmma_wait<0>();
  y[threadIdx.x] = d[0];
}
TL_ENTRY(k)"""
    module = build(_HEAD + body, "k")
    texts = ["no wgmma_fence before it", "reaches shared memory offset", "different descriptors", "deadlock"]
    for mode, text in enumerate(texts):
        with pytest.raises(SimulationError, match=text):
            module.launch("k", (1,), (128,), [np.zeros(128, np.float32), mode], shared_bytes=8192)
