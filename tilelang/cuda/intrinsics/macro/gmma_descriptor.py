"""What a wgmma descriptor says of a shared tile, read off its layout (PTX ISA, "Matrix Descriptor Format", canonical forms)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tilelang.errors import LayoutError, ShapeError
from tilelang.language.dtypes import dtype
from tilelang.language.emit import whole
from tilelang.layout.swizzle_mode import SwizzleMode

_ROWS = 8  # of a core matrix


@dataclass(frozen=True)
class WGMMADescriptorParams:
    """A shared operand of wgmma.

    Attributes
    ----------
    swizzle_mode : SwizzleMode
    leading_byte_offset, stride_byte_offset : int
        In units of 16 bytes, as T.initialize_wgmma_descriptor takes them.
    swizzle_atom_elems : int
        Elements of a swizzled row.
    k_atom_size : int
        Steps along k within a swizzled row.
    elems_in_bytes : int
        Bytes of an element.
    is_k_major : bool
        K is the contiguous dimension.
    slice_byte_offset : int
        Where the operand begins in its buffer.
    block_byte_offset : int
        K-major: from one swizzled row of a line to the next along k.
    """

    swizzle_mode: SwizzleMode
    leading_byte_offset: int
    stride_byte_offset: int
    swizzle_atom_elems: int
    k_atom_size: int
    elems_in_bytes: int
    is_k_major: bool
    slice_byte_offset: Any = 0
    block_byte_offset: int = 0

    def byte_offset(self, mn: Any, k: Any) -> Any:
        """How far the element (mn, k) lies behind the first; `mn` a multiple of 8, `k` of a step."""
        width = self.swizzle_atom_elems * self.elems_in_bytes
        lead, stride = self.leading_byte_offset * 16, self.stride_byte_offset * 16
        if not self.is_k_major:
            if self.swizzle_mode.is_none():
                return mn // 8 * stride + k // 8 * lead
            return mn // self.swizzle_atom_elems * lead + k // 8 * stride + mn % self.swizzle_atom_elems * self.elems_in_bytes
        along = k * self.elems_in_bytes
        if self.swizzle_mode.is_none():
            return mn // 8 * stride + along // 16 * lead
        return mn // 8 * stride + along // width * self.block_byte_offset + along % width


def compute_gmma_descriptor(
    tl_layout: Any, buffer: Any, transposed: bool, micro_size_k: int = 16, region: Any = None
) -> WGMMADescriptorParams:
    """The descriptor of a shared tile under any layout that wgmma can walk.

    Parameters
    ----------
    tl_layout : SharedLayout or Layout
        Of the buffer.
    buffer : buffer or region
        MN x K (the last two dimensions), or K x MN if `transposed`.
    transposed : bool
        MN is the contiguous dimension.
    micro_size_k : int
        Extent along k of an instruction.
    region : sequence of (start, extent), optional
        The part that is the operand, for every dimension.

    Raises
    ------
    LayoutError
        If the layout is none of the canonical ones: swizzled by 128, 64 or 32 bytes, or core matrices of 8 x 16 bytes.

    Examples
    --------
    >>> params = T.compute_gmma_descriptor(T.make_mma_swizzle_layout(A_s), A_s, False)
    """
    part = whole(buffer, "the operand")
    ranges = list(zip(part.starts, part.extents, strict=True)) if region is None else [_range(r) for r in region]
    if len(ranges) < 2:
        raise ShapeError(f"{part} has {len(ranges)} dimensions", fix="a tile of at least two")
    starts = [getattr(s, "constant", lambda s=s: s)() for s, _ in ranges[-2:]]
    if any(not isinstance(s, int) for s in starts):
        raise ShapeError(f"{part} starts at {starts}", fix="constant starts along the last two dimensions")
    lines, columns = (int(n) for _, n in ranges[-2:])
    size = dtype(part.dtype).bits // 8
    i, j = np.meshgrid(np.arange(lines), np.arange(columns), indexing="ij")
    lead = [np.zeros_like(i)] * (len(ranges) - 2)
    offsets = np.asarray(tl_layout.offset([*lead, i + starts[0], j + starts[1]])) * size
    origin = int(offsets[0, 0])
    for width in (128, 64, 32, 0):
        found = _canonical(offsets - origin, origin, width, size, transposed, micro_size_k)
        if found is not None:
            return found
    raise LayoutError(
        f"the layout of {part} is none that wgmma can walk",
        fix="T.annotate_layout with tilelang.layout.make_wgmma_swizzled_layout",
    )


def _canonical(
    offsets: np.ndarray, origin: int, width: int, size: int, transposed: bool, step: int
) -> WGMMADescriptorParams | None:
    """The parameters under which a swizzle of `width` bytes gives these byte offsets, or None."""
    lines, columns = offsets.shape
    per_row = (width or 16) // size  # elements
    i, j = np.meshgrid(np.arange(lines), np.arange(columns), indexing="ij")

    def measured(row: int, column: int, default: int) -> int:
        return int(offsets[row, column]) if row < lines and column < columns else default

    stride = measured(_ROWS, 0, _ROWS * (width or 16))
    block = measured(0, per_row, lines * (width or 16))
    plain = i // _ROWS * stride + i % _ROWS * (width or 16) + j // per_row * block + j % per_row * size
    if width and origin % (8 * width):
        return None
    expected = plain ^ ((plain >> 7 & (width // 16 - 1)) << 4) if width else plain
    if not np.array_equal(expected, offsets) or stride % 16 or block % 16:
        return None
    if transposed:  # lines are k
        lead, strided = (block, stride) if width else (stride, block)
    else:
        lead, strided = (16 if width else block), stride
    mode = SwizzleMode.of_bytes(width)
    atoms = max(per_row // step, 1)
    return WGMMADescriptorParams(mode, lead // 16, strided // 16, per_row, atoms, size, not transposed, origin, block)


def _range(given: Any) -> tuple[Any, Any]:
    if isinstance(given, (tuple, list)):
        return given[0], given[1]
    return given.min, given.extent
