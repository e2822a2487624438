"""Every matrix instruction against float64, through fragments built from the figures of the PTX ISA."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np
import pytest

from testing.simulator.hopper_sums import fused_sum
from tilelang.simulator import load_library

_E4, _E5, _BF = ml_dtypes.float8_e4m3fn, ml_dtypes.float8_e5m2, ml_dtypes.bfloat16
_CPP = {
    np.float16: "tl::half_t", _BF: "tl::bfloat16_t", np.float32: "float", np.int8: "int8_t", np.uint8: "uint8_t",
    np.int32: "int32_t", _E4: "tl::float8_e4m3_t", _E5: "tl::float8_e5m2_t", np.float64: "double",
}  # fmt: skip


@dataclass(frozen=True)
class Op:
    shape: str
    a: type
    b: type
    c: type

    @property
    def name(self) -> str:
        return "_".join(["mma", self.shape, *(np.dtype(t).name for t in (self.a, self.b, self.c))])

    @property
    def k(self) -> int:
        return int(self.shape.split("k")[1])

    @property
    def m(self) -> int:
        return int(self.shape[1 : self.shape.index("n")])

    def text(self) -> str:
        na, nb, nc = self.m * self.k // 32, 8 * self.k // 32, self.m * 8 // 32
        a, b, c = (_CPP[t] for t in (self.a, self.b, self.c))
        return f"""extern "C" __global__ void {self.name}(const {a}* A, const {b}* B, {c}* C, int32_t repeat) {{
  int lane = threadIdx.x;
  alignas(16) {a} a[{na}]; alignas(16) {b} b[{nb}]; alignas(16) {c} c[{nc}];
  for (int i = 0; i < {nc}; ++i) c[i] = C[lane * {nc} + i];
  for (int r = 0; r < repeat; ++r) {{
    for (int i = 0; i < {na}; ++i) a[i] = A[(r * 32 + lane) * {na} + i];
    for (int i = 0; i < {nb}; ++i) b[i] = B[(r * 32 + lane) * {nb} + i];
    tl::mma_{self.shape}(c, a, b);
  }}
  tl::mma_ready();
  for (int i = 0; i < {nc}; ++i) C[lane * {nc} + i] = c[i];
}}
TL_ENTRY({self.name})
"""


OPS = [
    Op("m16n8k16", np.float16, np.float16, np.float32),
    Op("m16n8k16", np.float16, np.float16, np.float16),
    Op("m16n8k16", _BF, _BF, np.float32),
    Op("m16n8k8", np.float32, np.float32, np.float32),
    *[Op("m16n8k32", a, b, np.int32) for a in (np.int8, np.uint8) for b in (np.int8, np.uint8)],
    *[Op("m16n8k32", a, b, np.float32) for a in (_E4, _E5) for b in (_E4, _E5)],
    Op("m8n8k4", np.float64, np.float64, np.float64),
]


# (row, column) of element i of lane `lane`, word for word from the PTX ISA's description of each fragment.
def _a_index(op: Op, lane: int, i: int) -> tuple[int, int]:
    group, t = lane >> 2, lane % 4
    if op.shape == "m16n8k16":
        return (group if i < 2 or 4 <= i < 6 else group + 8), t * 2 + (i & 1) + (8 if i >= 4 else 0)
    if op.shape == "m16n8k8":
        return (group if i in (0, 2) else group + 8), (t if i in (0, 1) else t + 4)
    if op.shape == "m16n8k32":
        return (group if 0 <= i < 4 or 8 <= i < 12 else group + 8), t * 4 + (i & 3) + (0 if i < 8 else 16)
    return group, t


def _b_index(op: Op, lane: int, i: int) -> tuple[int, int]:
    group, t = lane >> 2, lane % 4
    if op.shape == "m16n8k16":
        return t * 2 + (i & 1) + (0 if i < 2 else 8), group
    if op.shape == "m16n8k8":
        return (t if i == 0 else t + 4), group
    if op.shape == "m16n8k32":
        return t * 4 + (i & 3) + (0 if i < 4 else 16), group
    return t, group


def _c_index(op: Op, lane: int, i: int) -> tuple[int, int]:
    group, t = lane >> 2, lane % 4
    return (group if i < 2 else group + 8), t * 2 + (i & 1)


def _to_fragments(op: Op, matrix: np.ndarray, index) -> np.ndarray:
    count = matrix.size // 32
    return np.array([[matrix[index(op, lane, i)] for i in range(count)] for lane in range(32)])


def _random(rng: np.random.Generator, dtype: type, shape: tuple[int, ...]) -> np.ndarray:
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)


def _round_tf32(x: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    return ((bits + np.uint32(0x1000)) & np.uint32(0xFFFFE000)).view(np.float32)


@pytest.fixture(scope="module")
def module(build):
    text = "#include <tl/core.h>\n#include <tl/mma.h>\n" + "".join(op.text() for op in OPS)
    return build(text, *[op.name for op in OPS])


@pytest.fixture(params=(False, True), ids=("fast", "portable"))
def portable(request):
    library = load_library()
    library.tl_sim_set_portable(request.param)
    yield request.param
    library.tl_sim_set_portable(0)


@pytest.mark.parametrize("repeat", (1, 21))  # 21: more than the log of deferred instructions holds
@pytest.mark.parametrize("op", OPS, ids=lambda op: op.name)
def test_against_float64(module, rng, op, repeat, portable):
    a = [_random(rng, op.a, (op.m, op.k)) for _ in range(repeat)]
    b = [_random(rng, op.b, (op.k, 8)) for _ in range(repeat)]
    c = rng.integers(-1000, 1000, (op.m, 8), dtype=np.int32) if op.c is np.int32 else _random(rng, op.c, (op.m, 8))
    fa = np.stack([_to_fragments(op, x, _a_index) for x in a])
    fb = np.stack([_to_fragments(op, x, _b_index) for x in b])
    fc = _to_fragments(op, c, _c_index)
    module.launch(op.name, (1,), (32,), [fa, fb, fc, repeat])
    got = np.empty((op.m, 8), op.c)
    for lane in range(32):
        for i in range(fc.shape[1]):
            got[_c_index(op, lane, i)] = fc[lane, i]
    exact = _round_tf32 if op.shape == "m16n8k8" else np.asarray
    expected, scale = c.astype(np.float64), np.abs(c.astype(np.float64))
    for x, y in zip(a, b, strict=True):
        x, y = exact(x).astype(np.float64), exact(y).astype(np.float64)
        expected, scale = expected + x @ y, scale + np.abs(x) @ np.abs(y)
    if op.c is np.int32:
        assert np.array_equal(got, expected.astype(np.int64).astype(np.int32))
    else:
        bound = {np.float16: 2.0**-11 * repeat, np.float32: 2.0**-23 * 8, np.float64: 2.0**-52 * 8}[op.c]
        assert np.all(np.abs(got.astype(np.float64) - expected) <= bound * scale)


_RULED = [op for op in OPS if op.c is np.float32]


@pytest.mark.parametrize("op", _RULED, ids=lambda op: op.name)
def test_hardware_numerics_follow_the_rule(module, rng, op):
    """One fused sum of 25 fractional bits with the accumulator. 8-bit floats, which ptxas multiplies as halves: two such sums of
    the lower and the upper two of every four values of k, from zero, and then the accumulator by an ordinary addition."""
    a, b = (_random(rng, t, s) for t, s in ((op.a, (op.m, op.k)), (op.b, (op.k, 8))))
    a, b = a * rng.choice([1, 0.25, 8], a.shape).astype(op.a), b * rng.choice([1, 0.5, 4], b.shape).astype(op.b)
    start = (rng.normal(size=(op.m, 8)) * 2.0 ** rng.integers(-6, 6, (op.m, 8))).astype(np.float32)
    fragments = [_to_fragments(op, a, _a_index), _to_fragments(op, b, _b_index)]
    c = _to_fragments(op, start, _c_index)
    module.launch(op.name, (1,), (32,), [*fragments, c, 1], numerics="hardware")
    lowest = tuple({np.float16: -14, _BF: -126, np.float32: -126}.get(t) for t in (op.a, op.b))
    exact = [_round_tf32(x).astype(np.float64) if op.a is np.float32 else x.astype(np.float64) for x in (a, b)]
    for lane in range(0, 32, 3):
        for i in range(4):
            row, column = _c_index(op, lane, i)
            expected = start[row, column]
            if op.a in (_E4, _E5):
                total, order = np.float32(0), np.arange(32).reshape(8, 2, 2).swapaxes(0, 1).reshape(2, 16)
                for block in order:
                    total = fused_sum(exact[0][row, block], exact[1][block, column], total, lowest=(-14, -14))
                expected = expected + total
            else:
                expected = fused_sum(exact[0][row], exact[1][:, column], expected, lowest=lowest)
            assert c[lane, i] == expected, (row, column)


def test_accumulators_wait_for_mma_ready(build):
    """Without mma_ready the accumulators still hold what they held: forgetting it shows."""
    text = """#include <tl/core.h>
#include <tl/mma.h>
extern "C" __global__ void k(float* C) {
  alignas(16) tl::half_t a[8], b[4]; alignas(16) float c[4] = {5, 5, 5, 5};
  for (int i = 0; i < 8; ++i) a[i] = tl::half_t(1.0f);
  for (int i = 0; i < 4; ++i) b[i] = tl::half_t(1.0f);
  tl::mma_m16n8k16(c, a, b);
  for (int i = 0; i < 8; ++i) a[i] = tl::half_t(7.0f);  // operands were taken at issue
  C[threadIdx.x * 2] = c[0];
  tl::mma_ready();
  C[threadIdx.x * 2 + 1] = c[0];
}
TL_ENTRY(k)"""
    c = np.full((32, 2), np.nan, np.float32)
    build(text, "k").launch("k", (1,), (32,), [c])
    assert c.tolist() == [[5.0, 21.0]] * 32
