"""A grid of one row (or column) of tiles, as one of several: `A[0, k * 64]` in a copy as `A[by * 128, k * 64]`, by = 0.

A tile of 128 rows for a product of 16 multiplies 112 rows of zeros, and TMA fills them in. Written as the first of several tiles,
which it is, `BlockAxis` finds out whether it can be cut like any other; of the shorter ones those beyond the tensors compute
nothing that anybody stores, and are left out of the grid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.gemm import Gemm
from .kernel_program import KernelProgram
from .units import is_parallel


def numbered(program: KernelProgram, loop: ir.For, side: int) -> tuple[KernelProgram, int] | None:
    """The launch with an axis of the grid along the columns (`side` 0) or rows (1) of its product, which had none, and how many
    of them the tensors have; else None.

    What copies read and write along it starts at the axis's index, which is zero, times the tile's extent.
    """
    lone = [var for var, extent in zip(program.block_vars, program.grid) if ir.const_int(ir.simplify(ir.as_expr(extent))) == 1]
    free = [var for var in lone if not ir.uses_var(program.body, {var})]
    gemms = [op for s in ir.statements(loop.body) if isinstance(op := as_tile_op(s), Gemm)]
    if not free or len(gemms) != 1:
        return None
    reveal = _Reveal(free[0], *_along(program.body, gemms[0], side))
    body = reveal.body(program.body)
    if len(reveal.lengths) != 1:
        return None
    ctx = program.ctx.copy()
    ctx.ranges[free[0]] = (0, 1)
    return replace(program, ctx=ctx, body=body), reveal.lengths.pop()


def _along(body: ir.Stmt, gemm: Gemm, side: int) -> tuple[set[tuple[ir.Var, int]], int]:
    """The dimensions of tiles that hold the columns or rows of the product, and how many they are."""
    places = ((gemm.a, 0), (gemm.c, 0)) if side else ((gemm.b, 1), (gemm.c, 1))
    found = {(operand.region.source, operand.dims[which]) for operand, which in places}
    copies = [op for s in ir.collect(body, ir.Evaluate) if isinstance(op := as_tile_op(s), Copy)]
    for _ in copies:
        for op in copies:
            for src, dst in _pairs(op):
                sides = {(op.src.source, src), (op.dst.source, dst)}
                if sides & found:
                    found |= {(buf, dim) for buf, dim in sides if ir.scope_of(buf) != "global"}
    return found, places[1][0].shape[places[1][1]]


def _pairs(op: Copy) -> list[tuple[int, int]]:
    """The dimensions of source and destination that go together."""
    sides = [[d for d, r in enumerate(side.region) if ir.const_int(r.extent) != 1] for side in (op.src, op.dst)]
    return list(zip(*sides)) if len(sides[0]) == len(sides[1]) else []


class _Reveal(ir.Mutator):
    def __init__(self, var: ir.Var, dims: set[tuple[ir.Var, int]], extent: int) -> None:
        super().__init__()
        self.var, self.dims, self.extent = var, dims, extent
        self.lengths: set[int] = set()  # of the tensors; 0 where that is not known

    def visit_For(self, node: ir.For) -> Any:
        return node if is_parallel(node) else self.descend(node)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, Copy):
            return node
        for src, dst in _pairs(op):
            for side, tensor, dim, tile, along in (("src", op.src, src, op.dst, dst), ("dst", op.dst, dst, op.src, src)):
                if ir.scope_of(tensor.source) == "global" and (tile.source, along) in self.dims:
                    return ir.evaluate(replace(op, **{side: self.numbered(tensor, dim)}).to_call(), node.span)
        return node

    def numbered(self, region: ir.BufferRegion, dim: int) -> ir.BufferRegion:
        ranges = [(r.min, r.extent) for r in region.region]
        start, extent = ranges[dim]
        length = ir.const_int(region.source.ty.shape[dim])
        whole = ir.const_int(ir.simplify(start)) == 0 and ir.const_int(extent) == self.extent
        self.lengths.add(length if length is not None and whole else 0)
        ranges[dim] = self.var * self.extent, extent
        return ir.region(region.source, ranges)
