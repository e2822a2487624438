"""Elementary functions on a CPU: near enough to the truth, in vector code, alike in the middle and at the edge of a tile."""

from __future__ import annotations

import platform

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.cpu.ulp import FUNCTIONS, measure, worst

# Without fused multiply-add, as on x86-64 before 2013; AVX-512 has one of its own.
UNFUSED = ("-mno-fma", "-mno-avx512f", "-mno-fma4")
BITS = {"inf": 0x7F800000, "largest": 0x7F7FFFFF, "one": 0x3F800000, "least normal": 0x00800000, "least": 1, "zero": 0}


@pytest.fixture(scope="module", params=[(), UNFUSED], ids=["fused", "unfused"])
def library(request):
    if request.param and platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("these flags are of x86-64")
    with measure(flags=request.param) as built:
        yield built


@pytest.mark.parametrize("name", FUNCTIONS)
def test_within_two_units_in_the_last_place(library, name):
    units, at = worst(library, name, step=8191)  # all of the 2^32: python -m testing.cpu.ulp
    assert units <= 2.0, f"{name}({at!r})"
    for sign in (0, 1 << 31):
        for place, bits in BITS.items():
            begin = max(0, bits - 2000)
            units, at = worst(library, name, begin + sign, bits + 2000 + sign)
            assert units <= 2.0, f"{name}({at!r}), near {place}"


# Where an argument is reduced, a polynomial ends, or a result overflows or vanishes.
SEAMS = {
    "exp": (88.72284, -87.33655, -103.97208, 0.34657359, 1.0397208),
    "exp2": (128.0, -126.0, -150.0, 0.5, 1.5),
    "exp10": (38.53184, -37.929779, -45.154499, 0.150515),
    "log": (0.70710678, 1.41421356, 2.0),
    "log2": (0.70710678, 1.41421356, 2.0),
    "log10": (0.70710678, 1.41421356, 10.0),
    "tanh": (0.6, 9.0109, 10.0, 0.17328680),
    "erf": (0.92, 3.9192059, 4.0),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_where_pieces_meet(library, name):
    for seam in SEAMS[name]:
        bits = int(torch.tensor(seam, dtype=torch.float32).view(torch.int32)) & 0xFFFFFFFF
        units, at = worst(library, name, bits - 4000, bits + 4000)
        assert units <= 2.0, f"{name}({at!r})"


@tilelang.jit(out_idx=-1, target="c")
def apply(name, n, dtype):
    @T.prim_func
    def apply(A: T.Tensor((n,), dtype), B: T.Tensor((n,), dtype)):
        with T.Kernel(T.ceildiv(n, 64), threads=32) as bx:
            for i in T.Parallel(64):
                B[bx * 64 + i] = T.cast(getattr(T, name)(T.cast(A[bx * 64 + i], "float32")), dtype)

    return apply


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_ragged_ends_have_the_bits_of_the_middle(dtype):
    a = torch.randn(640).to(getattr(torch, dtype))
    whole, cut = apply("erf", 640, dtype), apply("erf", 627, dtype)
    assert torch.equal(whole(a)[:627].view(torch.int16), cut(a[:627].clone()).view(torch.int16))
    torch.testing.assert_close(whole(a), torch.erf(a.float()).to(a.dtype), rtol=2e-3 if dtype == "float16" else 1e-2, atol=0)
    assert b"erff" not in whole.artifact.payload  # no call: the loop around it is vector code
