"""The swizzles of shared tiles that TMA and wgmma know, by name."""

from __future__ import annotations

from enum import IntEnum


class SwizzleMode(IntEnum):
    """Which 16-byte chunks of a shared tile are exchanged; the values are those of wgmma's matrix descriptors."""

    NONE = 0
    SWIZZLE_128B = 1
    SWIZZLE_64B = 2
    SWIZZLE_32B = 3

    def is_none(self) -> bool:
        return self is SwizzleMode.NONE

    def is_swizzle_32b(self) -> bool:
        return self is SwizzleMode.SWIZZLE_32B

    def is_swizzle_64b(self) -> bool:
        return self is SwizzleMode.SWIZZLE_64B

    def is_swizzle_128b(self) -> bool:
        return self is SwizzleMode.SWIZZLE_128B

    def swizzle_byte_size(self) -> int:
        """Bytes of a swizzled row; 16 without swizzle."""
        return {0: 16, 1: 128, 2: 64, 3: 32}[int(self)]

    def swizzle_atom_size(self) -> int:
        """The same in units of 16 bytes."""
        return self.swizzle_byte_size() // 16

    def wgmma_layout_type(self) -> int:
        """The layout type of a wgmma descriptor."""
        return int(self)

    def tcgen05_layout_type(self) -> int:
        """The swizzle mode of a tcgen05 descriptor."""
        return 0 if self.is_none() else int(self) * 2

    @staticmethod
    def of_bytes(width: int) -> SwizzleMode:
        """The mode whose rows have so many bytes; 0 is none."""
        return SwizzleMode({0: 0, 128: 1, 64: 2, 32: 3}[width])
