"""The layout of a view, from that of the buffer behind it and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

from .fragment import Factor, Fragment, local
from .index_map import Layout, unravel
from .shared import SharedLayout


def view_fragment(layout: Fragment, shape: Sequence[int], bits: int = 1, view_bits: int = 1) -> Fragment | None:
    """The layout of the same registers as a tile of another shape (and element size); None if its digits cannot be regrouped.

    Parameters
    ----------
    layout : Fragment
        Of the tile that is viewed.
    shape : sequence of int
        The view's extents.
    bits, view_bits : int
        Bits of an element of the tile and of the view.
    """
    if any(layout.is_padded(d) for d in range(1, len(layout.shape))):
        return None
    digits = _joined([f for factors in layout.dims for f in factors if f.extent > 1])
    replication = layout.replication
    if view_bits < bits:
        ratio = bits // view_bits
        digits = [*(f if f.is_thread else local(f.extent, f.stride * ratio) for f in digits), local(ratio, 1)]
    elif view_bits > bits:
        merged = _merge(digits, view_bits // bits)
        if merged is None:
            return None
        digits = merged
    dims: list[tuple[Factor, ...]] = []
    for extent in reversed(shape[1:]):
        taken = _take(digits, extent)
        if taken is None:
            return None
        dims.insert(0, taken)
    return Fragment(tuple(shape), (tuple(digits), *dims), replication)


def _joined(digits: list[Factor]) -> list[Factor]:
    """Neighbouring digits that count on from one another as one digit: it may be split elsewhere."""
    out: list[Factor] = []
    for f in digits:
        if out and out[-1].axis == f.axis and out[-1].stride == f.stride * f.extent:
            out[-1] = Factor(out[-1].extent * f.extent, f.axis, f.stride)
        else:
            out.append(f)
    return out


def _take(digits: list[Factor], extent: int) -> tuple[Factor, ...] | None:
    """Remove the digits that count the last `extent` positions; a digit may be split."""
    taken: list[Factor] = []
    need = extent
    while need > 1:
        if not digits:
            return None
        f = digits.pop()
        if need % f.extent == 0:
            taken.insert(0, f)
            need //= f.extent
        elif f.extent % need == 0:
            taken.insert(0, Factor(need, f.axis, f.stride))
            digits.append(Factor(f.extent // need, f.axis, f.stride * need))
            need = 1
        else:
            return None
    return tuple(taken)


def _merge(digits: list[Factor], ratio: int) -> list[Factor] | None:
    """The digits of elements `ratio` times as large: the last registers, side by side, become one."""
    rest = list(digits)
    last = _take(rest, ratio)
    if last is None or any(f.is_thread for f in last):
        return None
    step = 1
    for f in reversed(last):
        if f.stride != step:
            return None
        step *= f.extent
    if any(not f.is_thread and f.stride % ratio for f in rest):
        return None
    return [f if f.is_thread else local(f.extent, f.stride // ratio) for f in rest]


@dataclass(frozen=True)
class ReshapedLayout:
    """A shared tile with the layout `root` under another shape or element size."""

    shape: tuple[int, ...]
    bits: int
    root: SharedLayout | Layout

    swizzle = 0

    @property
    def alignment(self) -> int:
        return self.root.alignment

    @property
    def size(self) -> int:
        """Elements that the tile takes."""
        return self.root.size * self.root.bits // self.bits

    @property
    def bytes(self) -> int:
        return self.root.bytes

    @property
    def chunk(self) -> int:
        """Elements along the last axis that are contiguous whenever their start is a multiple of it."""
        run = self.root.chunk * self.root.bits // self.bits
        both = self.shape[-1] | run
        return max(1, both & -both)  # the largest power of two that divides the row and the run

    def offset(self, indices: Sequence[Any]) -> Any:
        """Element offset of an element."""
        flat: Any = 0
        for extent, index in zip(self.shape, indices):
            flat = flat * extent + index
        if self.bits == self.root.bits:
            return self.root.offset(unravel(flat, self.root.shape))
        if self.bits < self.root.bits:
            ratio = self.root.bits // self.bits
            return self.root.offset(unravel(flat // ratio, self.root.shape)) * ratio + flat % ratio
        ratio = self.bits // self.root.bits
        return self.root.offset(unravel(flat * ratio, self.root.shape)) // ratio


def view_layout(root: Any, shape: Sequence[int], bits: int) -> Any:
    """The layout of a view of a shared tile: a swizzle of its own if that is the same, else through the root's."""
    shape = tuple(shape)
    if isinstance(root, SharedLayout):
        if not root.swizzle:
            return SharedLayout.linear(shape, bits)
        row = shape[-1] * bits // 8
        if len(shape) >= 2 and row % root.swizzle == 0:
            own, through = SharedLayout(shape, bits, root.swizzle), ReshapedLayout(shape, bits, root)
            if prod(shape) * bits == root.size * root.bits and all(
                own.offset(p) == through.offset(p) for p in product(*map(range, shape))
            ):
                return own
    return ReshapedLayout(shape, bits, root)
