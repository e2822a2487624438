"""8-bit and 6-bit floating formats: every code, and every rounding between two of them, against ml_dtypes and torch."""

import ml_dtypes
import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import poisoned
from tilelang.errors import DTypeError

FORMATS = {
    "float8_e4m3fn": 256, "float8_e5m2": 256, "float8_e8m0fnu": 256, "float8_e4m3fnuz": 256, "float8_e5m2fnuz": 256,
    "float8_e4m3b11fnuz": 256, "float8_e3m4": 256, "float6_e2m3fn": 64, "float6_e3m2fn": 64,
}  # fmt: skip
WITH_TORCH = [f for f in FORMATS if hasattr(torch, f)]


def codes_of(tensor):
    return tensor.view(torch.uint8).cpu().numpy()


def as_argument(codes, dtype, device):
    held = torch.from_numpy(codes).to(device)
    return held.view(getattr(torch, dtype)) if dtype in WITH_TORCH else held


THREES = [list(FORMATS)[k : k + 3] for k in range(0, 9, 3)]


def decode(dtypes):
    a, b, c = dtypes
    n = T.dynamic("n")

    @T.prim_func
    def main(A: T.Tensor((n,), a), B: T.Tensor((n,), b), C: T.Tensor((n,), c), O: T.Tensor((3, n), "float32")):
        with T.Kernel(T.ceildiv(n, 48), threads=32) as bx:
            x = T.alloc_fragment((48,), a)
            y = T.alloc_shared((48,), b)
            T.copy(A[bx * 48], x)
            T.copy(B[bx * 48], y)
            for i in T.Parallel(48):
                if bx * 48 + i < n:
                    O[0, bx * 48 + i] = x[i]
                    O[1, bx * 48 + i] = y[i]
                    O[2, bx * 48 + i] = C[bx * 48 + i]

    return main


@pytest.mark.parametrize("dtypes", THREES, ids=str)
def test_every_code(dtypes, device):
    codes = np.arange(256, dtype=np.uint8)
    inputs = [as_argument(codes, dtype, device) for dtype in dtypes]
    out = run(decode(dtypes), inputs, ((3, 256), "float32"), device=device).cpu().numpy()
    for dtype, got in zip(dtypes, out):
        expected = codes[: FORMATS[dtype]].view(getattr(ml_dtypes, dtype)).astype(np.float32)
        got = got[: FORMATS[dtype]]
        assert np.array_equal(got.view(np.uint32)[~np.isnan(expected)], expected.view(np.uint32)[~np.isnan(expected)])
        assert np.array_equal(np.isnan(got), np.isnan(expected))


def encode(dtypes):
    a, b, c = dtypes
    n = T.dynamic("n")

    @T.prim_func
    def main(X: T.Tensor((3, n), "float32"), A: T.Tensor((n,), a), B: T.Tensor((n,), b), C: T.Tensor((n,), c)):
        with T.Kernel(T.ceildiv(n, 96), threads=32) as bx:
            tile = T.alloc_shared((96,), "float32")
            T.copy(X[0, bx * 96], tile)
            for i in T.Parallel(96):
                if bx * 96 + i < n:
                    A[bx * 96 + i] = T.cast(tile[i], a)
                    B[bx * 96 + i] = X[1, bx * 96 + i]
                    C[bx * 96 + i] = T.Cast(c, X[2, bx * 96 + i])

    return main


@pytest.fixture(scope="module")
def encoders():
    return {}


def encoded(dtypes, x, device, encoders):
    """What a kernel makes of the rows of x in three formats, as codes."""
    kernel = encoders.setdefault(str(dtypes), None) or tilelang.compile(encode(dtypes))
    encoders[str(dtypes)] = kernel
    outs = [poisoned((x.shape[1],), dtype if dtype in WITH_TORCH else "uint8", device) for dtype in dtypes]
    kernel(torch.from_numpy(x).to(device), *(o.tensor for o in outs))
    for out in outs:
        out.assert_guards()
    return [codes_of(out.tensor) for out in outs]


def around(values):
    """Every finite value, the middle between neighbours, and the floats next to those."""
    values = np.unique(values[np.isfinite(values)]).astype(np.float64)
    middles = ((values[1:] + values[:-1]) / 2).astype(np.float32)
    points = np.concatenate([values.astype(np.float32), middles])
    up, down = (np.nextafter(points, np.float32(end)) for end in (np.inf, -np.inf))
    return np.unique(np.concatenate([points, up, down]))


@pytest.mark.parametrize("dtypes", THREES, ids=str)
def test_every_rounding(dtypes, device, encoders):
    points = []
    for dtype in dtypes:
        x = around(np.arange(FORMATS[dtype], dtype=np.uint8).view(getattr(ml_dtypes, dtype)).astype(np.float32))
        points.append(x[np.abs(x) <= np.float32(getattr(T, dtype).max)])
    x = np.stack([np.resize(p, max(map(len, points))) for p in points]).astype(np.float32)
    for dtype, row, got in zip(dtypes, x, encoded(dtypes, x, device, encoders)):
        expected = row.astype(getattr(ml_dtypes, dtype)).view(np.uint8)
        if dtype == "float8_e8m0fnu":
            expected = torch.from_numpy(row).to(torch.float8_e8m0fnu).view(torch.uint8).numpy()
        assert np.array_equal(got, expected), dtype


@pytest.mark.parametrize("dtypes", THREES, ids=str)
def test_beyond_the_largest(dtypes, device, encoders):
    """What is too large saturates; NaN stays NaN where the format has one."""
    x = np.tile(np.array([np.inf, -np.inf, 1e38, -1e38, np.nan, -0.0, 0.0, 1e-30], np.float32), (3, 1))
    for dtype, codes in zip(dtypes, encoded(dtypes, x, device, encoders)):
        got = codes.view(getattr(ml_dtypes, dtype)).astype(np.float32)
        largest, lowest = getattr(T, dtype).max, getattr(T, dtype).min
        if dtype == "float8_e8m0fnu":
            assert got[0] == got[1] == largest and np.isnan(got[4]) and got[5] == got[6] == lowest
            continue
        assert got[0] == got[2] == largest and got[1] == got[3] == lowest and not got[5:].any()
        assert np.isnan(got[4]) or (dtype.startswith("float6") and got[4] == largest)


@pytest.mark.parametrize("dtype", ["float8_e4m3fnuz", "float6_e3m2fn"])
def test_arithmetic_goes_through_float(dtype, device):
    n = FORMATS[dtype]

    @T.prim_func
    def main(A: T.Tensor((n,), dtype), B: T.Tensor((n,), dtype), C: T.Tensor((n,), dtype)):
        with T.Kernel(1, threads=64):
            for i in T.Parallel(n):
                C[i] = T.max(-A[i], B[i]) * A[i]

    kind = getattr(ml_dtypes, dtype)
    codes = np.arange(n, dtype=np.uint8)
    a, b = codes, np.random.default_rng().permutation(codes)
    out = poisoned((n,), dtype if dtype in WITH_TORCH else "uint8", device)
    tilelang.compile(main)(as_argument(a, dtype, device), as_argument(b, dtype, device), out.tensor)
    x, y = (v.view(kind).astype(np.float32) for v in (a, b))
    product = np.fmax(-x, y) * x
    limit = np.float32(getattr(T, dtype).max)
    usual = np.isfinite(x) & np.isfinite(y) & (np.abs(product) <= limit)
    got = codes_of(out.tensor).view(kind).astype(np.float32)
    assert np.array_equal(got[usual], product.astype(kind).astype(np.float32)[usual])


def test_other_roundings_are_refused():
    @T.prim_func
    def main(A: T.Tensor((4,), "float32"), B: T.Tensor((4,), "float8_e8m0fnu")):
        with T.Kernel(1, threads=32):
            B[0] = T.cast(A[0], "float8_e8m0fnu", round="rz")

    with pytest.raises(DTypeError, match="float8_e8m0fnu with round='rz'"):
        main.get()


def test_sizes_and_names():
    assert T.float6_e2m3fn.bits == 6 and T.float6_e2m3fn.bytes == 1 and T.tfloat32 == "float32"
    assert T.float8_e8m0fnu.as_torch() is torch.float8_e8m0fnu and T.float8_e3m4.as_torch() is torch.uint8
    with pytest.raises(DTypeError, match="no infinity"):
        T.infinity("float8_e4m3fnuz")
