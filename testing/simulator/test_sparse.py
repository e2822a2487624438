"""mma.sp and wgmma.mma_async.sp: every type, operand source and metadata layout, against float64."""

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
    """One instruction; `n` 8 with `warp`: mma.sp."""

    a: type
    b: type
    c: type
    n: int = 8
    warp: bool = False
    registers: bool = False
    selector: int = 0
    swizzle: int = 128
    trans_b: bool = False

    @property
    def size(self) -> int:
        return np.dtype(self.a).itemsize

    @property
    def k(self) -> int:
        return 64 // self.size

    @property
    def rows(self) -> int:
        return 16 if self.warp else 64

    @property
    def name(self) -> str:
        types = "_".join(np.dtype(t).name for t in (self.a, self.b, self.c))
        return f"sp_{'mma' if self.warp else 'rs' if self.registers else 'ss'}{self.n}_{types}_{self.selector}_{self.swizzle}{'t' * self.trans_b}"

    def text(self) -> str:
        a, b, c = (_CPP[t] for t in (self.a, self.b, self.c))
        threads, per_thread, sums = self.rows * 2, 16 // self.size, self.n // 2
        lines = [
            f"""extern "C" __global__ void {self.name}(const char* A, const char* B, const uint32_t* E, {c}* C, int32_t accumulate) {{
  char* smem = tl::dyn_smem();
  const int tid = threadIdx.x;
  alignas(16) {c} d[{sums}];
  for (int i = 0; i < {sums}; ++i) d[i] = C[tid * {sums} + i];"""
        ]
        if self.warp:
            shape = {4: "m16n8k16", 2: "m16n8k32", 1: "m16n8k64"}[self.size]
            lines.append(f"  alignas(16) {a} x[{per_thread}]; alignas(16) {b} y[{per_thread}];")
            lines.append("  __builtin_memcpy(x, A + tid * 16, 16); __builtin_memcpy(y, B + tid * 16, 16);")
            lines.append(f"  tl::mma_sp_{shape}<{self.selector}>(d, x, y, E[tid]);\n  tl::mma_ready();")
        else:
            lines.append(f"""  for (int i = tid; i < 2048; i += {threads}) {{ tl::store<16>(smem + i * 16, A + i * 16); tl::store<16>(smem + 32768 + i * 16, B + i * 16); }}
  const uint64_t b = tl::wgmma_descriptor<{self.swizzle}>(smem + 32768, {32 * self.swizzle if self.trans_b else 128 if not self.swizzle else 16}, {8 * self.swizzle if self.swizzle else 512});
  const uint64_t a = tl::wgmma_descriptor<32>(smem, 16, 256);
  tl::fence_proxy_async();
  tl::sync_threads();
  tl::wgmma_fence();""")
            flag = "true" if self.trans_b else "false"
            if self.registers:
                lines.append(f"  alignas(16) {a} x[{per_thread}];\n  __builtin_memcpy(x, A + tid * 16, 16);")
                lines.append(f"  tl::wgmma_sp_rs<{a}, {b}, {self.n}, {flag}, {self.selector}>(d, x, b, E[tid], accumulate);")
            else:
                lines.append(
                    f"  tl::wgmma_sp_ss<{a}, {b}, {self.n}, false, {flag}, {self.selector}>(d, a, b, E[tid], accumulate);"
                )
            lines.append(f"  tl::wgmma_commit(); tl::wgmma_wait<0>(); tl::wgmma_pin<{self.n}>(d);")
        lines.append(f"  for (int i = 0; i < {sums}; ++i) C[tid * {sums} + i] = d[i];\n}}\nTL_ENTRY({self.name})\n")
        return "\n".join(lines)


_FLOATS = [(np.float16, np.float16, np.float32), (np.float16, np.float16, np.float16), (_BF, _BF, np.float32)]
_FLOATS += [(np.float32, np.float32, np.float32)]
_BYTES = [(a, b, np.float32) for a in (_E4, _E5) for b in (_E4, _E5)]
_BYTES += [(a, b, np.int32) for a in (np.int8, np.uint8) for b in (np.int8, np.uint8)]
CASES = [Case(*types, warp=True, selector=s) for types in _FLOATS for s in (0, 1)]
CASES += [Case(*types, warp=True) for types in _BYTES]
CASES += [Case(*types, n=16, registers=r, selector=s) for types in _FLOATS for r in (False, True) for s in (0, 1)]
CASES += [Case(*types, n=16, registers=r) for types in _BYTES for r in (False, True)]
CASES += [Case(a, b, np.float16, n=8) for a in (_E4, _E5) for b in (_E4, _E5)]
CASES += [Case(np.float16, np.float16, np.float32, n=n) for n in (8, 40, 128, 256)]
CASES += [
    Case(np.float16, np.float16, np.float32, n=64, swizzle=w, trans_b=t)
    for w, t in ((0, False), (64, False), (64, True), (128, True))
]
CASES = list({case.name: case for case in CASES}.values())


@pytest.fixture(scope="module")
def module(build):
    widths = sorted({case.n for case in CASES if not case.warp})
    includes = "".join(f"#include <tl/wgmma/m64n{n}.h>\n#include <tl/wgmma_sp/m64n{n}.h>\n" for n in widths)
    text = "#include <tl/core.h>\n#include <tl/mma_sp.h>\n" + includes + "".join(case.text() for case in CASES)
    return build(text, *[case.name for case in CASES])


def _random(rng, dtype, shape):
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)


def _sparse(rng, case):
    """Kept elements, where they were along k, and the bits of each row, four for each group."""
    group, keep = (2, 1) if case.size == 4 else (4, 2)
    groups = case.k // group
    picks = np.argsort(rng.random((case.rows, groups, group)), -1)[..., :keep]
    picks.sort(-1)
    codes = picks[..., 0] | picks[..., 1] << 2 if keep == 2 else np.array([0b0100, 0b1110])[picks[..., 0]]
    places = (picks + np.arange(groups)[:, None] * group).reshape(case.rows, -1)
    return _random(rng, case.a, places.shape), places, codes


def _registers(case, codes):
    """The metadata operand of every thread, from the figures of the PTX ISA; what no thread contributes is noise."""
    out = np.full(case.rows * 2, 0xDEADBEEF, np.uint32)
    for row in range(case.rows):
        warp, r = divmod(row, 16)
        quad = warp * 32 + r % 8 * 4
        for group, code in enumerate(codes[row]):
            if case.size == 1:
                thread, bit = quad + r // 8 + group // 8 * 2, group % 8 * 4
            else:
                thread, bit = quad + case.selector * 2 + group // 4, group % 4 * 4 + r // 8 * 16
            out[thread] = (int(out[thread]) & ~(15 << bit)) | int(code) << bit
    return out


def _rows_and_columns(case):
    thread, i = np.meshgrid(np.arange(case.rows * 2), np.arange(case.n // 2), indexing="ij")
    return thread // 32 * 16 + thread % 32 // 4 + i // 2 % 2 * 8, i // 4 * 8 + thread % 4 * 2 + i % 2


def _a_fragments(case, kept):
    per = 4 // case.size
    thread, i = np.meshgrid(np.arange(case.rows * 2), np.arange(4 * per), indexing="ij")
    register = i // per
    rows = thread // 32 * 16 + thread % 32 // 4 + register % 2 * 8
    return np.ascontiguousarray(kept[rows, register // 2 * 4 * per + thread % 4 * per + i % per])


def _b_fragments(case, b):
    per = 4 // case.size
    lane, i = np.meshgrid(np.arange(32), np.arange(4 * per), indexing="ij")
    return np.ascontiguousarray(b[lane // 4, i // per * 4 * per + lane % 4 * per + i % per])


def _image(matrix, swizzle, transposed=False):
    """Shared memory that holds matrix[row, k]."""
    rows, k = matrix.shape
    size = matrix.itemsize
    raw = np.ascontiguousarray(matrix).view(np.uint8).reshape(rows, k, size)
    image = np.full(32768, 0xFF, np.uint8)
    for r in range(rows):
        for j in range(k):
            if transposed:
                per = swizzle // 2
                at = r // per * 32 * swizzle + j // 8 * 8 * swizzle + j % 8 * swizzle + r % per * 2
            elif swizzle:
                at = r * swizzle + j * size
            else:
                at = r // 8 * 512 + j * size // 16 * 128 + r % 8 * 16 + j * size % 16
            if swizzle:
                at ^= (at >> 7 & (swizzle // 16 - 1)) << 4
            image[at : at + size] = raw[r, j]
    return image


def _bytes(array):
    out = np.zeros(32768, np.uint8)
    raw = array.view(np.uint8).reshape(-1)
    out[: raw.size] = raw
    return out


def _arguments(case, kept, b, metadata, c):
    """What the kernel takes; the fourth is C as fragments."""
    fragments = np.ascontiguousarray(c[_rows_and_columns(case)])
    if case.warp:
        first, second = _bytes(_a_fragments(case, kept)), _bytes(_b_fragments(case, b))
    else:
        first = _bytes(_a_fragments(case, kept)) if case.registers else _image(kept, 32)
        second = _image(b, case.swizzle, case.trans_b)
    return [first, second, metadata, fragments, 1]


def _run(module, case, kept, b, metadata, c, **options):
    arguments = _arguments(case, kept, b, metadata, c)
    module.launch(case.name, (1,), (case.rows * 2,), arguments, shared_bytes=65536, **options)
    got = np.empty_like(c)
    got[_rows_and_columns(case)] = arguments[3]
    return got


def _exact(case, x):
    if x.dtype != np.float32:
        return x.astype(np.float64)
    bits = x.view(np.uint32) + np.uint32(0x1000 if case.warp else 0)  # mma.sp rounds to tf32, wgmma truncates
    return (bits & np.uint32(0xFFFFE000)).view(np.float32).astype(np.float64)


@pytest.fixture(params=(False, True), ids=("fast", "portable"))
def portable(request):
    load_library().tl_sim_set_portable(request.param)
    yield request.param
    load_library().tl_sim_set_portable(0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_against_float64(module, rng, case, portable):
    kept, places, codes = _sparse(rng, case)
    b, c = _random(rng, case.b, (case.n, case.k)), _random(rng, case.c, (case.rows, case.n))
    got = _run(module, case, kept, b, _registers(case, codes), c, numerics="fast")
    dense = np.zeros((case.rows, case.k))
    np.put_along_axis(dense, places, _exact(case, kept), -1)
    expected = c.astype(np.float64) + dense @ _exact(case, b).T
    if case.c is np.int32:
        assert np.array_equal(got, expected.astype(np.int64).astype(np.int32))
    else:
        scale = np.abs(c.astype(np.float64)) + np.abs(dense) @ np.abs(_exact(case, b)).T
        assert np.all(np.abs(got.astype(np.float64) - expected) <= scale * (2.0**-11 if case.c is np.float16 else 2.0**-20))


@pytest.mark.parametrize("case", [CASES[0], CASES[8], Case(np.float16, np.float16, np.float32, n=16)], ids=lambda case: case.name)
def test_hardware_numerics_are_fused_sums_of_the_kept_products(module, rng, case):
    kept, places, codes = _sparse(rng, case)
    b, c = _random(rng, case.b, (case.n, case.k)), _random(rng, np.float32, (case.rows, case.n))
    got = _run(module, case, kept, b, _registers(case, codes), c, numerics="hardware")
    rule = {"fraction": 13, "kept": 14} if case.size == 1 and not case.warp else {}
    for row in rng.choice(case.rows, 6, replace=False):
        for column in range(case.n):
            factors = _exact(case, b)[column, places[row]]
            values, lowest = _exact(case, kept)[row], (_LOWEST[case.a], _LOWEST[case.b])
            if case.size == 1 and case.warp:
                # Hopper's mma.sp takes halves: the lower two of four values, the upper two upon them, then an addition.
                half, lower, sum_ = (_LOWEST[np.float16],) * 2, np.arange(len(values)) % 4 < 2, np.float32(0)
                for part in (lower, ~lower):
                    sum_ = fused_sum(values[part], factors[part], sum_, lowest=half)
                expected = c[row, column] + sum_
            else:
                expected = fused_sum(values, factors, c[row, column], lowest=lowest, **rule)
            assert got[row, column] == expected


def test_rows_of_b_that_are_not_chosen_have_no_part(module, rng):
    case = CASES[0]
    kept, places, codes = _sparse(rng, case)
    b, c = _random(rng, case.b, (8, case.k)), np.zeros((16, 8), np.float32)
    b[:, 5] = np.inf
    got = _run(module, case, kept, b, _registers(case, codes), c)
    assert np.array_equal(np.isfinite(got).all(1), ~(places == 5).any(1))


@pytest.mark.parametrize("case, code", [(CASES[0], 0b0101), (CASES[0], 0b0001), (CASES[6], 0b0001), (CASES[10], 0)], ids=str)
def test_metadata_without_a_meaning(module, rng, case, code):
    kept, _, codes = _sparse(rng, case)
    codes[3, 2] = code
    b, c = _random(rng, case.b, (8, case.k)), _random(rng, case.c, (16, 8))
    with pytest.raises(
        SimulationError, match=rf"sparse metadata 0x{code:x} of row 3 at k = {2 * case.k // codes.shape[1]} .*kept"
    ):
        _run(module, case, kept, b, _registers(case, codes), c)


def test_zeros_of_a_guard_become_valid_metadata(build):
    text = """#include <tl/core.h>
#include <tl/sparse_metadata.h>
extern "C" __global__ void fix(const uint32_t* in, uint32_t* out) { out[threadIdx.x] = tl::sparse_metadata(in[threadIdx.x]); }
TL_ENTRY(fix)
"""
    codes = np.arange(16, dtype=np.uint32)
    given = np.concatenate([codes << shift for shift in range(0, 32, 4)]).astype(np.uint32)
    out = np.zeros_like(given)
    build(text, "fix").launch("fix", (1,), (128,), [given, out])
    nibbles = (given[:, None] >> np.arange(0, 32, 4)) & 15
    expected = (np.where(nibbles == 0, 4, nibbles).astype(np.uint64) << np.arange(0, 32, 4, dtype=np.uint64)).sum(1)
    assert np.array_equal(out, expected.astype(np.uint32))


def test_a_swizzle_of_32_bytes_does_not_hold_the_depth(build):
    case = Case(np.float16, np.float16, np.float32, swizzle=32)
    text = "#include <tl/core.h>\n#include <tl/wgmma_sp/m64n8.h>\n#include <tl/wgmma/m64n8.h>\n" + case.text()
    zeros = np.zeros(32768, np.uint8)
    arguments = [zeros, zeros, np.full(128, 0x44444444, np.uint32), np.zeros((128, 4), np.float32), 1]
    with pytest.raises(SimulationError, match="a row of the swizzle holds half of the 64 bytes along K"):
        build(text, case.name).launch(case.name, (1,), (128,), arguments, shared_bytes=65536)
