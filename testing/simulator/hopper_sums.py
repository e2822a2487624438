"""The published rule of Hopper's tensor core sums, in exact rational arithmetic: slow, and independent of the simulator."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np


def _split(x: float, lowest: int) -> tuple[Fraction, int]:
    if x == 0:
        return Fraction(0), -999
    exponent = max(math.frexp(x)[1] - 1, lowest)
    return Fraction(x) / Fraction(2) ** exponent, exponent


def fused_sum(
    a: np.ndarray, b: np.ndarray, c: float, *, lowest: tuple[int, int], fraction: int = 25, kept: int = 24
) -> np.float32:
    """One block: products and accumulator aligned to the largest exponent, truncated, summed, truncated to `kept` bits."""
    terms = [_split(float(c), -126)]
    for x, y in zip(a, b, strict=True):
        (p, e), (q, f) = _split(float(x), lowest[0]), _split(float(y), lowest[1])
        terms.append((p * q, e + f) if p * q else (Fraction(0), -999))
    largest = max(max(e for _, e in terms), -133)
    total = sum(Fraction(math.trunc(m * Fraction(2) ** (fraction + e - largest))) for m, e in terms) * Fraction(2) ** (
        largest - fraction
    )
    if total == 0:
        return np.float32(0)
    top = max(math.frexp(float(total))[1] - 1, -126)
    unit = Fraction(2) ** (top - (kept - 1))
    return np.float32(float(math.trunc(total / unit) * unit))
