"""Integer arithmetic of tile counts, on the host."""

from __future__ import annotations


def cdiv(a: int, b: int) -> int:
    """`a / b` rounded up."""
    return -(-a // b)


def next_power_of_2(x: int) -> int:
    """The smallest power of two that is at least `x`."""
    return 1 << max(0, x - 1).bit_length()
