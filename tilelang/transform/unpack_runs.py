"""Unpack a whole run of codes at once, before the loops that pick its elements.

Before: q_run[0:16] = ...; for s in 4: for h in 2: for v in 2: w[8 s + 2 h + v] = half(q_run[...] >> 4 * v & 15) - 8
After:  q_run[0:16] = ...; unpack 32 codes of q_run into w

Where each element has arithmetic of its own besides (a scale), the codes go into an array that the loops read.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, dtype_bits
from .loop_nest import LoopNest
from .unpack_codes import CodeTable


def unpack_runs(
    before: list[ir.Stmt], body: ir.Stmt, loops: LoopNest, ctx: LoweringContext
) -> tuple[list[ir.Stmt], ir.Stmt | None]:
    """(statements before the loops, the loops' body) with the runs that `before` loads unpacked there; the body is None where
    nothing is left to do."""
    runs = {s.buffer for s in before if isinstance(s, ir.AllocBuffer)}
    if loops.vector_var is None or not runs:
        return before, body
    unpack = _UnpackRuns(runs, loops.vector_var, loops.vector, ctx.analyzer(loops.ranges))
    new = unpack.visit(body)
    if not unpack.found:
        return before, body
    target = _whole_array(new, unpack, loops)
    if target is not None:
        call = unpack.found[0][1].call(target, ir.const(0), body.span)
        assert call is not None, "it was found to be one"
        return [*before, call], None
    for _, table, codes in unpack.found:
        before = [*before, ir.alloc(codes), table.call(codes, ir.const(0), body.span)]
    return before, new


def _whole_array(body: ir.Stmt, unpack: _UnpackRuns, loops: LoopNest) -> ir.Var | None:
    """The register array that the loops do nothing but copy the codes to, element by element; None for any other body."""
    if not isinstance(body, ir.BufferStore) or len(unpack.found) != 1 or ir.scope_of(body.buffer) != "local":
        return None
    codes = unpack.found[0][2]
    plain = isinstance(body.value, ir.BufferLoad) and body.value.source.same_as(codes)
    if not plain or len(body.indices) != 1 or ir.buffer_dtype(codes) != ir.buffer_dtype(body.buffer):
        return None
    iterations = loops.vector
    for _, extent in loops.loops:
        iterations *= extent
    same = ir.structural_equal(ir.simplify(body.indices[0], unpack.analyzer), ir.simplify(body.value.indices[0], unpack.analyzer))
    return body.buffer if same and iterations == ir.static_shape(codes)[0] else None


class _UnpackRuns(ir.Mutator):
    """Replaces the largest expressions that are tables of a run's codes by elements of arrays: `found` lists them."""

    def __init__(self, runs: set[ir.Var], var: ir.Var, extent: int, analyzer: ir.Analyzer) -> None:
        super().__init__()
        self.runs, self.var, self.extent, self.analyzer = runs, var, extent, analyzer
        self.found: list[tuple[Any, CodeTable, ir.Var]] = []  # (expression, table of the whole run, array)

    def visit(self, node: Any) -> Any:
        if not isinstance(node, (ir.Cast, ir.BinaryOpExpr, *ir.BITWISE, ir.Select, ir.Call)):
            return super().visit(node)
        table = CodeTable.of(node, self.var, self.extent, self.analyzer)
        if table is None or table.packed not in self.runs:
            return super().visit(node)
        pack = dtype_bits(ir.buffer_dtype(table.packed)) // table.bits
        place = ir.simplify(table.start * pack + self.var, self.analyzer)
        for known, _, codes in self.found:
            if ir.structural_equal(known, node):
                return ir.load(codes, [place])
        whole = replace(table, start=ir.const(0), extent=ir.static_shape(table.packed)[0] * pack)
        codes = ir.buffer((whole.extent,), table.dtype, "codes", "local")
        if whole.call(codes, ir.const(0), None) is None:
            return super().visit(node)
        self.found.append((node, whole, codes))
        return ir.load(codes, [place])
