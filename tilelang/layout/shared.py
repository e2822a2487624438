"""Where the elements of a shared-memory tile live: rows, column blocks, XOR swizzle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import LayoutError
from .index_map import IndexMap

CHUNK_BYTES = 16  # swizzles permute 16-byte chunks (PTX ISA, "Swizzling modes" of tensor copies)


@dataclass(frozen=True)
class SharedLayout(IndexMap):
    """Logical indices → element offset from the tile's base.

    The last two dimensions (rows, columns) are laid out in column blocks of `swizzle` bytes (0: one block, no swizzle);
    inside a block each row takes `swizzle` bytes, and 16-byte chunks are permuted as TMA and wgmma do:
    byte address bits 4.. ^= bits 7.. (32 B: one bit, 64 B: two, 128 B: three). Leading dimensions are row-major around that.
    """

    shape: tuple[int, ...]
    bits: int
    swizzle: int = 0

    def __post_init__(self) -> None:
        if self.swizzle not in (0, 32, 64, 128):
            raise LayoutError(f"swizzle of {self.swizzle} bytes; there are 0, 32, 64 and 128")
        if self.swizzle and (len(self.shape) < 2 or self.shape[-1] * self.bits // 8 % self.swizzle):
            raise LayoutError(f"a tile of shape {self.shape} with {self.bits}-bit elements has no rows of {self.swizzle} bytes")

    @property
    def columns(self) -> int:
        """Elements of one row inside a column block."""
        return self.swizzle * 8 // self.bits if self.swizzle else self.shape[-1]

    @property
    def size(self) -> int:
        """Elements that the tile takes."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return -(-self.size * self.bits // 8)

    @property
    def alignment(self) -> int:
        """Bytes: swizzle atoms repeat every 8 rows."""
        return 8 * self.swizzle if self.swizzle else 128

    @property
    def chunk(self) -> int:
        """Elements along the last axis that are contiguous whenever their start is a multiple of it."""
        return CHUNK_BYTES * 8 // self.bits if self.swizzle else self.shape[-1]

    def offset(self, indices: Sequence[Any]) -> Any:
        """Element offset of an element; works on ints and on expressions."""
        if len(self.shape) == 1:
            return indices[0]
        row, column = indices[-2], indices[-1]
        if self.swizzle:
            width = self.columns
            inner = column % width if self.shape[-1] > width else column
            per_chunk = CHUNK_BYTES * 8 // self.bits
            chunks = self.swizzle // CHUNK_BYTES  # 2, 4 or 8 chunks a row: as many distinct XOR values
            rows_per_step = 128 // self.swizzle  # rows that share 128 bytes share an XOR value
            twist = (row // rows_per_step if rows_per_step > 1 else row) % chunks
            inner = inner ^ (twist * per_chunk)
            matrix = row * width + inner
            if self.shape[-1] > width:
                matrix = matrix + column // width * (self.shape[-2] * width)
        else:
            matrix = row * self.columns + column
        outer: Any = 0
        for extent, index in zip(self.shape[:-2], indices[:-2]):
            outer = outer * extent + index
        return matrix if len(self.shape) == 2 else outer * (self.size // prod(self.shape[:-2])) + matrix

    def physical(self, indices: Sequence[Any]) -> tuple[Any, ...]:
        """The position in each matrix as row and column of its shape; axes before the last two pass through."""
        if len(self.shape) < 2:
            return tuple(indices)
        place = SharedLayout(self.shape[-2:], self.bits, self.swizzle).offset(indices[-2:])
        return (*indices[:-2], place // self.shape[-1], place % self.shape[-1])

    def versions(self, count: int) -> SharedLayout:
        """The layout of `count` tiles one after the other (a leading dimension)."""
        return SharedLayout((count, *self.shape), self.bits, self.swizzle)

    @staticmethod
    def linear(shape: Sequence[int], bits: int) -> SharedLayout:
        return SharedLayout(tuple(shape), bits)

    @staticmethod
    def for_matrix(shape: Sequence[int], bits: int) -> SharedLayout:
        """Bank-conflict-free for ldmatrix: the widest swizzle that the row length allows.

        Rows of an odd number of 16-byte chunks need none: eight of them start in eight different bank groups.
        """
        row_bytes = shape[-1] * bits // 8
        for swizzle in (128, 64, 32):
            if len(shape) >= 2 and row_bytes % swizzle == 0:
                return SharedLayout(tuple(shape), bits, swizzle)
        return SharedLayout(tuple(shape), bits)
