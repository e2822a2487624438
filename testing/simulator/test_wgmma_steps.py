"""Several steps of wgmma in one statement: the same bits as one by one, and the product of all steps."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest

from testing.simulator.test_wgmma import _BF, _CPP, _E4, _exact, _random, _rows_and_columns


@dataclass(frozen=True)
class Steps:
    """`steps` instructions of 64 x n; k contiguous in A, contiguous or not in B; tiles of rows of 128 bytes, swizzled."""

    dtype: type
    c: type
    n: int
    steps: int
    registers: bool = False
    trans_b: bool = False

    @property
    def k(self) -> int:
        """Of one instruction."""
        return 32 // np.dtype(self.dtype).itemsize

    @property
    def name(self) -> str:
        types = f"{np.dtype(self.dtype).name}_{np.dtype(self.c).name}"
        return f"steps{self.steps}_{self.n}_{types}_{'rs' if self.registers else 'ss'}{'_tb' if self.trans_b else ''}"

    @property
    def stride_b(self) -> int:
        return self.k * 128 if self.trans_b else 32

    def text(self) -> str:
        dtype, c = _CPP[self.dtype], _CPP[self.c]
        flag = "true" if self.trans_b else "false"
        leading = 128 * 128 if self.trans_b else 16
        types = f"{dtype}, {dtype}, {self.n}"
        wide, first = f"{self.steps}, {self.stride_b}", "i > 0 || accumulate"
        half_a, half_b = 64 * 128, self.n * 128  # with k contiguous, eight steps go on in the next column block
        if self.steps < 8 or self.trans_b:
            half_b = self.steps // 2 * self.stride_b
        if self.steps < 8:
            half_a = self.steps // 2 * 32
        at = f"i / {self.steps // 2} * {{}} + i % {self.steps // 2} * {{}}"
        a, b = f"tl::wgmma_advance(a, {at.format(half_a, 32)})", f"tl::wgmma_advance(b, {at.format(half_b, self.stride_b)})"
        if self.steps == 8:
            wide += f", {half_b}"
        if self.registers:
            together = f"tl::wgmma_rs_steps<{types}, {flag}, {wide}>(d, x, b, accumulate);"
            single = f"tl::wgmma_rs<{types}, {flag}>(e, x + i * {self.k // 2}, {b}, {first});"
        else:
            strides = f"32, {self.stride_b}" + (f", {half_a}, {half_b}" if self.steps == 8 else "")
            together = f"tl::wgmma_ss_steps<{types}, false, {flag}, {self.steps}, {strides}>(d, a, b, accumulate);"
            single = f"tl::wgmma_ss<{types}, false, {flag}>(e, {a}, {b}, {first});"
        new = together.replace("accumulate", "tl::overwrite()")
        together = f"if (accumulate) {{ {together} }} else {{ {new} }}"
        pinned = f"tl::wgmma_commit(); tl::wgmma_wait<0>(); tl::wgmma_pin<{self.n}>"
        return f"""extern "C" __global__ void {self.name}(const char* A, const char* B, {c}* C, {c}* E, int32_t accumulate) {{
  char* smem = tl::dyn_smem();
  const int tid = threadIdx.x;
  for (int i = tid; i < 2048; i += 128) {{
    tl::store<16>(smem + i * 16, A + i * 16);
    tl::store<16>(smem + 32768 + i * 16, B + i * 16);
  }}
  alignas(16) {c} d[{self.n // 2}], e[{self.n // 2}];
  for (int i = 0; i < {self.n // 2}; ++i) d[i] = e[i] = C[tid * {self.n // 2} + i];
  alignas(16) {dtype} x[{self.steps * self.k // 2}];
  __builtin_memcpy(x, A + tid * {16 * self.steps}, {16 * self.steps});
  tl::fence_proxy_async();
  tl::sync_threads();
  const uint64_t a = tl::wgmma_descriptor<128>(smem, 16, 1024), b = tl::wgmma_descriptor<128>(smem + 32768, {leading}, 1024);
  tl::wgmma_fence();
  {together}
  {pinned}(d);
  tl::wgmma_fence();
  for (int i = 0; i < {self.steps}; ++i) {single}
  {pinned}(e);
  for (int i = 0; i < {self.n // 2}; ++i) {{ C[tid * {self.n // 2} + i] = d[i]; E[tid * {self.n // 2} + i] = e[i]; }}
}}
TL_ENTRY({self.name})
"""

    def matrices(self, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        depth = self.k * self.steps
        return tuple(
            _random(rng, t, s, 1) for t, s in ((self.dtype, (64, depth)), (self.dtype, (self.n, depth)), (self.c, (64, self.n)))
        )

    def arguments(self, a: np.ndarray, b: np.ndarray, c: np.ndarray, accumulate: int = 1) -> list:
        first = np.zeros(32768, np.uint8)
        if self.registers:
            raw = self.fragments(a).view(np.uint8).reshape(-1)
            first[: raw.size] = raw
        else:
            first = _tile(a)
        start = np.ascontiguousarray(c[_rows_and_columns(self.n)])
        return [first, _tile(b.T) if self.trans_b else _tile(b), start, np.full_like(start, 7), accumulate]

    def fragments(self, a: np.ndarray) -> np.ndarray:
        """A's registers: 16 bytes a step and thread."""
        per = 4 // a.itemsize
        thread, step, i = np.meshgrid(np.arange(128), np.arange(self.steps), np.arange(4 * per), indexing="ij")
        register = i // per
        rows = thread // 32 * 16 + thread % 32 // 4 + register % 2 * 8
        return np.ascontiguousarray(a[rows, step * self.k + register // 2 * 4 * per + thread % 4 * per + i % per])


def _tile(matrix: np.ndarray) -> np.ndarray:
    """A row-major matrix as column blocks of 128 bytes, swizzled."""
    rows, columns = matrix.shape
    raw = np.ascontiguousarray(matrix).view(np.uint8).reshape(rows, -1)
    image = np.full(32768, 0xFF, np.uint8)
    row, byte = np.meshgrid(np.arange(rows), np.arange(raw.shape[1]), indexing="ij")
    at = byte // 128 * rows * 128 + row * 128 + byte % 128
    image[at ^ (at >> 7 & 7) << 4] = raw
    return image


CASES = [
    Steps(dtype, c, n, steps, registers)
    for dtype, c in (
        (np.float16, np.float32), (np.float16, np.float16), (_BF, np.float32), (np.float32, np.float32), (_E4, np.float32),
        (_E4, np.float16), (np.int8, np.int32), (ml_dtypes.float8_e5m2, np.float32),
    )
    for n, steps in ((8, 2), (64, 4), (64, 8)) for registers in (False, True)
]  # fmt: skip
CASES += [Steps(t, np.float32, 64, s, r, True) for t in (np.float16, _BF) for s in (2, 4, 8) for r in (False, True)]


@pytest.fixture(scope="module")
def module(build):
    widths = sorted({case.n for case in CASES})
    text = "#include <tl/core.h>\n" + "".join(f"#include <tl/wgmma/m64n{n}.h>\n" for n in widths)
    return build(text + "".join(case.text() for case in CASES), *[case.name for case in CASES])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_same_bits_as_single_steps(module, rng, case):
    a, b, c = case.matrices(rng)
    for accumulate in (0, 1):
        arguments = case.arguments(a, b, c, accumulate)
        module.launch(case.name, (1,), (128,), arguments, shared_bytes=65536, numerics="hardware")
        together, single = arguments[2:4]
        assert np.array_equal(together.view(np.uint8), single.view(np.uint8))
        product = _exact(a) @ _exact(b).T
        size = np.abs(_exact(a)) @ np.abs(_exact(b)).T + np.abs(c.astype(np.float64))
        if accumulate:
            product = product + c.astype(np.float64)
        expected, scale = product[_rows_and_columns(case.n)], size[_rows_and_columns(case.n)]
        if case.c is np.int32:
            assert np.array_equal(together, expected.astype(np.int64).astype(np.int32))
        else:
            eps = 2.0**-9 if case.c is np.float16 else 2.0**-11 if np.dtype(case.dtype).itemsize == 1 else 2.0**-19
            # Each step rounds the sums: twice as many, twice the bound, for those of few bits.
            limit = scale * eps * (max(1, case.steps // 4) if eps > 2.0**-19 else 1)
            assert np.all(np.abs(together.astype(np.float64) - expected) <= limit)
