"""Lower a parallel nest: fragments become register arrays, iterations become loops of one thread, memory is guarded."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..layout import Fragment
from ..tileop.base import LoweringContext
from .guards import GuardMemory
from .load_runs import load_runs
from .loop_nest import LoopNest, conjunction
from .parallel_nest import ParallelNest
from .unpack_runs import unpack_runs
from .vector_width import MAX_VECTOR_ITERATIONS, nest_vector_width
from .vectorize import vectorize


class RegisterAccess(ir.Mutator):
    """Replaces fragment elements by register array elements."""

    def __init__(self, nest: ParallelNest, loops: LoopNest, ctx: LoweringContext) -> None:
        super().__init__()
        self.nest, self.loops, self.ctx = nest, loops, ctx

    def _register(self, buf: ir.Var) -> tuple[ir.Var, Any]:
        index = self.nest.uses[buf].index
        assert index is not None, f"{buf.name} goes through shared memory"  # by convert_fragments
        return self.ctx.registers_of(buf), self.loops.register_index(self.ctx.fragments[buf], index)

    def visit_BufferLoad(self, node: Any) -> Any:
        if ir.scope_of(node.source) != "local.fragment":
            return self.descend(node)
        array, index = self._register(node.source)
        return ir.load(array, [index], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        if ir.scope_of(node.buffer) != "local.fragment":
            return self.descend(node)
        array, index = self._register(node.buffer)
        return ir.BufferStore(array, self.visit(node.value), [index], node.span)


class _MergeBranches(ir.Mutator):
    """`if c: S[i] = a  else: S[i] = b` is one store, which may be a wide one."""

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        new = self.descend(node)
        a, b = new.then_case, new.else_case
        if not isinstance(a, ir.BufferStore) or not isinstance(b, ir.BufferStore) or not a.buffer.same_as(b.buffer):
            return new
        if not all(ir.structural_equal(x, y) for x, y in zip(a.indices, b.indices)):
            return new
        return ir.BufferStore(a.buffer, ir.if_then_else(new.condition, a.value, b.value), a.indices, node.span)


class _OneReplica(ir.Mutator):
    """Lets only one replica of an iteration write to memory."""

    def __init__(self, condition: Any) -> None:
        super().__init__()
        self.condition = condition

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        if ir.scope_of(node.buffer).startswith("local"):
            return node
        return ir.IfThenElse(self.condition, node, None, node.span)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        return ir.IfThenElse(self.condition, node, None, node.span) if ir.contains(node.value, ir.Call) else node


def lower_nest(nest: ParallelNest, layout: Fragment, ctx: LoweringContext) -> ir.Stmt:
    """Plain TIR for the iterations of the calling thread.

    Every fragment that the nest touches must be accessible under `layout` (layout inference has seen to that).
    """
    vector = _vector_extent(nest, layout, ctx)
    loops = LoopNest(layout, ctx.tid, ctx.num_threads, vector)
    body = GuardMemory(ctx.analyzer(nest.ranges)).visit(_MergeBranches().body(nest.body))
    body = RegisterAccess(nest, loops, ctx).visit(body)
    replica = loops.replica_conditions()
    if replica:
        body = _OneReplica(conjunction(replica)).visit(body)
    body = ir.substitute(body, dict(zip(nest.vars, loops.indices)))
    before, rest = unpack_runs(*load_runs(body, loops, ctx), loops, ctx)
    if rest is None:
        return loops.without_idle(ir.seq(before), nest.span)
    body = rest
    if loops.vector_var is not None:
        body = vectorize(body, loops.vector_var, loops.vector, ctx, loops.ranges)
    return loops.wrap(body, nest.span, before)


def _vector_extent(nest: ParallelNest, layout: Fragment, ctx: LoweringContext) -> int:
    """The register digit that stands for consecutive iterations, if memory is touched that way."""
    factors = [f for f in layout.dims[-1] if f.extent > 1] if layout.dims else []
    if not factors or factors[-1].is_thread or factors[-1].extent > MAX_VECTOR_ITERATIONS:
        return 1
    return factors[-1].extent if layout.dims[-1][-1] == factors[-1] and nest_vector_width(nest, ctx) > 1 else 1
