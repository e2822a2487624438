"""Copies and fills of a thread's own arrays are what each thread does for itself, not work that the block shares.

Before: `T.copy(A[tx, 0:8], own)` with `own` from T.alloc_local
After:  `for j in T.vectorized(8): own[j] = A[tx, j]`
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..tileop.base import as_tile_op
from ..tileop.elementwise import ElementwiseOp
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest

_PRIVATE = ("local", "local.var")


def expand_private(program: KernelProgram) -> KernelProgram:
    """Replace element-wise operators on private arrays by loops of the thread."""
    return replace(program, body=_Expand().body(program.body))


class _Expand(ir.Mutator):
    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, ElementwiseOp):
            return node
        effects = op.effects()
        buffers = [r.source for r in (*effects.reads, *effects.writes)]
        if not any(ir.scope_of(b) in _PRIVATE for b in buffers):
            return node
        for region in effects.writes:
            if ir.scope_of(region.source) == "local.fragment":
                private = next(b.name for b in buffers if ir.scope_of(b) in _PRIVATE)
                raise SemanticError(
                    f"{op.name.replace('tl.', 'T.')} writes the fragment {region.source.name} from {private}, "
                    "of which every thread has its own",
                    fix="write a shared tile at the thread's own index, and copy that to the fragment",
                    span=op.source,
                )
        return _thread_loops(op.nest())


def _thread_loops(nest: ParallelNest) -> ir.Stmt:
    """The nest's iterations, all in one thread; the innermost ones side by side."""
    body = nest.body
    for depth in reversed(range(len(nest.vars))):
        kind = ir.ForKind.VECTORIZED if depth == len(nest.vars) - 1 else ir.ForKind.SERIAL
        body = ir.For(nest.vars[depth], ir.const(0), ir.const(nest.extents[depth]), kind, body, span=nest.span)
    return body
