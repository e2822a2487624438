"""In which order persistent blocks compute the tiles of a matrix product.

The tiles under way at a time are a patch of the grid. A patch of h rows reads h times what a row of tiles needs and, with as many
tiles as there are blocks, blocks / h times what a column needs: least where the two are equal. So the walk goes through panels of
about h rows, column by column; the panels of a grid are about equally high, since a thin one reads every column again for little.
The order changes no result; `T.use_swizzle` says the same of an order in which hardware starts blocks, and gives way to this one.

On an H100 a product of 8192 x 8192 x 8192 by tiles of 128 x 256 takes 1.6145 ms in panels of 16 rows, which is what the rule
finds, and 1.640, 1.636, 1.623, 1.623, 1.634 in those of 10, 8, 13, 22, 32 (one run, in turns; torch 1.666).
"""

from __future__ import annotations

from math import sqrt

from .. import ir
from ..tileop.base import as_tile_op
from .heaviest_first import inlined
from .kernel_program import KernelProgram
from .occupancy import tile_bytes

# True keeps the order of T.use_swizzle, and of the grid without it.
EXACT = "tl.exact_rasterization"


def panel_rows(program: KernelProgram, loop: ir.For, grid: tuple[int, ...], workers: int) -> int | None:
    """How many rows of tiles a panel gets; None where the tiles along an axis of the grid share nothing that the loop loads.

    `grid` counts the tiles along x (columns), y (rows) and z.
    """
    columns, rows = grid[:2]
    by_row, by_column = bytes_along(program, loop)
    if program.config(EXACT) or min(columns, rows) == 1 or not by_row or not by_column:
        return None
    return panel_height(columns, rows, workers, by_row, by_column)


def panel_height(columns: int, rows: int, workers: int, by_row: float, by_column: float) -> int:
    """The height of a square patch (by bytes) of as many tiles as there are workers; all panels of the grid are about as high."""
    wanted = sqrt(min(workers, columns * rows) * by_column / by_row)
    return -(-rows // max(1, round(rows / wanted)))


def bytes_along(program: KernelProgram, loop: ir.For) -> tuple[int, int]:
    """Bytes of a step that all tiles of a row share, and those that all tiles of a column share."""
    x, y, _ = program.block_vars
    binds = {b.var: b.value for b in ir.collect(program.body, ir.Bind)}
    found = {(False, True): 0, (True, False): 0}  # by what the loaded place depends on: x, y
    for stmt in ir.collect(loop.body, ir.Evaluate):
        op = as_tile_op(stmt)
        if op is None or not op.may_be_async:
            continue
        (read, *_), (written, *_) = op.effects().reads, op.effects().writes
        if ir.scope_of(read.source) != "global":
            continue
        place = [inlined(r.min, binds) for r in ir.items(read.region)]
        depends = tuple(any(ir.uses_var(e, {var}) for e in place) for var in (x, y))
        if depends == (False, False):  # of the only row or column
            alone = [ir.const_int(ir.simplify(ir.as_expr(extent))) == 1 for extent in program.grid[:2]]
            depends = (False, True) if alone[1] else (True, False) if alone[0] else depends
        if depends in found:
            found[depends] += tile_bytes(written.source)
    return found[False, True], found[True, False]
