"""`T.use_swizzle`: blocks that run at the same time cover a compact patch of the grid, so that they share tiles in L2.

Row order walks panels of `panel_size` rows, column by column; column order swaps the roles. The last panel may be thinner:
every block index is visited exactly once whatever the grid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..tileop.base import attribute
from .kernel_program import KernelProgram


def rasterized_index(linear: Any, minor: Any, major: Any, panel: int, smallest: Any = None) -> tuple[Any, Any]:
    """(index along `minor`, index along `major`) of the `linear`-th block in panels of `panel` majors.

    Works on ints and on expressions (`smallest` is then `ir.Min`).
    """
    smallest = smallest or min
    first = linear // (minor * panel) * panel
    height = smallest(major - first, panel)
    offset = linear % (minor * panel)
    return offset // height, first + offset % height


def _options(program: KernelProgram) -> tuple[int, str, Any] | None:
    """(panel size, order, statement) of the launch's last `T.use_swizzle`."""
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
    columns, rows = (ir.as_expr(e) for e in program.grid[:2])
    if ir.const_int(columns) == 1 or ir.const_int(rows) == 1:
        return program
    bx, by, bz = program.block_vars
    hardware = tuple(ir.var(f"block_{axis}") for axis in "xy")
    linear = ir.var("block")
    minor, major = (columns, rows) if order == "row" else (rows, columns)
    minor_index, major_index = _bindable(linear, minor, major, panel)
    x, y = (minor_index, major_index) if order == "row" else (major_index, minor_index)
    ctx = program.ctx
    ctx.ranges[hardware[0]], ctx.ranges[hardware[1]] = (0, columns), (0, rows)
    ctx.ranges[linear] = (0, columns * rows)
    head = [ir.Bind(linear, hardware[0] + hardware[1] * columns, stmt.span), ir.Bind(bx, x, stmt.span), ir.Bind(by, y, stmt.span)]
    return replace(program, body=ir.seq([*head, program.body]), block_vars=(*hardware, bz))


def _bindable(linear: Any, minor: Any, major: Any, panel: int) -> tuple[Any, Any]:
    panels = ir.const_int(major)
    if panels is not None and panels % panel == 0:  # all panels are full
        return rasterized_index(linear, minor, major, panel, lambda _, full: ir.const(full))
    return rasterized_index(linear, minor, major, panel, lambda rest, full: ir.Min(rest, ir.const(full)))
