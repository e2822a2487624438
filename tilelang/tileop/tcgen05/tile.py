"""Where the elements of a tile in tensor memory are: lane and column of each.

PTX ISA, "Tensor Memory" and "Data path layout organization": a row of an operand is a lane. With 128 rows, row i is lane i; with
64, lane i / 16 * 32 + i % 16. Further blocks of 128 rows, and leading dimensions, are further columns. A column has 32 bits: one
element of an accumulator, whatever its dtype; of other tiles as many elements as fit ("Packing formats").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ... import ir
from ...errors import ResourceError, ShapeError, SourceSpan, UnsupportedError
from ...target import Target
from ...target.tcgen05 import COLUMNS, HALF_ROWS, LANES, MIN_COLUMNS, has_tensor_memory
from ..base import dtype_bits
from ..digits import add, scale

SCOPE = "shared.tmem"


def check_target(target: Target, what: str, span: SourceSpan | None) -> None:
    """Raise UnsupportedError where the target has no tensor memory."""
    if not has_tensor_memory(target.limits):
        raise UnsupportedError(
            f"{what} needs tensor memory, which came with sm_100a; the target is {target.arch}",
            fix='compile for target={"kind": "cuda", "arch": "sm_100a"}, or accumulate in T.alloc_fragment with T.gemm',
            span=span,
        )


@dataclass(frozen=True)
class TensorTile:
    """A tile of `shape` in tensor memory; `base` is the variable that holds its address, `per_column` elements share a column."""

    name: str
    shape: tuple[int, ...]
    per_column: int
    base: Any

    @staticmethod
    def of(buf: ir.Var, accumulates: bool, base: Any, span: SourceSpan | None) -> TensorTile:
        """The tile of a buffer; `accumulates`: products are added to it."""
        shape, bits = ir.static_shape(buf), dtype_bits(ir.buffer_dtype(buf))
        rows = shape[-2] if len(shape) > 1 else 0
        if rows != HALF_ROWS and (rows < 1 or rows % LANES):
            raise ShapeError(
                f"{buf.name} is a tile of {' x '.join(map(str, shape))} in tensor memory",
                fix=f"its second last extent, the rows, is {HALF_ROWS} or a multiple of {LANES}: a row of an operand is a lane",
                span=span,
            )
        per_column = 1 if accumulates else max(1, 32 // bits)
        if bits > 32 or shape[-1] % per_column:
            raise ShapeError(
                f"rows of {shape[-1]} elements of {ir.buffer_dtype(buf)} are not whole columns of tensor memory",
                fix="a column has 32 bits: make the last extent a multiple of the elements that fill one",
                span=span,
            )
        tile = TensorTile(str(buf.name), shape, per_column, base)
        if tile.columns > COLUMNS:
            raise ResourceError(
                f"{buf.name} takes {tile.columns} columns of tensor memory; a multiprocessor has {COLUMNS}",
                fix="use a smaller tile: 128 x 512 accumulators of 32 bits are all there is",
                span=span,
            )
        return tile

    @property
    def rows(self) -> int:
        return self.shape[-2]

    @property
    def row_blocks(self) -> int:
        return max(1, self.rows // LANES)

    @property
    def block_columns(self) -> int:
        """Columns of one block of rows."""
        return self.shape[-1] // self.per_column

    @property
    def columns(self) -> int:
        return prod(self.shape[:-2]) * self.row_blocks * self.block_columns

    @property
    def allocated(self) -> int:
        """Columns are allocated by powers of two."""
        return max(MIN_COLUMNS, 1 << (self.columns - 1).bit_length())

    def column(self, indices: Sequence[Any]) -> Any:
        """The column, from the tile's first, of the element at `indices`; a row index counts blocks of 128 rows."""
        *leading, block, element = indices
        total: Any = 0
        for index, extent in zip(leading, self.shape[:-2]):
            total = add(scale(total, extent), index)
        total = add(scale(total, self.row_blocks), block)
        inner = element // self.per_column if self.per_column > 1 else element
        return add(scale(total, self.block_columns), inner)

    def address(self, indices: Sequence[Any]) -> Any:
        """The address of that column in lane 0."""
        offset = ir.simplify(ir.as_expr(self.column(indices)))
        return self.base if ir.const_int(offset) == 0 else self.base + ir.Cast("uint32", offset)


def row_block(region: ir.BufferRegion, span: SourceSpan | None) -> tuple[list[Any], int, int, Any]:
    """(leading indices, rows, columns, first column) of a region of a tile in tensor memory, which has all its rows."""
    buf, ranges = region.source, list(region.region)
    shape = ir.static_shape(buf)
    extents = [ir.const_int(ir.simplify(r.extent)) for r in ranges]
    if extents[-2] != shape[-2] or any(e != 1 for e in extents[:-2]) or extents[-1] is None:
        raise ShapeError(
            f"the region of {buf.name} in tensor memory has extents {[str(r.extent) for r in ranges]}",
            fix=f"take all {shape[-2]} rows and any columns: {buf.name}[:, j * 32 : (j + 1) * 32]",
            span=span,
        )
    return [r.min for r in ranges[:-2]], shape[-2], extents[-1], ranges[-1].min
