"""A mutator that knows, at every node, the ranges of the variables in scope."""

from __future__ import annotations

from typing import Any

from .. import ir
from .bounds import INT32, Bounds
from .kernel_program import KernelProgram
from .units import loop_span


class RangedMutator(ir.Mutator):
    """Base of passes that prove something about indices.

    `bounds` gives intervals (exact Python ints), `analyzer` simplifies. Both learn loop variables and bound scalars on
    the way down.
    """

    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.program = program
        ctx = program.ctx
        self.bounds = Bounds(ctx.symbols)
        for var, (start, extent) in ctx.ranges.items():
            self.bounds.bind_extent(var, start, extent)
        self.analyzer = ctx.analyzer()

    def learn_loop(self, node: ir.For) -> None:
        """Called before a loop's body is visited."""
        self.bounds.bind_extent(node.loop_var, node.min, loop_span(node))
        self.analyzer.bind(node.loop_var, ir.Range.from_min_extent(node.min, loop_span(node)), True)

    def learn_value(self, node: ir.Bind) -> None:
        """Called after a scalar's value was visited."""
        if node.var in self.program.ctx.ranges:
            return  # known from elsewhere, and more precisely
        self.bounds.bind_value(node.var, node.value)
        low, high = self.bounds.variables.get(node.var, (0, -1))
        if INT32[0] <= low <= high < INT32[1] and ir.dtype_of(node.value) in ("int32", "int64"):
            dtype = ir.dtype_of(node.value)
            self.analyzer.bind(
                node.var, ir.Range.from_min_extent(ir.const(low, dtype), ir.const(min(high - low + 1, INT32[1]), dtype)), True
            )

    def visit_For(self, node: ir.For) -> Any:
        self.learn_loop(node)
        return self.descend(node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        new = self.descend(node)
        self.learn_value(new)
        return new
