"""ldmatrix and stmatrix: every form, every lane, against the tables of the PTX ISA."""

from __future__ import annotations

import numpy as np
import pytest

_FORMS = [(n, t) for n in (1, 2, 4) for t in (False, True)]


def _text() -> str:
    text = "#include <tl/core.h>\n#include <tl/ldmatrix.h>\n"
    for n, t in _FORMS:
        form = f"x{n}{'_trans' if t else ''}"
        text += f"""
extern "C" __global__ void load_{form}(const uint16_t* data, const int32_t* rows, uint16_t* out) {{
  uint16_t* shared = reinterpret_cast<uint16_t*>(tl::dyn_smem());
  int lane = threadIdx.x;
  for (int i = lane; i < 64 * 8; i += 32) shared[i] = data[i];
  tl::sync_threads();
  alignas(16) tl::half_t r[{2 * n}];
  tl::ldmatrix_{form}(r, shared + rows[lane] * 8);
  tl::store<{min(16, 4 * n)}>(out + lane * {2 * n}, r);
}}
TL_ENTRY(load_{form})
extern "C" __global__ void store_{form}(const uint16_t* data, const int32_t* rows, uint16_t* out) {{
  uint16_t* shared = reinterpret_cast<uint16_t*>(tl::dyn_smem());
  int lane = threadIdx.x;
  for (int i = lane; i < 64 * 8; i += 32) shared[i] = 0xdead;
  alignas(16) uint16_t r[{2 * n}];
  tl::load<{4 * n}>(r, data + lane * {2 * n});
  tl::sync_threads();
  tl::stmatrix_{form}(shared + rows[lane] * 8, r);
  tl::sync_threads();
  for (int i = lane; i < 64 * 8; i += 32) out[i] = shared[i];
}}
TL_ENTRY(store_{form})
"""
    return text


@pytest.fixture(scope="module")
def module(build):
    return build(_text(), *[f"{way}_x{n}{'_trans' if t else ''}" for way in ("load", "store") for n, t in _FORMS])


def _position(lane: int, register: int, half: int, transposed: bool) -> tuple[int, int, int]:
    """Matrix, row and column of an element: a row goes to four lanes, two elements each."""
    row, column = lane // 4, 2 * (lane % 4) + half
    return (register, column, row) if transposed else (register, row, column)


@pytest.mark.parametrize("n, transposed", _FORMS)
def test_ldmatrix(module, rng, n, transposed):
    data = rng.permutation(64 * 8).astype(np.uint16).reshape(64, 8)
    rows = rng.permutation(64)[:32].astype(np.int32)
    if n < 4:
        rows[8 * n :] = 10**6  # ignored: only the first 8 * n lanes pass addresses
    out = np.full((32, n, 2), 0xBEEF, np.uint16)
    module.launch(f"load_x{n}{'_trans' if transposed else ''}", (1,), (32,), [data, rows, out], shared_bytes=1024)
    for lane in range(32):
        for register in range(n):
            for half in range(2):
                matrix, row, column = _position(lane, register, half, transposed)
                assert out[lane, register, half] == data[rows[8 * matrix + row], column]


@pytest.mark.parametrize("n, transposed", _FORMS)
def test_stmatrix(module, rng, n, transposed):
    data = rng.permutation(32 * n * 2).astype(np.uint16).reshape(32, n, 2)
    rows = rng.permutation(64)[:32].astype(np.int32)
    out = np.full((64, 8), 0xBEEF, np.uint16)
    module.launch(f"store_x{n}{'_trans' if transposed else ''}", (1,), (32,), [data, rows, out], shared_bytes=1024)
    expected = np.full((64, 8), 0xDEAD, np.uint16)
    for lane in range(32):
        for register in range(n):
            for half in range(2):
                matrix, row, column = _position(lane, register, half, transposed)
                expected[rows[8 * matrix + row], column] = data[lane, register, half]
    assert np.array_equal(out, expected)
