"""`T.use_swizzle`: blocks that run at the same time cover a compact patch of the grid, so that they share tiles in L2.

Clusters move as a whole. Row order walks panels of `panel_size` rows, column by column; column order swaps the roles. The last
panel may be thinner: every block index is visited exactly once whatever the grid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..tileop.base import attribute
from .kernel_program import KernelProgram, Rasterization


class Scalars:
    """Binds intermediate values to named scalars whose ranges are known."""

    def __init__(self, ranges: dict[ir.Var, Any], span: Any) -> None:
        self.ranges, self.span = ranges, span
        self.binds: list[ir.Bind] = []

    def bind(self, name: str, value: Any, start: Any, extent: Any) -> ir.Var:
        """A fresh scalar with `start <= value < start + extent`."""
        var = ir.var(name)
        self.ranges[var] = (start, extent)
        self.binds.append(ir.Bind(var, ir.as_expr(value), self.span))
        return var


def panels(scalars: Scalars, linear: Any, majors: Any, minors: Any, panel: int) -> tuple[Any, Any]:
    """(major, minor) of the tile at a place in the walk over panels of `panel` majors, minor by minor."""
    size = scalars.bind("panel_size", minors * panel, 1, minors * panel) if ir.const_int(minors) is None else minors * panel
    first = scalars.bind("panel", linear // size * panel, 0, majors)
    offset = scalars.bind("offset", linear % size, 0, minors * panel)
    height = _panel_height(scalars, first, majors, panel)
    return first + offset % height, offset // height


def _panel_height(scalars: Scalars, first: Any, major: Any, panel: int) -> Any:
    """How many majors the panel that starts at `first` holds: at least one, since this block is in it."""
    count = ir.const_int(major)
    if count is not None and count % panel == 0:  # all panels are full
        return ir.const(panel)
    return scalars.bind("panel_height", ir.Min(major - first, ir.const(panel)), 1, panel)


def _by_rows(scalars: Scalars, x: Any, y: Any, columns: Any, rows: Any, panel: int) -> tuple[Any, Any]:
    """Panels of `panel` rows. Blocks start with x fastest, so that a panel is started row by row: y alone tells which."""
    first = scalars.bind("panel", y // panel * panel, 0, rows)
    offset = scalars.bind("offset", y % panel * columns + x, 0, columns * panel)
    height = _panel_height(scalars, first, rows, panel)
    return offset // height, first + offset % height


def _by_columns(scalars: Scalars, x: Any, y: Any, columns: Any, rows: Any, panel: int) -> tuple[Any, Any]:
    """Panels of `panel` columns, walked row by row."""
    linear = scalars.bind("block", y * columns + x, 0, columns * rows)
    return panels(scalars, linear, columns, rows, panel)


def _options(program: KernelProgram) -> tuple[int | None, str, Any] | None:
    """(panel size, order, statement) of the launch's last `T.use_swizzle`; the size is None if it is no constant."""
    found = None
    for stmt in ir.statements(program.body):
        if isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.use_swizzle"):
            panel, order = ir.const_int(attribute(stmt.value, "panel_size")), str(attribute(stmt.value, "order", "row"))
            found = panel, order, stmt
    return found


def rasterize_blocks(program: KernelProgram) -> KernelProgram:
    """Remap blockIdx.x and blockIdx.y at the top of the kernel."""
    options = _options(program)
    if options is None:
        return program
    panel, order, stmt = options
    if panel is None or panel < 1 or order not in ("row", "column"):
        raise SemanticError(
            f"T.use_swizzle with panel_size={panel} and order={order!r} is no rasterization",
            fix='use a positive constant panel_size, and order="row" or "column"',
            span=ir.span_to_source(stmt.span),
        )
    return in_panels(program, panel, order, stmt.span)


def in_panels(program: KernelProgram, panel: int, order: str, span: Any) -> KernelProgram:
    """The launch whose blocks start in panels of `panel` rows (order "row") or columns ("column")."""
    wide, high, _ = program.cluster
    columns, rows = (ir.simplify(ir.as_expr(e) // n) for e, n in zip(program.grid[:2], (wide, high)))
    if ir.const_int(columns) == 1 or ir.const_int(rows) == 1:
        return program
    bx, by, bz = program.block_vars
    hardware = ir.var("block_x"), ir.var("block_y")
    ctx = program.ctx
    ctx.ranges[hardware[0]], ctx.ranges[hardware[1]] = (0, program.grid[0]), (0, program.grid[1])
    scalars = Scalars(ctx.ranges, span)
    across, down = (
        axis if n == 1 else scalars.bind(f"cluster_{name}", axis // n, 0, count)
        for name, axis, n, count in zip("xy", hardware, (wide, high), (columns, rows))
    )
    x, y = (_by_rows if order == "row" else _by_columns)(scalars, across, down, columns, rows, panel)
    # Blocks keep their places in a cluster.
    x, y = (c if n == 1 else c * n + axis % n for c, n, axis in zip((x, y), (wide, high), hardware))
    head = [*scalars.binds, ir.Bind(bx, x, span), ir.Bind(by, y, span)]
    raster = Rasterization((bx, by), hardware, frozenset(b.var for b in head))
    return replace(program, body=ir.seq([*head, program.body]), block_vars=(*hardware, bz), raster=raster)


def as_written(program: KernelProgram) -> KernelProgram:
    """The launch without its `T.use_swizzle`: for who walks over the tiles in an order of their own."""
    raster = program.raster
    if raster is None or any(not a.same_as(b) for a, b in zip(program.block_vars, raster.hardware)):
        return program
    body = [s for s in ir.statements(program.body) if not (isinstance(s, ir.Bind) and s.var in raster.scalars)]
    return replace(program, body=ir.seq(body), block_vars=(*raster.blocks, program.block_vars[2]), raster=None)
