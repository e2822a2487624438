"""Where the elements of a tensor in global memory live, when the author says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

from ..errors import LayoutError


@dataclass(frozen=True)
class TensorLayout:
    """A permutation of a contiguous tensor, given as a function from logical to physical indices.

    The kernels that write a tensor and those that read it must be given the same layout: the launcher and everything
    outside sees a tensor of the logical shape with its elements in another order.

    Parameters
    ----------
    shape : tuple of int
        Logical extents.
    forward : callable
        Logical indices → physical indices, whose extents are one more than the largest value of each.

    Raises
    ------
    LayoutError
        If the physical extents take more or fewer elements than the tensor has.
    """

    shape: tuple[int, ...]
    forward: Callable[..., Any]

    def __post_init__(self) -> None:
        if prod(self.physical_shape) != prod(self.shape):
            raise LayoutError(
                f"a layout takes shape {self.shape} to {self.physical_shape}: {prod(self.physical_shape)} elements for "
                f"{prod(self.shape)}",
                fix="a tensor in global memory can only be permuted: pad its shape to multiples of the layout's blocks",
            )

    def _physical(self, indices: Sequence[Any]) -> tuple[Any, ...]:
        out = self.forward(*indices)
        return tuple(out) if isinstance(out, (tuple, list)) else (out,)

    @cached_property
    def physical_shape(self) -> tuple[int, ...]:
        """Extents of the physical indices, by interval arithmetic."""
        from .. import ir
        from ..transform.bounds import Bounds

        bounds, variables = Bounds(), [ir.var(f"i{d}") for d in range(len(self.shape))]
        for var, extent in zip(variables, self.shape):
            bounds.bind(var, (0, extent - 1))
        return tuple(bounds.of(ir.simplify(p))[1] + 1 for p in self._physical(variables))

    @cached_property
    def chunk(self) -> int:
        """The largest power of two of elements along the last axis that provably stay adjacent and aligned, up to 16."""
        from .. import ir

        lead = [ir.var(f"i{d}") for d in range(len(self.shape) - 1)]
        block, within = ir.var("block"), ir.var("within")
        width = min(16, self.shape[-1] & -self.shape[-1])
        while width > 1:
            ranges = {v: (0, n) for v, n in zip(lead, self.shape)} | {block: (0, self.shape[-1] // width), within: (0, width)}
            analyzer = ir.analyzer_for(ranges)
            start, moved = self.offset([*lead, block * width]), self.offset([*lead, block * width + within])
            if ir.can_prove(start % width == 0, analyzer) and ir.can_prove(moved - start == within, analyzer):
                break
            width //= 2
        return width

    def offset(self, indices: Sequence[Any]) -> Any:
        """Element offset of an element."""
        total: Any = 0
        for extent, index in zip(self.physical_shape, self._physical(indices)):
            total = total * extent + index
        return total
