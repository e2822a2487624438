"""`T.vectorized` loops of scalar code become wide loads and stores where the accesses allow it, else unrolled loops."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext
from .kernel_program import KernelProgram
from .units import is_pure_condition, loop_span
from .vectorize import vectorize

ASYNC_SCOPE = "tl.async_scope"  # of a loop in `with T.attr(..., "async_scope", 1)`


def vectorize_loops(program: KernelProgram) -> KernelProgram:
    """Every remaining `For(VECTORIZED)` of a launch."""
    return replace(program, body=_VectorLoops(program.ctx).body(program.body))


class _VectorLoops(ir.Mutator):
    def __init__(self, ctx: LoweringContext) -> None:
        super().__init__()
        self.ctx = ctx

    def visit_For(self, node: ir.For) -> Any:
        saved = self.ctx.ranges
        self.ctx.ranges = {**saved, node.loop_var: (node.min, loop_span(node))}
        body = self.body(node.body)
        self.ctx.ranges = saved
        if int(node.kind) != int(ir.ForKind.VECTORIZED):
            return ir.For(
                node.loop_var, node.min, node.extent, node.kind, body, node.thread_binding, node.annotations, node.step, node.span
            )
        extent = ir.const_int(ir.simplify(node.extent))
        if extent is None or node.step is not None:
            return ir.For(node.loop_var, node.min, node.extent, ir.ForKind.SERIAL, body, None, None, node.step, node.span)
        if ir.const_int(node.min) != 0:
            body = ir.substitute(body, {node.loop_var: node.loop_var + node.min})
        return vectorize(body, node.loop_var, extent, self.ctx, {}, asynchronous=ASYNC_SCOPE in node.annotations)

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        if not is_pure_condition(node.condition):
            return self.descend(node)
        saved = self.ctx.constraints
        self.ctx.constraints = [*saved, node.condition]
        then = self.body(node.then_case)
        self.ctx.constraints = [*saved, ir.Not(node.condition)]
        other = None if node.else_case is None else self.body(node.else_case)
        self.ctx.constraints = saved
        return ir.IfThenElse(node.condition, then, other, node.span)
