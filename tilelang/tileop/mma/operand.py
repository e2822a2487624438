"""Loads of one instruction's operand tiles from shared memory into registers: ldmatrix where its rules hold, else elements."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...layout import Fragment, Layout
from ..base import LoweringContext, dtype_bits
from ..digits import add, nest, scale, walk_dim

ROW_BYTES = 16  # of an 8x8 matrix of 16-bit elements


@dataclass(frozen=True)
class SharedMatrix:
    """A matrix operand in shared memory.

    Parameters
    ----------
    buffer : Var
        The shared tile.
    starts : list
        First index of every dimension of the region.
    dims : (int, int)
        The buffer's dimensions that are the matrix's rows and columns (as the gemm sees it, so swapped if transposed).
    """

    buffer: ir.Var
    starts: list[Any]
    dims: tuple[int, int]

    def at(self, row: Any, column: Any) -> ir.BufferLoad:
        """The element (row, column) of the matrix."""
        indices = list(self.starts)
        indices[self.dims[0]] = add(indices[self.dims[0]], row)
        indices[self.dims[1]] = add(indices[self.dims[1]], column)
        return ir.load(self.buffer, indices)

    @property
    def bits(self) -> int:
        return dtype_bits(ir.buffer_dtype(self.buffer))


def ldmatrix_form(matrix: SharedMatrix, k_dim: int, instruction_k: int, ctx: LoweringContext) -> str | None:
    """ "plain" or "trans" if ldmatrix can load the operand, else None.

    `k_dim` (0 or 1) is the matrix dimension along k. Plain ldmatrix needs k contiguous and takes any element type as
    16-bit pairs, since all these instructions cover 32 bytes of k with the same lanes; the transposed form moves 16-bit
    elements, so it serves 16-bit types whose other dimension is contiguous.
    """
    contiguous = len(matrix.starts) - 1
    if matrix.bits * instruction_k != 2 * ROW_BYTES * 8 or matrix.bits > 32:
        return None
    if matrix.dims[k_dim] == contiguous:
        form = "plain"
    elif matrix.dims[1 - k_dim] == contiguous and matrix.bits == 16:
        form = "trans"
    else:
        return None
    per_row = ROW_BYTES * 8 // matrix.bits
    start = matrix.starts[contiguous]
    if not ir.can_prove(ir.as_expr(start % per_row == 0), ctx.proofs):
        return None
    return form if rows_aligned(ctx.shared_layout(matrix.buffer), per_row) else None


def rows_aligned(layout: Any, per_row: int) -> bool:
    """True if `per_row` elements that start at a multiple of it are contiguous and 16-byte aligned."""
    if isinstance(layout, Layout):
        from itertools import product

        return layout.chunk % per_row == 0 and all(
            layout.offset((*lead, c)) % per_row == 0
            for lead in product(*map(range, layout.shape[:-1]))
            for c in range(0, layout.shape[-1], per_row)
        )
    return layout.swizzle > 0 or layout.columns % per_row == 0


def load_ldmatrix(
    registers: ir.Var,
    offset: Any,
    matrix: SharedMatrix,
    form: str,
    k_dim: int,
    other: Any,
    k: Any,
    count: int,
    lane: Any,
    paired: int = 0,
) -> ir.Stmt:
    """One ldmatrix of `count` 8x8 matrices into `registers[offset:]`.

    Matrices come in the order of the instruction's registers. For A (`k_dim` 1): the two row halves, then the second k
    half. For B (`k_dim` 0): the two k halves of column tile `other`, then those of the tile `paired` columns on; without
    `paired` four parts of k, one after the other.
    """
    per_row = ROW_BYTES * 8 // matrix.bits if form == "plain" else 8
    half = per_row if form == "plain" else 8  # extent along k of one 8x8 matrix
    row, index = lane % 8, lane // 8
    if k_dim == 1:  # A: index bit 0 selects rows + 8, bit 1 selects k + half
        other_base, k_base = scale(index % 2, 8), scale(index // 2, half)
    elif count == 4 and not paired:
        other_base, k_base = 0, scale(index, half)
    else:  # B: bit 0 selects k + half, bit 1 the paired tile
        other_base, k_base = scale(index // 2, paired) if count == 4 else 0, scale(index % 2, half)
    # A row of the stored matrix runs along the contiguous dimension: k if plain, the other one if transposed.
    if form == "plain":
        other_base = add(other_base, row)
    else:
        k_base = add(k_base, row)
    position = [add(other, other_base), add(k, k_base)]
    if k_dim == 0:
        position.reverse()
    source = matrix.at(*position)
    name = f"tl.ldmatrix_x{count}" + ("_trans" if form == "trans" else "")
    return ir.evaluate(ir.call(name, [ir.address_of(ir.load(registers, [offset])), ir.address_of(source)]))


def load_elements(
    registers: ir.Var, offset: Any, matrix: SharedMatrix, tile: Fragment, row: Any, column: Any, lane: Any
) -> ir.Stmt:
    """The elements of one instruction tile at (row, column), one by one."""
    rows, columns = walk_dim(tile, 0, lane), walk_dim(tile, 1, lane, "j")
    target = add(add(offset, rows.register), columns.register)
    store = ir.BufferStore(registers, matrix.at(add(row, rows.index), add(column, columns.index)), [ir.as_expr(target)])
    return nest([*rows.loops, *columns.loops], store)
