"""Elementary functions of every floating type against NumPy in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest

from testing.simulator.formats import BFLOAT16, FLOAT, HALF, Format

_UNARY = {
    "exp": np.exp,
    "exp2": np.exp2,
    "exp10": lambda x: 10.0**x,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "tanh": np.tanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
}
_UNARY |= {f"fast_{name}": function for name, function in _UNARY.items()}
_UNARY |= {
    "log1p": np.log1p,
    "expm1": np.expm1,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "erf": np.vectorize(math.erf),
    "floor": np.floor,
    "ceil": np.ceil,
    "round": lambda x: np.copysign(np.floor(np.abs(x) + 0.5), x),  # C's: halves away from zero
    "trunc": np.trunc,
    "nearbyint": np.rint,
    "fabs": np.abs,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "fast_rcp": lambda x: 1 / x,
}
_BINARY = {"atan2": np.arctan2, "pow": np.power, "fmod": np.fmod, "hypot": np.hypot, "copysign": np.copysign}
_BINARY |= {"fast_div": np.divide, "fast_pow": lambda x, y: np.exp2(y * np.log2(x))}
_TYPES = {"float": FLOAT, "double": None, "half": HALF, "bfloat16": BFLOAT16}
_CPP = {"float": "float", "double": "double", "half": "tl::half_t", "bfloat16": "tl::bfloat16_t"}
_DTYPE = {"float": np.float32, "double": np.float64, "half": np.float16, "bfloat16": BFLOAT16.dtype}


def _text(kind: str) -> str:
    t = _CPP[kind]
    calls = [f"r[{j} * n + i] = tl::{name}(a);" for j, name in enumerate(_UNARY)]
    calls += [f"r[{j + len(_UNARY)} * n + i] = tl::{name}(a, b);" for j, name in enumerate(_BINARY)]
    return f"""#include <tl/math.h>
extern "C" __global__ void k(const {t}* x, const {t}* y, {t}* r, int32_t n) {{
  for (int i = threadIdx.x; i < n; i += 32) {{
    {t} a = x[i], b = y[i];
    {" ".join(calls)}
  }}
}}
TL_ENTRY(k)"""


@pytest.mark.parametrize("kind", _TYPES)
def test_functions(build, rng, kind):
    fmt: Format | None = _TYPES[kind]
    x = np.concatenate([rng.uniform(-5, 5, 200), rng.uniform(-1, 1, 200), [0.5, 1.5, 2.5, -0.5, -1.5]]).astype(_DTYPE[kind])
    y = rng.uniform(-3, 3, x.size).astype(_DTYPE[kind])
    r = np.full((len(_UNARY) + len(_BINARY), x.size), 77).astype(_DTYPE[kind])
    build(_text(kind), "k").launch("k", (1,), (32,), [x, y, r, x.size])
    a, b = x.astype(np.float64), y.astype(np.float64)
    with np.errstate(all="ignore"):
        expected = [f(a) for f in _UNARY.values()] + [f(a, b) for f in _BINARY.values()]
        for name, got, want in zip([*_UNARY, *_BINARY], r.astype(np.float64), expected, strict=True):
            tolerance = 4e-15 if fmt is None else 2.0 ** (2 - fmt.precision)
            want = want if fmt is None else fmt.round(want)
            np.testing.assert_allclose(got, want, rtol=tolerance, atol=tolerance / 100, err_msg=name)


def test_copysign_takes_the_sign_of_nan(build):
    text = """#include <tl/core.h>
#include <tl/math.h>
extern "C" __global__ void k(const tl::half_t* x, const tl::half_t* y, tl::half_t* z) {
  z[threadIdx.x] = tl::copysign(x[threadIdx.x], y[threadIdx.x]);
}
TL_ENTRY(k)"""
    x = np.array([1.5, -1.5, np.inf, 0], np.float16)
    y = np.array([0xFE00, 0x7E00, 0xFC01, 0x8000], np.uint16).view(np.float16)
    z = np.zeros(4, np.float16)
    build(text, "k").launch("k", (1,), (4,), [x, y, z])
    assert np.array_equal(z.view(np.uint16), np.array([-1.5, 1.5, -np.inf, -0.0], np.float16).view(np.uint16))
