"""Values that all threads share, and plain messages, print once for the block.

Before: `tl.print(A[1] + 1)` in every thread
After:  `if tid == 0: tl.print(A[1] + 1)`; a value that differs between threads, or a branch that not all of them take, prints
for every thread that comes by
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op
from .kernel_program import KernelProgram
from .uniformity import Uniformity


def print_once(program: KernelProgram) -> KernelProgram:
    """Guard the scalar prints of a launch."""
    if not any(_is_scalar_print(s) for s in ir.collect(program.body, ir.Evaluate)):
        return program
    known = Uniformity(program.body, {program.tid, *program.thread_vars})
    return replace(program, body=_PrintOnce(program.tid, known).body(program.body))


def _is_scalar_print(stmt: ir.Evaluate) -> bool:
    return isinstance(stmt.value, ir.Call) and ir.is_call(stmt.value, "tl.print") and as_tile_op(stmt) is None


class _PrintOnce(ir.Mutator):
    def __init__(self, tid: ir.Var, known: Uniformity) -> None:
        super().__init__()
        self.tid, self.known = tid, known

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        return self.descend(node) if self.known.is_uniform(node.condition) else node

    def visit_For(self, node: ir.For) -> Any:
        bounds = (node.min, node.extent, 1 if node.step is None else node.step)
        together = node.kind != ir.ForKind.PARALLEL and all(map(self.known.is_uniform, bounds))
        return self.descend(node) if together and not self.known.leaves_divergently(node.body) else node

    def visit_While(self, node: ir.While) -> Any:
        together = self.known.is_uniform(node.condition) and not self.known.leaves_divergently(node.body)
        return self.descend(node) if together else node

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not _is_scalar_print(node) or not all(map(self.known.is_uniform, node.value.args)):
            return node
        return ir.IfThenElse(ir.EQ(self.tid, ir.const(0, ir.dtype_of(self.tid))), node, None, node.span)
