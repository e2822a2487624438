"""CuTe's swizzle: bits of an index that are XORed into lower ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import LayoutError


@dataclass(frozen=True)
class Swizzle:
    """XOR `b_bits` bits into those `s_shift` bits below (above, where it is negative); the `m_base` lowest bits stay.

    Parameters
    ----------
    b_bits, m_base, s_shift : int

    Examples
    --------
    >>> Swizzle(3, 3, 3)(64 + 1)  # the second row of 64 elements begins with its second chunk of 8
    73
    """

    b_bits: int
    m_base: int
    s_shift: int

    def __post_init__(self) -> None:
        if self.b_bits < 0 or self.m_base < 0 or abs(self.s_shift) < self.b_bits:
            raise LayoutError(
                f"{self}", fix="bits and base of at least 0, and a shift of at least as many places as there are bits"
            )

    @property
    def is_swizzled(self) -> bool:
        """Whether it changes anything."""
        return self.b_bits > 0

    def __call__(self, index: Any) -> Any:
        """The index after the XOR; an integer or an expression."""
        mask = ((1 << self.b_bits) - 1) << (self.m_base + max(self.s_shift, 0))
        picked = index & mask
        return index ^ (picked >> self.s_shift if self.s_shift >= 0 else picked << -self.s_shift)

    def recast(self, old_bits: int, new_bits: int) -> Swizzle:
        """The same swizzle of bytes, for indices that count elements of another width.

        Raises
        ------
        LayoutError
            If the widths are no powers of two apart, or bits inside an element would move.

        Examples
        --------
        >>> Swizzle(3, 4, 3).recast(8, 16)
        Swizzle(b_bits=3, m_base=3, s_shift=3)
        """
        wide, narrow = max(old_bits, new_bits), min(old_bits, new_bits)
        factor = wide // narrow if narrow > 0 and wide % narrow == 0 else 0
        if factor == 0 or factor & (factor - 1):
            raise LayoutError(
                f"a swizzle for elements of {old_bits} bits as one for {new_bits} bits", fix="widths a power of two apart"
            )
        places = factor.bit_length() - 1
        base = self.m_base + places if old_bits > new_bits else self.m_base - places
        if base < 0:
            raise LayoutError(f"{self} moves bits inside an element of {new_bits} bits", fix="a larger m_base")
        return Swizzle(self.b_bits, base, self.s_shift)
