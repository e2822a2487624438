"""Elementwise functions against float64."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close, random, torch_dtype

# Four functions a kernel: (functions, references, interval of the operand, units in the last place that are allowed).
UNARY = {
    "exponential": (
        (T.exp, T.exp2, T.exp10, T.sigmoid),
        (torch.exp, torch.exp2, lambda x: 10.0**x, torch.sigmoid),
        (-4.0, 4.0),
        6,
    ),
    "logarithm": ((T.log, T.log2, T.log10, T.log1p), (torch.log, torch.log2, torch.log10, torch.log1p), (1.5, 40.0), 4),
    "root": ((T.sqrt, T.rsqrt, T.abs, T.erf), (torch.sqrt, torch.rsqrt, torch.abs, torch.erf), (0.1, 9.0), 4),
    "trigonometric": ((T.sin, T.cos, T.tan, T.atan), (torch.sin, torch.cos, torch.tan, torch.atan), (-1.2, 1.2), 6),
    "inverse": ((T.asin, T.acos, T.atan, T.sqrt), (torch.asin, torch.acos, torch.atan, torch.sqrt), (0.05, 0.95), 6),
    "hyperbolic": ((T.sinh, T.cosh, T.tanh, T.exp), (torch.sinh, torch.cosh, torch.tanh, torch.exp), (-3.0, 3.0), 8),
    "rounding": ((T.floor, T.ceil, T.trunc, T.round), (torch.floor, torch.ceil, torch.trunc, torch.round), (-40.0, 40.0), 0),
}


def unary(N, dtype, f):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), C: T.Tensor((4, N), dtype)):
        with T.Kernel(T.ceildiv(N, 128), threads=64) as bx:
            for i in T.Parallel(128):
                C[0, bx * 128 + i] = f[0](A[bx * 128 + i])
                C[1, bx * 128 + i] = f[1](A[bx * 128 + i])
                C[2, bx * 128 + i] = f[2](A[bx * 128 + i])
                C[3, bx * 128 + i] = f[3](A[bx * 128 + i])

    return main


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("family", UNARY)
def test_unary(family, dtype, device):
    functions, references, (low, high), ulps = UNARY[family]
    N = 300
    a = random(N, dtype, device, low, high)
    out = run(unary(N, dtype, functions), [a], ((4, N), dtype), device=device)
    x = a.double()
    # Near the zero of a function a relative bound asks for more than its argument holds: the error of the argument counts too.
    scale = (
        torch.where((x.abs() < 0.1).expand(4, N), 0.1, 0.0) if family in ("trigonometric", "hyperbolic", "exponential") else 0.0
    )
    assert_close(out, torch.stack([f(x) for f in references]), ulps=ulps, scale=scale)


def binary(N, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((6, N), dtype)):
        with T.Kernel(T.ceildiv(N, 128), threads=128) as bx:
            for i in T.Parallel(128):
                C[0, bx * 128 + i] = T.pow(A[bx * 128 + i], B[bx * 128 + i])
                C[1, bx * 128 + i] = T.atan2(A[bx * 128 + i], B[bx * 128 + i])
                C[2, bx * 128 + i] = T.hypot(A[bx * 128 + i], B[bx * 128 + i])
                C[3, bx * 128 + i] = T.copysign(A[bx * 128 + i], B[bx * 128 + i] - 1.0)
                C[4, bx * 128 + i] = T.fmod(A[bx * 128 + i], B[bx * 128 + i])
                C[5, bx * 128 + i] = A[bx * 128 + i] ** 3

    return main


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_binary(dtype, device):
    N = 300
    a, b = random(N, dtype, device, 0.5, 3.0), random(N, dtype, device, 0.25, 2.0)
    out = run(binary(N, dtype), [a, b], ((6, N), dtype), device=device)
    x, y = a.double(), b.double()
    expected = [x**y, torch.atan2(x, y), torch.hypot(x, y), torch.copysign(x, y - 1), torch.fmod(x, y), x**3]
    assert_close(out, torch.stack(expected), ulps=12)


def predicates(N, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), C: T.Tensor((3, N), "bool")):
        with T.Kernel(1, threads=32) as _:
            for i in T.Parallel(N):
                C[0, i] = T.isnan(A[i])
                C[1, i] = T.isinf(A[i])
                C[2, i] = T.isfinite(A[i])

    return main


@pytest.mark.parametrize(
    "dtype, fast_math", [("float64", False), ("float32", False), ("float32", True), ("float16", False), ("bfloat16", False)]
)
def test_predicates(dtype, fast_math, device):
    special = torch.tensor([torch.nan, torch.inf, -torch.inf, 0.0, -0.0, 1.0, -2.5], dtype=torch.float64)
    a = special[torch.randint(0, 7, (100,))].to(torch_dtype(dtype)).to(device)
    configs = {"tl.enable_fast_math": True} if fast_math else None
    out = run(predicates(100, dtype), [a], ((3, 100), "bool"), device=device, pass_configs=configs)
    assert_close(out, torch.stack([a.isnan(), a.isinf(), a.isfinite()]))


def fast(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), C: T.Tensor((4, N), "float32")):
        with T.Kernel(1, threads=64) as _:
            for i in T.Parallel(N):
                C[0, i] = T.exp(A[i])
                C[1, i] = T.exp2(A[i])
                C[2, i] = T.log(A[i])
                C[3, i] = 1.0 / A[i]

    return main


def test_fast_math_stays_close(device):
    a = random(128, "float32", device, 1.5, 6.0)
    out = run(fast(128), [a], ((4, 128), "float32"), device=device, pass_configs={"tl.enable_fast_math": True})
    x = a.double()
    assert_close(out, torch.stack([torch.exp(x), torch.exp2(x), torch.log(x), 1 / x]), ulps=64)


def integers(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "int32"), C: T.Tensor((N,), "int32"), D: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=64) as _:
            for i in T.Parallel(N):
                C[i] = T.abs(A[i])
                D[i] = T.sqrt(T.cast(A[i] * A[i], "float32"))

    return main


def test_integer_operands(device):
    a = random(100, "int32", device, -1000, 1000)
    c, d = run(integers(100), [a], ((100,), "int32"), ((100,), "float32"), device=device)
    assert_close(c, a.abs())
    assert_close(d, a.double().abs())
