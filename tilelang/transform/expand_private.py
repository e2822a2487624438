"""What fills a thread's own arrays is what each thread does for itself, not work that the block shares.

Before: `T.copy(A[tx, 0:8], own)` or `for j in T.Parallel(8): own[j] = A[tx, j]` with `own` from T.alloc_local
After:  `for j in T.vectorized(8): own[j] = A[tx, j]`
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..tileop.base import as_tile_op
from ..tileop.elementwise import ElementwiseOp
from ..tileop.fill import Fill
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest
from .units import is_parallel

_PRIVATE = ("local", "local.var")


def expand_private(program: KernelProgram) -> KernelProgram:
    """Replace element-wise operators on private arrays by loops of the thread."""
    return replace(program, body=_Expand({program.ctx.tid, *program.thread_vars}).body(program.body))


class _Expand(ir.Mutator):
    def __init__(self, threads: set[ir.Var]) -> None:
        super().__init__()
        self.threads = threads

    def visit_For(self, node: ir.For) -> Any:
        if not is_parallel(node):
            return self.descend(node)
        nest = ParallelNest.of(node)
        return _thread_loops(nest, _independent(nest)) if nest.is_private else node

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, ElementwiseOp):
            return node
        effects = op.effects()
        buffers = [r.source for r in (*effects.reads, *effects.writes)]
        if not any(ir.scope_of(b) in _PRIVATE for b in buffers):
            return node
        if isinstance(op, Fill) and not self.is_own(op.dst):
            return node  # one value for a tile: the scalar's, which the author has made the same for all
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

    def is_own(self, region: ir.BufferRegion) -> bool:
        """Whether a region belongs to the thread: a private array, or a piece that its index names."""
        if ir.scope_of(region.source) in _PRIVATE:
            return True
        return any(ir.uses_var(r.min, self.threads) for r in region.region)


def _independent(nest: ParallelNest) -> bool:
    """True if each iteration of the innermost loop stores to elements of its own, which no other iteration reads."""
    stored: dict[ir.Var, Any] = {}
    for store in ir.collect(nest.body, ir.BufferStore):
        if not any(ir.uses_var(i, {nest.vars[-1]}) for i in store.indices):
            return False
        if not _same(stored.setdefault(store.buffer, store.indices), store.indices):
            return False
    loads = ir.collect(nest.body, ir.BufferLoad)
    return all(_same(stored[x.source], x.indices) for x in loads if x.source in stored)


def _same(a: Any, b: Any) -> bool:
    return len(a) == len(b) and all(map(ir.structural_equal, a, b))


def _thread_loops(nest: ParallelNest, side_by_side: bool = True) -> ir.Stmt:
    """The nest's iterations, all in one thread; the innermost ones side by side where their order does not matter."""
    body = nest.body
    for depth in reversed(range(len(nest.vars))):
        innermost = side_by_side and depth == len(nest.vars) - 1
        kind = ir.ForKind.VECTORIZED if innermost else ir.ForKind.SERIAL
        body = ir.For(nest.vars[depth], ir.const(0), ir.const(nest.extents[depth]), kind, body, span=nest.span)
    return body
