"""The walk over one launch that `count_work` takes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from tilelang import ir
from tilelang.profiler.work import LaunchWork, evaluate
from tilelang.tileop.base import as_tile_op, dtype_bits
from tilelang.tileop.copy import Copy
from tilelang.tileop.gemm import Gemm

_SHARED = ("shared", "shared.dyn")
_FREE = (ir.EQ, ir.NE, ir.LT, ir.LE, ir.GT, ir.GE, ir.And, ir.Or)


class WorkVisitor(ir.Visitor):
    """Counts along the loops.

    Parameters
    ----------
    symbols : mapping
        Values of symbolic dimensions by name.
    """

    def __init__(self, symbols: Mapping[str, float]) -> None:
        super().__init__()
        self.symbols, self.work = symbols, LaunchWork()
        self._values: dict[Any, float] = {}
        self._trips = 1.0
        self._stages = 1
        self._accumulators: dict[Any, int] = {}
        self._in_flight: dict[Any, int] | None = None

    def finish(self) -> LaunchWork:
        self.work.accumulator_bytes = sum(self._accumulators.values())
        return self.work

    # -- structure ----------------------------------------------------------------------------------------------------
    def visit_AttrStmt(self, node: ir.AttrStmt) -> None:
        if node.attr_key != "thread_extent":
            self.visit(node.body)
            return
        extent = self._value(node.value)
        self._values[node.node.var] = (extent - 1) // 2
        if str(node.node.thread_tag).startswith("blockIdx"):
            self.work.blocks *= extent
            self._repeat(extent, node.body)
        else:
            self.work.threads *= int(extent)
            self.visit(node.body)

    def visit_For(self, node: ir.For) -> None:
        extent = max(0.0, self._value(node.extent))
        self._values[node.loop_var] = self._value(node.min) + (extent - 1) // 2
        stages = node.annotations.get("tl.num_stages")
        if stages is None:
            self._repeat(extent, node.body)
            return
        before = self._stages, self._in_flight
        self._stages, self._in_flight = max(1, int(stages)), {}
        self.work.stages = max(self.work.stages, int(stages))
        self._repeat(extent, node.body)
        self.work.pipelined_bytes = max(self.work.pipelined_bytes, sum(self._in_flight.values()))
        self._stages, self._in_flight = before

    def _repeat(self, times: float, body: Any) -> None:
        self._trips *= max(times, 0.0)
        outer = self._trips / times if times else 0.0
        self.visit(body)
        self._trips = outer

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> None:
        if ir.scope_of(node.buffer) == "local.fragment":
            self.work.fragment_bytes += int(self._bytes(node.buffer))

    # -- operators ----------------------------------------------------------------------------------------------------
    def visit_Evaluate(self, node: ir.Evaluate) -> None:
        operator = as_tile_op(node)
        if isinstance(operator, Gemm):
            self._gemm(operator)
        elif operator is not None:
            effects = operator.effects()
            for region in effects.reads:
                self._move(region, read=True, tile=isinstance(operator, Copy))
            for region in effects.writes:
                self._move(region, read=False, tile=isinstance(operator, Copy))
            if not isinstance(operator, Copy):
                self.work.plain_operations += self._trips * sum(self._elements(region) for region in effects.reads)

    def _gemm(self, operator: Gemm) -> None:
        (m, n), k = operator.c.shape, operator.a.shape[1]
        dtype = ir.buffer_dtype(operator.A.source)
        operations = 2.0 * self._value(m) * self._value(n) * self._value(k) * self._trips
        self.work.matrix_operations[dtype] = self.work.matrix_operations.get(dtype, 0.0) + operations
        rows = int(self._value(m))
        self.work.matrix_rows = min(rows, self.work.matrix_rows or rows)
        accumulator = operator.C.source
        if ir.scope_of(accumulator) == "local.fragment":
            self._accumulators[accumulator] = int(self._bytes(accumulator))

    def _move(self, region: ir.BufferRegion, read: bool, tile: bool) -> None:
        scope, size = ir.scope_of(region.source), dtype_bits(ir.buffer_dtype(region.source)) / 8
        if scope == "global":
            moved = self._elements(region) * size * self._trips
            if read:
                self.work.global_read += moved
            else:
                self.work.global_written += moved
            row = int(self._value(region.region[-1].extent) * size)
            if tile:
                self.work.narrowest_row = min(row, self.work.narrowest_row or row)
        elif scope in _SHARED and not read and tile and self._in_flight is not None:
            self._in_flight[region.source] = int(self._bytes(region.source)) * self._stages

    # -- scalar code --------------------------------------------------------------------------------------------------
    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        if ir.scope_of(node.buffer) == "global":
            self.work.global_written += self._trips * dtype_bits(ir.buffer_dtype(node.buffer)) / 8
        self.visit(node.value)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        if ir.scope_of(node.source) == "global":
            self.work.global_read += self._trips * dtype_bits(ir.buffer_dtype(node.source)) / 8

    def visit_Call(self, node: ir.Call) -> None:
        self.work.plain_operations += self._trips
        self.descend(node)

    def descend(self, node: Any) -> None:
        if isinstance(node, ir.BinaryOpExpr) and not isinstance(node, _FREE):
            self.work.plain_operations += self._trips
        super().descend(node)

    # -- values -------------------------------------------------------------------------------------------------------
    def _value(self, expr: Any) -> float:
        return evaluate(ir.as_expr(expr), self._values, self.symbols)

    def _elements(self, region: ir.BufferRegion) -> float:
        return math.prod(self._value(r.extent) for r in region.region)

    def _bytes(self, buf: Any) -> float:
        return math.prod(self._value(e) for e in ir.shape_of(buf)) * dtype_bits(ir.buffer_dtype(buf)) / 8
