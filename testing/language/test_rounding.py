"""Rounding modes: T.ieee_* against exact rationals, T.cast to every narrower format, exhaustively around its numbers."""

import math
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import DTypeError, SemanticError

N = 128
MODES = ("rn", "rz", "ru", "rd")


def arithmetic(dtype):
    @T.prim_func
    def main(A: T.Tensor((N,), dtype), B: T.Tensor((N,), dtype), C: T.Tensor((N,), dtype), O: T.Tensor((4, 7, N), dtype)):
        with T.Kernel(1, threads=N):
            t = T.get_thread_binding()
            for k, mode in enumerate(MODES):
                O[k, 0, t] = T.ieee_add(A[t], B[t], mode)
                O[k, 1, t] = T.ieee_sub(A[t], B[t], mode)
                O[k, 2, t] = T.ieee_mul(A[t], B[t], mode)
                O[k, 3, t] = T.ieee_fdiv(A[t], B[t], mode)
                O[k, 4, t] = T.ieee_fmaf(A[t], B[t], C[t], mode)
                O[k, 5, t] = T.ieee_frcp(A[t], mode)
                O[k, 6, t] = T.ieee_fsqrt(T.abs(A[t]), mode)

    return main


def rounded(exact, mode, kind):
    """A rational rounded to float32 or float64."""
    near = kind(float(exact)) if kind is np.float32 else np.float64(float(exact))
    low = near if Fraction(float(near)) <= exact else np.nextafter(near, kind(-np.inf))
    high = low if Fraction(float(low)) == exact else np.nextafter(low, kind(np.inf))
    if mode == "rn":
        below, above = exact - Fraction(float(low)), Fraction(float(high)) - exact
        if below != above:
            return low if below < above else high
        return low if low.view(np.uint32 if kind is np.float32 else np.uint64) % 2 == 0 else high
    return {"rz": low if exact > 0 else high, "ru": high, "rd": low}[mode]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arithmetic(dtype, device):
    kind = getattr(np, dtype)
    a, b, c = (random(N, dtype, device) for _ in range(3))
    out = run(arithmetic(dtype), [a, b, c], ((4, 7, N), dtype), device=device).cpu().numpy()
    for t, (x, y, z) in enumerate(zip(*(v.cpu().numpy() for v in (a, b, c)))):
        p, q, r = (Fraction(float(v)) for v in (x, y, z))
        exact = [p + q, p - q, p * q, p / q, p * q + r, 1 / p]
        for k, mode in enumerate(MODES):
            for n, value in enumerate(exact):
                assert out[k, n, t] == rounded(value, mode, kind), (mode, n, x, y, z)
            root = Fraction(float(out[k, 6, t]))
            if mode in ("rz", "rd"):
                assert root**2 <= abs(p) and Fraction(float(np.nextafter(out[k, 6, t], kind(np.inf)))) ** 2 > abs(p)
            elif mode == "ru":
                assert root**2 >= abs(p) and Fraction(float(np.nextafter(out[k, 6, t], kind(0)))) ** 2 < abs(p)


FORMATS = {
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3fn": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
CAST_MODES = ("rn", "rz", "ru", "rd", "rna")


def casts(dtype, size):
    @T.prim_func
    def main(A: T.Tensor((size,), "float32"), O: T.Tensor((6, size), dtype)):
        with T.Kernel(T.ceildiv(size, 128), threads=128) as bx:
            t = bx * 128 + T.get_thread_binding()
            if t < size:
                for k, mode in enumerate(CAST_MODES):
                    O[k, t] = T.cast(A[t], dtype, round=mode)
                O[5, t] = T.cast(A[t], dtype, sat=False)

    return main


def round_to_format(x, values, mode, saturate, largest):
    """The value of a format by bisection; `values` are its non-negative finite numbers in order."""
    magnitude, negative = abs(x), math.copysign(1, x) < 0
    if magnitude > largest:
        away = {"rn": None, "rna": None, "rz": False, "ru": not negative, "rd": negative}[mode]
        step = largest - values[-2]
        if away is None:
            away = magnitude >= largest + step / 2 if mode == "rna" or values[-1] / step % 2 else magnitude > largest + step / 2
        return None if away and not saturate else -largest if negative else largest
    k = int(np.searchsorted(values, magnitude))
    if values[k] == magnitude:
        return x
    low, high = values[k - 1], values[k]
    away = {
        "rz": False,
        "ru": not negative,
        "rd": negative,
        "rna": magnitude - low >= high - magnitude,
        "rn": magnitude - low > high - magnitude or (magnitude - low == high - magnitude and k % 2 == 0),
    }[mode]
    return math.copysign(high if away else low, x)


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_casts(dtype, device):
    """Every number of a format (a sample of the 16-bit ones), the middles between neighbours, and their neighbours in float32."""
    kind = FORMATS[dtype]
    codes = (
        np.arange(256, dtype=np.uint8)
        if dtype.startswith("float8")
        else np.random.default_rng().integers(0, 65536, 300, np.uint16)
    )
    numbers = np.unique(np.abs(codes.view(kind).astype(np.float32)))
    numbers = numbers[np.isfinite(numbers)]
    every = (
        np.arange(128, dtype=np.uint8).view(kind) if dtype.startswith("float8") else np.arange(32768, dtype=np.uint16).view(kind)
    )
    every = every.astype(np.float64)
    every = every[np.isfinite(every)]
    places = np.searchsorted(every, numbers)
    middles = ((every[places] + every[np.minimum(places + 1, len(every) - 1)]) / 2).astype(np.float32)
    inputs = np.concatenate([numbers, middles, np.nextafter(middles, np.float32(np.inf)), np.nextafter(middles, np.float32(0))])
    inputs = np.concatenate([inputs, -inputs, np.float32([np.inf, -np.inf, np.nan, 500.0, 1e5, 3.4e38])])
    out = run(
        casts(dtype, len(inputs)),
        [torch.tensor(inputs, device=device)],
        ((6, len(inputs)), dtype.replace("m3fn", "m3")),
        device=device,
    )
    got = out.float().cpu().numpy()
    is_float8 = dtype.startswith("float8")
    infinite = float("nan") if dtype == "float8_e4m3fn" else float("inf")
    for row, (mode, saturate) in enumerate([*((m, is_float8) for m in CAST_MODES), ("rn", False)]):
        for x, y in zip(inputs.tolist(), got[row].tolist()):
            if math.isnan(x):
                want = x
            elif math.isinf(x):
                want = math.copysign(every[-1] if saturate else infinite, x)
            else:
                want = round_to_format(x, every, mode, saturate, every[-1])
                want = math.copysign(infinite, x) if want is None else want
            assert y == want or (math.isnan(y) and math.isnan(want)), f"{mode} sat={saturate}: {x!r} gave {y}, expected {want}"


@T.prim_func
def integers(
    A: T.Tensor((N,), "float32"), O: T.Tensor((5, N), "int32"), R: T.Tensor((2, N), "uint32"), S: T.Tensor((2, N), "bfloat16")
):
    with T.Kernel(1, threads=N):
        t = T.get_thread_binding()
        for k, mode in enumerate(CAST_MODES):
            O[k, t] = T.cast(A[t], "int32", round=mode)
        S[0, t] = T.cast(A[t], "bfloat16", round="rs", rbits=R[0, t])
        S[1, t] = T.cast(A[t], "bfloat16", rbits=0)


def test_integers_and_stochastic(device):
    a = torch.randint(-40, 40, (N,), device=device) / 4 + torch.rand(N, device=device).round() * 0.1
    r = random((2, N), "uint32", device)
    o, s = run_integers(a, r, device)
    x = a.cpu().double()
    away = torch.sign(x) * (x.abs() + 0.5).floor()
    want = torch.stack([x.round(), x.trunc(), x.ceil(), x.floor(), away]).int()
    assert torch.equal(o.cpu(), want)
    raw = a.cpu().view(torch.int32)
    low = (raw & ~0xFFFF).view(torch.float32)
    share = (raw & 0xFFFF).double() / 65536
    bits = (r[0].cpu().view(torch.int32).long() & 0xFFFFFFFF).double() / 2**32
    high = ((raw & ~0xFFFF) + 0x10000).view(torch.float32)
    assert torch.equal(s[0].float().cpu(), torch.where(share > bits, high, low))
    assert torch.equal(s[1].float().cpu(), torch.where(share > 0, high, low))


def run_integers(a, r, device):
    import tilelang

    o = torch.empty((5, N), dtype=torch.int32, device=device)
    s = torch.empty((2, N), dtype=torch.bfloat16, device=device)
    tilelang.compile(integers)(a, o, r, s)
    return o, s


@pytest.mark.parametrize(
    "expression, kind, part",
    [
        (lambda x: T.ieee_add(x, x, "up"), SemanticError, "rounding_mode='up'"),
        (lambda x: T.ieee_mul(T.cast(x, "float16"), T.cast(x, "float16")), DTypeError, "float32 and float64"),
        (lambda x: T.cast(x, "float16", round="nearest"), SemanticError, "round='nearest'"),
        (lambda x: T.cast(x, "float16", round="rs"), SemanticError, "rbits"),
        (lambda x: T.cast(x, "int32", rbits=1), DTypeError, "stochastic rounding to int32"),
    ],
)
def test_refusals(expression, kind, part):
    @T.prim_func
    def main(G: T.Tensor((8,), "float32")):
        with T.Kernel(1):
            G[0] = expression(G[0])

    with pytest.raises(kind) as caught:
        main.get()
    assert part in str(caught.value)
