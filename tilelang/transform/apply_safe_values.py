"""T.annotate_safe_value: what is read out of bounds of a tensor is the author's value, not zero.

Before: `tl.copy(A[lo : lo + 64], S)` with the safe value -inf of A
After:  `for i in T.Parallel(64): S[i] = if_then_else(lo + i < n, A[lo + i], -inf)`
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from .guards import GuardMemory
from .kernel_program import KernelProgram
from .loop_nest import conjunction

ANNOTATION = "tl.annotate_safe_value"


def apply_safe_values(program: KernelProgram) -> KernelProgram:
    """Spell the values out where a read is not proved in bounds."""
    calls = [c for c in ir.collect(program.body, ir.Call) if ir.is_call(c, ANNOTATION)]
    if not calls:
        return program
    values = {c.args[0].source: c.args[1] for c in calls}
    return replace(program, body=_Apply(values, program).body(program.body))


class _Apply(ir.Mutator):
    def __init__(self, values: dict[ir.Var, Any], program: KernelProgram) -> None:
        super().__init__()
        self.values, self.program = values, program
        self.ranges: dict[ir.Var, tuple[Any, Any]] = {}

    def visit_For(self, node: ir.For) -> Any:
        outer, self.ranges = self.ranges, {**self.ranges, node.loop_var: (node.min, node.extent)}
        new = self.descend(node)
        self.ranges = outer
        return new

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if ir.is_call(node.value, ANNOTATION):
            return None
        op = as_tile_op(node)
        if isinstance(op, Copy) and op.src.source in self.values:
            nest = op.nest()
            outer, self.ranges = self.ranges, {**self.ranges, **nest.ranges}
            body = self.visit(nest.body)
            self.ranges = outer
            return nest.with_body(body).to_stmt()
        return self.descend(node)

    def visit_Call(self, node: ir.Call) -> Any:
        return node if ir.is_call(node, "tirx.address_of") else self.descend(node)

    def visit_BufferLoad(self, node: Any) -> Any:
        indices, _ = self.visit_list(node.indices)
        load = ir.load(node.source, indices, node.span)
        if node.source not in self.values:
            return load
        conditions = GuardMemory(self.program.ctx.analyzer(self.ranges)).bounds(node.source, indices)
        return ir.if_then_else(conjunction(conditions), load, self.values[node.source]) if conditions else load
