"""What a tcgen05 descriptor says of a shared tile: the canonical forms are those of wgmma, with numbers of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilelang.cuda.intrinsics.macro.gmma_descriptor import WGMMADescriptorParams, compute_gmma_descriptor


@dataclass(frozen=True)
class TCGEN05DescriptorParams:
    """A shared operand of tcgen05.mma.

    Attributes
    ----------
    swizzle_mode : int
        As T.initialize_tcgen05_descriptor takes it: 0 none, 2 of 128 bytes, 4 of 64, 6 of 32.
    leading_byte_offset, stride_byte_offset : int
        In units of 16 bytes, as T.initialize_tcgen05_descriptor takes them.
    swizzle_atom_elems : int
        Elements of a swizzled row.
    k_atom_size : int
        Steps along k within a swizzled row.
    elem_bits : int
        Of an element.
    is_k_major : bool
        K is the contiguous dimension.
    slice_byte_offset : int
        Where the operand begins in its buffer.
    block_byte_offset : int
        K-major: from one swizzled row of a line to the next along k.
    """

    swizzle_mode: int
    leading_byte_offset: int
    stride_byte_offset: int
    swizzle_atom_elems: int
    k_atom_size: int
    elem_bits: int
    is_k_major: bool
    slice_byte_offset: Any = 0
    block_byte_offset: int = 0

    def byte_offset(self, mn: Any, k: Any) -> Any:
        """How far the element (mn, k) lies behind the first; `mn` a multiple of 8, `k` of a step."""
        return self._of_wgmma.byte_offset(mn, k)

    @property
    def _of_wgmma(self) -> WGMMADescriptorParams:
        from tilelang.layout.swizzle_mode import SwizzleMode

        return WGMMADescriptorParams(
            SwizzleMode(self.swizzle_mode // 2),
            self.leading_byte_offset,
            self.stride_byte_offset,
            self.swizzle_atom_elems,
            self.k_atom_size,
            self.elem_bits // 8,
            self.is_k_major,
            self.slice_byte_offset,
            self.block_byte_offset,
        )


def compute_umma_descriptor(
    tl_layout: Any, buffer: Any, transposed: bool, micro_size_k: int = 16, region: Any = None
) -> TCGEN05DescriptorParams:
    """The tcgen05 descriptor of a shared tile; parameters and errors are those of T.compute_gmma_descriptor.

    Examples
    --------
    >>> params = T.compute_umma_descriptor(T.make_mma_swizzle_layout(A_s), A_s, False)
    """
    found = compute_gmma_descriptor(tl_layout, buffer, transposed, micro_size_k, region)
    return TCGEN05DescriptorParams(
        found.swizzle_mode.tcgen05_layout_type(),
        found.leading_byte_offset,
        found.stride_byte_offset,
        found.swizzle_atom_elems,
        found.k_atom_size,
        found.elems_in_bytes * 8,
        found.is_k_major,
        found.slice_byte_offset,
        found.block_byte_offset,
    )
