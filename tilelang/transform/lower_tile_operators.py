"""Each tile operator and each parallel nest becomes what one thread does; fragments become register arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.matrix_copy import MatrixCopy
from .bind_views import alias
from .group_barriers import GroupBarriers
from .guards import GuardMemory
from .kernel_program import KernelProgram
from .loop_layout import loop_layout
from .loop_nest import conjunction
from .lower_nest import lower_nest
from .nest_load import ASYNC, NestLoad
from .parallel_nest import ParallelNest
from .thread_group import ThreadGroup, as_block, group_of
from .units import is_parallel, is_pure_condition, loop_span


def lower_tile_operators(program: KernelProgram) -> KernelProgram:
    """Plain TIR; the register arrays of fragments are allocated at the top."""
    return replace(program, body=lower_body(program.body, program.ctx))


def lower_producer(program: KernelProgram) -> KernelProgram:
    """The same for the producer's program, which one thread runs."""
    if program.producer is None:
        return program
    return replace(program, producer=_Lower(program.ctx, program.producer).body(program.producer))


def lower_body(body: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
    """`lower_tile_operators` of a launch's body."""
    lower = _Lower(ctx, body)
    lowered = lower.body(body)
    ctx.ranges = {**ctx.ranges, **lower.numbers}
    return ir.seq([*_arrays(ctx), lowered])


def _arrays(ctx: LoweringContext) -> list[ir.Stmt]:
    """The register arrays of fragments; a view of another element type is a second name of one of them."""
    allocated = [ir.alloc(array) for buf, array in ctx.registers.items() if buf not in ctx.views]
    return [*allocated, *(alias(array, ctx.registers_of(ctx.views[b])) for b, array in ctx.registers.items() if b in ctx.views)]


class _Lower(ir.Mutator):
    def __init__(self, ctx: LoweringContext, body: ir.Stmt) -> None:
        super().__init__()
        self.ctx = ctx
        self.barriers = GroupBarriers(body)
        self.numbers: dict[ir.Var, tuple[int, int]] = {}  # of threads in their groups

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        return None if ir.scope_of(node.buffer) == "local.fragment" else node

    def visit_For(self, node: ir.For) -> Any:
        if is_parallel(node):
            nest = ParallelNest.of(node)
            load = NestLoad.of(node) if ASYNC in nest.annotations else None
            asynchronous = None if load is None else load.lower(self.ctx)
            if asynchronous is not None:
                return asynchronous
            layout = loop_layout(nest, self.ctx)
            matrix = MatrixCopy.of(nest, layout, self.ctx)
            return lower_nest(nest, layout, self.ctx) if matrix is None else matrix.lower(self.ctx)
        saved = self.ctx.ranges
        self.ctx.ranges = {**saved, node.loop_var: (node.min, loop_span(node))}
        new = self.descend(node)
        self.ctx.ranges = saved
        return new

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        if (group := group_of(node)) is not None:
            return self._group(group, node)
        condition = self._scalar(node.condition)
        saved = self.ctx.constraints
        pure = is_pure_condition(node.condition)
        self.ctx.constraints = [*saved, node.condition] if pure else saved
        then = self.body(node.then_case)
        self.ctx.constraints = [*saved, ir.Not(node.condition)] if pure else saved
        other = None if node.else_case is None else self.body(node.else_case)
        self.ctx.constraints = saved
        return ir.IfThenElse(condition, then, other, node.span)

    def _group(self, group: ThreadGroup, node: ir.IfThenElse) -> ir.Stmt:
        """Work of a group of threads, which numbers them from 0 and has a barrier of its own."""
        block, first = ir.as_expr(self.ctx.tid), group.first - self.ctx.first_thread
        tid, whole = self.ctx.tid, self.ctx.num_threads
        number: list[ir.Stmt] = []
        if first:
            tid = ir.var("thread", ir.dtype_of(block))
            self.numbers[tid] = (0, group.count)
            number = [ir.Bind(tid, block - first, node.span)]
        saved, bounds = self.ctx.constraints, []
        if first:
            bounds.append(block >= first)
        if first + group.count < whole:
            bounds.append(block < first + group.count)
        self.ctx.constraints = [*saved, *bounds]
        with as_block(group, self.ctx, tid):
            body = self.body(node.then_case)
        self.ctx.constraints = saved
        body = ir.seq([*number, self.barriers.of(group, body)])
        return ir.IfThenElse(conjunction(bounds), body, None, node.span) if bounds else body

    def visit_While(self, node: ir.While) -> Any:
        return ir.While(self._scalar(node.condition), self.body(node.body), node.span)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        return op.lower(self.ctx) if op is not None else self._scalar(node)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        return self._scalar(node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        return self._scalar(node)

    def _scalar(self, node: Any) -> Any:
        """Code that every thread runs for itself: guarded memory, replicated fragments read from registers."""
        if isinstance(node, (ir.IntImm, ir.Var)):
            return node
        return _ReplicatedRegisters(self.ctx).visit(GuardMemory(self.ctx.analyzer).visit(node))


class _ReplicatedRegisters(ir.Mutator):
    def __init__(self, ctx: LoweringContext) -> None:
        super().__init__()
        self.ctx = ctx

    def _index(self, buf: ir.Var, indices: Any) -> Any:
        return ir.simplify(self.ctx.fragments[buf].local_of(list(indices)), self.ctx.proofs)

    def visit_BufferLoad(self, node: Any) -> Any:
        if ir.scope_of(node.source) != "local.fragment":
            return self.descend(node)
        indices, _ = self.visit_list(node.indices)
        return ir.load(self.ctx.registers_of(node.source), [self._index(node.source, indices)], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        if ir.scope_of(node.buffer) != "local.fragment":
            return self.descend(node)
        return ir.BufferStore(
            self.ctx.registers_of(node.buffer), self.visit(node.value), [self._index(node.buffer, node.indices)], node.span
        )
