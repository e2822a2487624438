"""Reference rounding to narrow formats, independent of the library under test: exact arithmetic on float64."""

from __future__ import annotations

from dataclasses import dataclass

import ml_dtypes
import numpy as np


@dataclass(frozen=True)
class Format:
    """A binary floating format: significand bits (the hidden one included), lowest normal exponent, largest value."""

    cpp: str
    dtype: type
    precision: int
    lowest_exponent: int
    largest: float
    saturates: bool

    def round(self, x: np.ndarray) -> np.ndarray:
        """Nearest even, as float64; overflow saturates or becomes infinity."""
        x = np.asarray(x, np.float64)
        _, exponent = np.frexp(np.where(np.isfinite(x), x, 0.0))
        unit = np.ldexp(1.0, np.maximum(exponent - 1, self.lowest_exponent) - (self.precision - 1))
        with np.errstate(over="ignore", invalid="ignore"):
            rounded = np.where(np.isfinite(x), np.rint(x / unit) * unit, x)
        over = np.abs(rounded) > self.largest
        limit = self.largest if self.saturates else np.inf
        return np.where(over, np.copysign(limit, rounded), rounded)


HALF = Format("tl::half_t", np.float16, 11, -14, 65504.0, False)
BFLOAT16 = Format("tl::bfloat16_t", ml_dtypes.bfloat16, 8, -126, float(ml_dtypes.finfo(ml_dtypes.bfloat16).max), False)
E4M3 = Format("tl::float8_e4m3_t", ml_dtypes.float8_e4m3fn, 4, -6, 448.0, True)
E5M2 = Format("tl::float8_e5m2_t", ml_dtypes.float8_e5m2, 3, -14, 57344.0, True)
FLOAT = Format("float", np.float32, 24, -126, float(np.finfo(np.float32).max), False)
NARROW = (HALF, BFLOAT16, E4M3, E5M2)


def every_value(fmt: Format) -> np.ndarray:
    """All bit patterns of a format, as its dtype."""
    bits = np.dtype(fmt.dtype).itemsize * 8
    return np.arange(2**bits, dtype=f"u{bits // 8}").view(fmt.dtype)


def hard_floats(rng: np.random.Generator, fmt: Format, count: int) -> np.ndarray:
    """float32 values around what a format rounds: random bits, neighbours of representable values and of midpoints."""
    with np.errstate(all="ignore"):
        anywhere = rng.integers(0, 2**32, count, dtype=np.uint32).view(np.float32)
        exact = every_value(fmt).astype(np.float32)
        middles = ((exact[:-1].astype(np.float64) + exact[1:].astype(np.float64)) / 2).astype(np.float32)
        near = np.concatenate([exact, middles])
        near = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e38, -1e38, 448, 449, 464, 465, 480, 57344, 61440, 65519.9, 65520]
    return np.concatenate([anywhere, near, np.array(special, np.float32)])


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    """Equal as numbers, NaN equal to NaN, zeros of equal sign."""
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    same = (got == expected) & (np.signbit(got) == np.signbit(expected)) | (np.isnan(got) & np.isnan(expected))
    wrong = np.flatnonzero(~same)
    assert wrong.size == 0, f"{wrong.size} differ, first {wrong[0]}: got {got[wrong[0]]!r}, expected {expected[wrong[0]]!r}"
