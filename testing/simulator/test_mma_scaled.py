"""mma.sync with block scales: fragments and scale registers from the PTX ISA's figures, against float64."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from tilelang.errors import SimulationError

_E2, _E4, _E5, _E8 = ml_dtypes.float4_e2m1fn, ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.float8_e8m0fnu
_CPP = {_E2: "uint8_t", _E4: "tl::float8_e4m3_t", _E5: "tl::float8_e5m2_t", _E8: "tl::float8_e8m0_t"}
# a, b, scales, blocks along k
CASES = [(_E2, _E2, _E4, 4), (_E2, _E2, _E8, 2), *((a, b, _E8, 1) for a in (_E4, _E5) for b in (_E4, _E5))]


def _name(case) -> str:
    return "_".join(np.dtype(t).name for t in case[:3])


def _text(case) -> str:
    a, b, scale, blocks = case
    function = "mma_scaled_m16n8k32" if blocks == 1 else f"mma_scaled_m16n8k64<{_CPP[scale]}>"
    parameters = "const char* A, const char* B, const uint32_t* SA, const uint32_t* SB, float* C, int lanes"
    return f"""extern "C" __global__ void {_name(case)}({parameters}) {{
  const int tid = threadIdx.x;
  if (tid >= lanes) return;
  alignas(16) {_CPP[a]} x[16]; alignas(16) {_CPP[b]} y[8]; alignas(16) float c[4];
  __builtin_memcpy(x, A + tid * 16, 16); __builtin_memcpy(y, B + tid * 8, 8); __builtin_memcpy(c, C + tid * 4, 16);
  tl::{function}(c, x, y, SA[tid], SB[tid]);
  tl::mma_ready();
  __builtin_memcpy(C + tid * 4, c, 16);
}}
TL_ENTRY({_name(case)})
"""


@pytest.fixture(scope="module")
def module(build):
    text = "#include <tl/core.h>\n#include <tl/mma_scaled.h>\n" + "".join(map(_text, CASES))
    return build(text, *map(_name, CASES))


def _elements(case, fragment, which):
    """(row of A or column of B, k) of the elements of a lane's fragment: PTX ISA, "Matrix Fragments for mma.m16n8k64" and k32."""
    per = 8 if case[0] is _E2 else 4  # in a register
    lane, i = np.meshgrid(np.arange(32), np.arange(fragment * per), indexing="ij")
    group, member = lane // 4, lane % 4
    if which == "b":
        return group, member * per + i % per + i // per * 4 * per
    return group + i // per % 2 * 8, member * per + i % per + i // (2 * per) * 4 * per


def _fragments(codes, places, bits):
    """The bytes of every lane's fragment."""
    held = codes[places]
    return np.ascontiguousarray(held if bits == 8 else held[:, ::2] | held[:, 1::2] << 4)


def _random_codes(rng, dtype, shape):
    bits = 4 if dtype is _E2 else 8
    codes = rng.integers(0, 1 << bits, shape, dtype=np.uint8)
    values = codes.view(dtype).astype(np.float64)
    return np.where(np.isfinite(values), codes, 1).astype(np.uint8)


def _inputs(rng, case):
    a_type, b_type, scale, blocks = case
    k, bits = (64, 4) if a_type is _E2 else (32, 8)
    a, b = _random_codes(rng, a_type, (16, k)), _random_codes(rng, b_type, (8, k))
    low, high = (0, 0x7F) if scale is _E4 else (117, 137)
    sa, sb = (rng.integers(low, high, (rows, blocks), dtype=np.uint8) for rows in (16, 8))
    words = [rng.integers(0, 1 << 32, 32, dtype=np.uint32) for _ in range(2)]  # what no lane contributes is noise
    for row in range(16):
        words[0].view(np.uint8).reshape(32, 4)[row % 8 * 4 + row // 8, :blocks] = sa[row]
    for column in range(8):
        words[1].view(np.uint8).reshape(32, 4)[column * 4, :blocks] = sb[column]
    fragments = [_fragments(a, _elements(case, 4, "a"), bits), _fragments(b, _elements(case, 2, "b"), bits)]
    left = a.view(a_type).astype(np.float64) * sa.view(scale).astype(np.float64).repeat(k // blocks, 1)
    right = b.view(b_type).astype(np.float64) * sb.view(scale).astype(np.float64).repeat(k // blocks, 1)
    return fragments, words, left, right


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_against_float64(module, rng, case):
    fragments, words, left, right = _inputs(rng, case)
    lane, i = np.meshgrid(np.arange(32), np.arange(4), indexing="ij")
    row, column = lane // 4 + i // 2 * 8, lane % 4 * 2 + i % 2
    c = rng.normal(size=(16, 8)).astype(np.float32)
    registers = np.ascontiguousarray(c[row, column])
    module.launch(_name(case), (1,), (32,), [*fragments, *words, registers, 32])
    expected, size = c + left @ right.T, np.abs(c) + np.abs(left) @ np.abs(right).T
    assert np.all(np.abs(registers - expected[row, column]) <= 2.0**-23 * size[row, column])


def test_hand_computed(module):
    """Row 9 of A is ones scaled by 1, 2, 4, 8 for 16 elements each; column 3 of B is 0.5 scaled by 3: 16 * 15 * 1.5."""
    case = CASES[0]
    a, b = np.zeros((16, 64), np.uint8), np.zeros((8, 64), np.uint8)
    a[9], b[3] = 2, 1  # the codes of 1 and of 0.5
    words = np.zeros((2, 32, 4), np.uint8)
    words[0, 9 % 8 * 4 + 1] = np.array([1, 2, 4, 8], _E4).view(np.uint8)
    words[1, 3 * 4] = np.array([3], _E4).view(np.uint8)
    registers = np.zeros((32, 4), np.float32)
    fragments = [_fragments(a, _elements(case, 4, "a"), 4), _fragments(b, _elements(case, 2, "b"), 4)]
    module.launch(_name(case), (1,), (32,), [*fragments, *words.view(np.uint32).reshape(2, 32), registers, 32])
    expected = np.zeros((32, 4), np.float32)
    expected[1 * 4 + 3 // 2, 2 + 3 % 2] = 16 * 15 * 1.5
    assert np.array_equal(registers, expected)


@pytest.mark.parametrize("case, code", [(CASES[0], 0x7F), (CASES[1], 0xFF)], ids=["ue4m3", "ue8m0"])
def test_nan_scales_are_of_their_row_alone(module, rng, case, code):
    fragments, words, *_ = _inputs(rng, case)
    words[0].view(np.uint8).reshape(32, 4)[5 * 4 + 1, 1] = code  # row 13
    registers = np.zeros((32, 4), np.float32)
    module.launch(_name(case), (1,), (32,), [*fragments, *words, registers, 32])
    expected = np.zeros((32, 4), bool)
    expected[20:24, 2:] = True
    assert np.array_equal(np.isnan(registers), expected)


def test_needs_a_whole_warp(module, rng):
    fragments, words, *_ = _inputs(rng, CASES[0])
    with pytest.raises(SimulationError, match=r"mma with block scales in warp 0 of which only 24 lanes are alive"):
        module.launch(_name(CASES[0]), (1,), (32,), [*fragments, *words, np.zeros((32, 4), np.float32), 24])
