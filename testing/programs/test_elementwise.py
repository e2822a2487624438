"""Elementwise programs in every dtype: arithmetic, comparison, selection, bits."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.matrix import sampled
from testing.programs.reference import ALL, FLOATS, INTS, assert_close, is_float, random, torch_dtype


def exact(x: torch.Tensor) -> torch.Tensor:
    """The values in float64 or int64 (uint64 by its bits: sums and products wrap alike)."""
    if x.dtype.is_floating_point:
        return x.double()
    return x.view(torch.int64) if x.dtype == torch.uint64 else x.to(torch.int64)


def narrow(x: torch.Tensor, dtype: str) -> torch.Tensor:
    """Integers cut to the width of a dtype, as machine arithmetic does; floats stay."""
    return x if is_float(dtype) else x.view(torch.uint64) if dtype == "uint64" else x.to(torch_dtype(dtype))


def operands(shape, dtype, device, count=2):
    # Overflow of int32 and int64 is undefined in C++, so their operands are small; the others wrap.
    limits = (-1000, 1000) if dtype in ("int32", "int64") else (None, None)
    return [random(shape, dtype, device, *limits) for _ in range(count)]


def arithmetic(N, block, threads, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, block), threads=threads) as bx:
            for i in T.Parallel(block):
                C[bx * block + i] = A[bx * block + i] * B[bx * block + i] + A[bx * block + i] - B[bx * block + i]

    return main


@sampled(
    {
        "dtype": [d for d in ALL if d != "bool"],
        "N": [1, 1000, 4096],
        "block": [48, 256, 1024],
        "threads": [32, 128, 256],
    }
)
def test_arithmetic(dtype, N, block, threads, device):
    a, b = operands(N, dtype, device)
    out = run(arithmetic(N, block, threads, dtype), [a, b], ((N,), dtype), device=device)
    x, y = exact(a), exact(b)
    assert_close(out, narrow(x * y + x - y, dtype), terms=3, scale=(x * y).abs().double() + x.abs().double() + y.abs().double())


def division(N, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), Q: T.Tensor((N,), dtype), R: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, 128), threads=64) as bx:
            for i in T.Parallel(128):
                Q[bx * 128 + i] = A[bx * 128 + i] // B[bx * 128 + i]
                R[bx * 128 + i] = A[bx * 128 + i] % B[bx * 128 + i]

    return main


@pytest.mark.parametrize("dtype", [d for d in INTS if d != "uint64"])
def test_integer_division_rounds_down(dtype, device):
    N = 500
    a, b = random(N, dtype, device, -100 if dtype[0] == "i" else 0, 100), random(N, dtype, device, 1, 12)
    b = torch.where(torch.rand(N, device=device) < 0.5, -exact(b), exact(b)).to(b.dtype) if dtype[0] == "i" else b
    q, r = run(division(N, dtype), [a, b], ((N,), dtype), ((N,), dtype), device=device)
    assert_close(q, torch.div(exact(a), exact(b), rounding_mode="floor"))
    assert_close(r, torch.remainder(exact(a), exact(b)))


def quotient(N, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype)):
        with T.Kernel(T.ceildiv(N, 96), threads=96) as bx:
            for i in T.Parallel(96):
                C[bx * 96 + i] = A[bx * 96 + i] / B[bx * 96 + i]

    return main


@pytest.mark.parametrize("dtype", FLOATS)
def test_division(dtype, device):
    N = 333
    a, b = random(N, dtype, device), random(N, dtype, device, 0.5, 2.0)
    out = run(quotient(N, dtype), [a, b], ((N,), dtype), device=device)
    assert_close(out, a.double() / b.double())


def comparison(N, dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((6, N), "bool")):
        with T.Kernel(1, threads=64) as _:
            for i in T.Parallel(N):
                C[0, i] = A[i] < B[i]
                C[1, i] = A[i] <= B[i]
                C[2, i] = A[i] > B[i]
                C[3, i] = A[i] >= B[i]
                C[4, i] = A[i] == B[i]
                C[5, i] = A[i] != B[i]

    return main


@pytest.mark.parametrize(
    "dtype", ["float64", "float32", "float16", "bfloat16", "float8_e4m3", "int8", "int64", "uint8", "uint32", "uint64"]
)
def test_comparison(dtype, device):
    N = 200
    a = random(N, dtype, device)
    b = torch.where(torch.rand(N, device=device) < 0.3, exact(a), exact(random(N, dtype, device)))
    b = narrow(b, dtype).to(torch_dtype(dtype)) if dtype != "uint64" else b.view(torch.uint64)
    if is_float(dtype):  # every comparison with NaN but != is false
        a = exact(a).masked_fill(torch.rand(N, device=device) < 0.1, torch.nan).to(torch_dtype(dtype))
    out = run(comparison(N, dtype), [a, b], ((6, N), "bool"), device=device)
    x, y = exact(a), exact(b)
    if dtype == "uint64":  # order of unsigned numbers: flip the sign bit
        x, y = x ^ torch.iinfo(torch.int64).min, y ^ torch.iinfo(torch.int64).min
    assert_close(out, torch.stack([x < y, x <= y, x > y, x >= y, x == y, x != y]))


def bits(N, dtype, width):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), S: T.Tensor((N,), "int32"), C: T.Tensor((6, N), dtype)):
        with T.Kernel(T.ceildiv(N, 64), threads=32) as bx:
            for i in T.Parallel(64):
                if bx * 64 + i < N:
                    a = A[bx * 64 + i]
                    b = B[bx * 64 + i]
                    s = S[bx * 64 + i]
                    C[0, bx * 64 + i] = a & b
                    C[1, bx * 64 + i] = a | b
                    C[2, bx * 64 + i] = a ^ b
                    C[3, bx * 64 + i] = ~a
                    C[4, bx * 64 + i] = T.cast(a << T.cast(s, dtype), dtype)
                    C[5, bx * 64 + i] = a >> T.cast(s, dtype)

    return main


@pytest.mark.parametrize("dtype", INTS)
def test_bits(dtype, device):
    N, width = 150, int(dtype.lstrip("uint"))
    a, b = random(N, dtype, device), random(N, dtype, device)
    s = random(N, "int32", device, 0, width)
    if dtype[0] == "i":  # shifting a one into the sign is fine on the machine and undefined in C++: keep it away
        a, s = narrow(exact(a).clamp(0) >> (width // 2), dtype), s % (width // 2)
    out = run(bits(N, dtype, width), [a, b, s], ((6, N), dtype), device=device)
    x, y, n = exact(a), exact(b), s.to(torch.int64)
    shifted = x >> n
    if dtype == "uint64":  # torch shifts the sign in
        shifted = torch.where(n == 0, x, (x >> n) & ((1 << (64 - n.clamp(min=1))) - 1))
    assert_close(out, narrow(torch.stack([x & y, x | y, x ^ y, ~x, x << n, shifted]), dtype))


def logic(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "bool"), B: T.Tensor((N,), "bool"), C: T.Tensor((4, N), "bool")):
        with T.Kernel(T.ceildiv(N, 64), threads=64) as bx:
            for i in T.Parallel(64):
                C[0, bx * 64 + i] = A[bx * 64 + i] and B[bx * 64 + i]
                C[1, bx * 64 + i] = A[bx * 64 + i] or B[bx * 64 + i]
                C[2, bx * 64 + i] = not A[bx * 64 + i]
                C[3, bx * 64 + i] = A[bx * 64 + i] != B[bx * 64 + i]

    return main


def test_logic(device):
    N = 77
    a, b = random(N, "bool", device), random(N, "bool", device)
    assert_close(run(logic(N), [a, b], ((4, N), "bool"), device=device), torch.stack([a & b, a | b, ~a, a ^ b]))


def selection(N, dtype, low, high):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((5, N), dtype)):
        with T.Kernel(T.ceildiv(N, 80), threads=64) as bx:
            for i in T.Parallel(80):
                C[0, bx * 80 + i] = T.max(A[bx * 80 + i], B[bx * 80 + i])
                C[1, bx * 80 + i] = T.min(A[bx * 80 + i], B[bx * 80 + i])
                C[2, bx * 80 + i] = T.clamp(A[bx * 80 + i], low, high)
                C[3, bx * 80 + i] = T.if_then_else(A[bx * 80 + i] > B[bx * 80 + i], A[bx * 80 + i], low)
                C[4, bx * 80 + i] = A[bx * 80 + i] if (bx * 80 + i) % 3 == 0 else B[bx * 80 + i]

    return main


@pytest.mark.parametrize("dtype", [*FLOATS, "int8", "int32", "int64", "uint8", "uint16"])
def test_selection(dtype, device):
    N = 250
    a, b = random(N, dtype, device), random(N, dtype, device)
    low, high = (-0.5, 0.75) if is_float(dtype) else (3, 100)
    out = run(selection(N, dtype, low, high), [a, b], ((5, N), dtype), device=device)
    x, y = exact(a), exact(b)
    third = torch.arange(N, device=device) % 3 == 0
    expected = [
        torch.maximum(x, y),
        torch.minimum(x, y),
        x.clamp(low, high),
        torch.where(x > y, x, low),
        torch.where(third, x, y),
    ]
    assert_close(out, torch.stack(expected), ulps=0)


def scaled(M, N, dtype):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), alpha: T.float32, shift: T.int32, C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, 4), threads=128) as bx:
            for i, j in T.Parallel(4, N):
                C[bx * 4 + i, j] = T.cast(A[bx * 4 + i, j] * alpha + shift, dtype)

    return main


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("alpha, shift", [(0.5, 3), (-2.25, -7)])
def test_scalar_arguments(dtype, alpha, shift, device):
    a = random((9, 33), dtype, device)
    out = run(scaled(9, 33, dtype), [a, alpha, shift], ((9, 33), dtype), device=device)
    assert_close(out, a.double() * alpha + shift, scale=a.double().abs() * abs(alpha) + abs(shift))


def in_place(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32")):
        with T.Kernel(T.ceildiv(N, 256), threads=128) as bx:
            for i in T.Parallel(256):
                A[bx * 256 + i] = A[bx * 256 + i] * 2.0 + 1.0

    return main


def test_in_place(device):
    a = random(777, "float32", device)
    expected = a.double() * 2 + 1
    run(in_place(777), [a], device=device, inout=(0,))
    assert_close(a, expected, scale=expected.abs() + 1)


def constants(N, dtype):
    @T.prim_func
    def main(C: T.Tensor((5, N), dtype)):
        with T.Kernel(1, threads=32) as _:
            for i in T.Parallel(N):
                C[0, i] = T.max_value(dtype)
                C[1, i] = T.min_value(dtype)
                C[2, i] = T.infinity(dtype)
                C[3, i] = -T.infinity(dtype)
                C[4, i] = 0.1

    return main


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
def test_constants(dtype, device):
    out = run(constants(40, dtype), [], ((5, 40), dtype), device=device)
    info = torch.finfo(torch_dtype(dtype))
    column = torch.tensor([info.max, info.min, torch.inf, -torch.inf, 0.1], dtype=torch.float64).to(torch_dtype(dtype)).double()
    assert_close(out, column[:, None].expand(5, 40), ulps=0)
