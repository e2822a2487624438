"""Conversions between dtypes, elementwise and inside copies."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import ALL, FLOATS, INTS, assert_close, is_float, random, torch_dtype


def cast_elements(N, src, dst):
    @T.prim_func
    def main(A: T.Tensor((N,), src), C: T.Tensor((N,), dst)):
        with T.Kernel(T.ceildiv(N, 112), threads=64) as bx:
            for i in T.Parallel(112):
                C[bx * 112 + i] = T.cast(A[bx * 112 + i], dst)

    return main


def cast_copy(N, src, dst):
    @T.prim_func
    def main(A: T.Tensor((N,), src), C: T.Tensor((N,), dst)):
        with T.Kernel(T.ceildiv(N, 128), threads=64) as bx:
            tile = T.alloc_fragment((128,), src)
            wide = T.alloc_fragment((128,), dst)
            T.copy(A[bx * 128], tile)
            T.copy(tile, wide)
            T.copy(wide, C[bx * 128])

    return main


def expected_cast(a: torch.Tensor, src: str, dst: str) -> torch.Tensor:
    """What the conversion means: truncation to integers, nearest even to floats, wrapping between integers, != 0 to bool."""
    exact = a.double() if is_float(src) else a.view(torch.int64) if src == "uint64" else a.to(torch.int64)
    if dst == "bool":
        return exact != 0
    if is_float(dst):
        return rounded_once(exact.double(), torch_dtype(dst))
    bits = exact.trunc().to(torch.int64) if is_float(src) else exact
    return bits.view(torch.uint64) if dst == "uint64" else bits.to(torch_dtype(dst))


def rounded_once(x: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Finite values in the range of `dtype`, to its nearest even; torch goes through float, and so rounds them twice."""
    info = torch.finfo(dtype)
    exponent = torch.frexp(x.abs().clamp(min=info.smallest_normal)).exponent - 1
    unit = torch.ldexp(torch.full_like(x, info.eps), exponent)
    return (x / unit).round() * unit


def convertible(N: int, src: str, device: str, floats: bool) -> torch.Tensor:
    """Values in range of every destination; between integers any value, whose low bits stay."""
    if is_float(src):
        return random(N, src, device, 0.0, 100.0)
    return random(N, src, device, 0, 100) if floats and src != "bool" else random(N, src, device)


def cast_to_five(N, src, dst):
    @T.prim_func
    def main(
        A: T.Tensor((N,), src),
        C0: T.Tensor((N,), dst[0]),
        C1: T.Tensor((N,), dst[1]),
        C2: T.Tensor((N,), dst[2]),
        C3: T.Tensor((N,), dst[3]),
        C4: T.Tensor((N,), dst[4]),
    ):
        with T.Kernel(T.ceildiv(N, 112), threads=64) as bx:
            for i in T.Parallel(112):
                C0[bx * 112 + i] = T.cast(A[bx * 112 + i], dst[0])
                C1[bx * 112 + i] = T.cast(A[bx * 112 + i], dst[1])
                C2[bx * 112 + i] = T.cast(A[bx * 112 + i], dst[2])
                C3[bx * 112 + i] = T.cast(A[bx * 112 + i], dst[3])
                C4[bx * 112 + i] = T.cast(A[bx * 112 + i], dst[4])

    return main


FIVES = {"floats": FLOATS[1:], "ints": INTS[:5], "others": (*INTS[5:], "bool", "float64")}


@pytest.mark.parametrize("group", FIVES)
@pytest.mark.parametrize("src", ALL)
def test_cast(src, group, device):
    N, dst = 300, FIVES[group]
    a = convertible(N, src, device, floats=group != "ints")
    outs = run(cast_to_five(N, src, dst), [a], *(((N,), d) for d in dst), device=device)
    for d, out in zip(dst, outs):
        assert_close(out, expected_cast(a, src, d), ulps=0)


PAIRS = [(s, d) for s in ALL for d in ALL]


@pytest.mark.parametrize(
    "src, dst",
    [pytest.param(s, d, marks=() if k % 14 == 4 else pytest.mark.gpu_matrix) for k, (s, d) in enumerate(PAIRS)],
)
def test_copy_casts(src, dst, device):
    N = 300
    a = convertible(N, src, device, floats=is_float(dst))
    out = run(cast_copy(N, src, dst), [a], ((N,), dst), device=device)
    assert_close(out, expected_cast(a, src, dst), ulps=0)


@pytest.mark.parametrize("dst", ["float16", "bfloat16", "float8_e4m3", "float8_e5m2"])
def test_narrowing_rounds_to_nearest_even(dst, device):
    """Halfway cases decide: values with one bit more than the destination holds."""
    N = 256
    grid = torch.arange(N, device=device, dtype=torch.float32)
    digits = {"float16": 10, "bfloat16": 7, "float8_e4m3": 3, "float8_e5m2": 2}[dst]
    a = (1.0 + grid % 2 ** (digits + 1) / 2 ** (digits + 1)) * 2.0 ** (grid % 5 - 2)
    out = run(cast_elements(N, "float32", dst), [a], ((N,), dst), device=device)
    assert_close(out, a.to(torch_dtype(dst)).double(), ulps=0)


@pytest.mark.parametrize("dst", ["float8_e4m3", "float8_e5m2"])
def test_float8_saturates(dst, device):
    """A value beyond the largest finite one becomes the largest finite one, as the hardware's conversion has it."""
    limit = torch.finfo(torch_dtype(dst)).max
    a = torch.tensor([limit, limit * 1.5, -limit * 1.5, 1e30, -1e30, 1.0, -1.0, 0.0] * 8, device=device)
    out = run(cast_elements(64, "float32", dst), [a], ((64,), dst), device=device)
    assert_close(out, a.double().clamp(-limit, limit), ulps=0)


def reinterpret(N):
    @T.prim_func
    def main(A: T.Tensor((N,), "float32"), C: T.Tensor((N,), "int32"), D: T.Tensor((N,), "float32")):
        with T.Kernel(1, threads=64) as _:
            for i in T.Parallel(N):
                C[i] = T.reinterpret(A[i], "int32")
                D[i] = T.reinterpret(T.reinterpret(A[i], "int32") ^ -(2**31), "float32")

    return main


def test_reinterpret(device):
    a = random(100, "float32", device)
    c, d = run(reinterpret(100), [a], ((100,), "int32"), ((100,), "float32"), device=device)
    assert_close(c, a.view(torch.int32))
    assert_close(d, -a.double(), ulps=0)


@pytest.mark.parametrize("dtype", FLOATS)
def test_special_values_survive(dtype, device):
    wide = "float64" if dtype == "float64" else "float32"
    values = [torch.nan, 0.0, -0.0, 1.0, -1.5] + ([] if dtype == "float8_e4m3" else [torch.inf, -torch.inf])
    a = torch.tensor(values * 8, dtype=torch.float64).to(torch_dtype(dtype)).to(device)
    out = run(cast_elements(len(a), dtype, wide), [a], ((len(a),), wide), device=device)
    assert_close(out, a.double(), ulps=0)
    assert torch.equal(out.double().cpu().signbit() | out.isnan().cpu(), a.double().cpu().signbit() | a.double().isnan().cpu())
