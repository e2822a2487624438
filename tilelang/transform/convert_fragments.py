"""Where an operator or nest needs a fragment under another layout than it has: go through shared memory, say so.

Also gives operators the shared scratch that their lowering asks for.
"""

from __future__ import annotations

from typing import Any

from .. import ir
from ..errors import LayoutError
from ..layout import Fragment
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.elementwise import ElementwiseOp
from .effects import is_block_barrier
from .loop_layout import accessible, derive_fragment, loop_layout
from .parallel_nest import FragmentUse, ParallelNest
from .thread_group import as_block, group_of
from .units import is_parallel, is_pure_condition, loop_span


def convert_uses(body: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
    """The body with staging copies around the uses that need them; new tiles are allocated at the top."""
    pass_ = _Convert(ctx)
    new = pass_.body(body)
    return ir.seq([*(ir.alloc(b) for b in pass_.allocated), new])


def copy_stmt(src: ir.Var, dst: ir.Var, span: Any) -> ir.Stmt:
    """A whole-tile copy as a tile operator."""
    return ir.evaluate(ir.call("tl.copy", [ir.full_region(src), ir.full_region(dst)], attrs={}, span=span), span)


def is_replicated(fragment: Fragment, num_threads: int) -> bool:
    """True if every thread of the block holds every element."""
    return (
        not any(f.is_thread for dim in fragment.dims for f in dim)
        and not fragment.idle_conditions(0, num_threads)
        and (fragment.num_threads == num_threads)
    )


class _Convert(ir.Mutator):
    def __init__(self, ctx: LoweringContext) -> None:
        super().__init__()
        self.ctx = ctx
        self.allocated: list[ir.Var] = []
        self.inside_own = False

    # ------------------------------------------------------------------ surroundings

    def visit_For(self, node: ir.For) -> Any:
        if is_parallel(node):
            return self._nest(node)
        if self._is_threads_own(node):
            return self._threads_own(node)
        saved = self.ctx.ranges
        self.ctx.ranges = {**saved, node.loop_var: (node.min, loop_span(node))}
        new = self.descend(node)
        self.ctx.ranges = saved
        if isinstance(new, ir.For) and new.kind == ir.ForKind.VECTORIZED and _has_tile_work(new.body):
            parts = new.loop_var, new.min, new.extent, ir.ForKind.SERIAL, new.body  # the block's work, in order
            return ir.For(*parts, new.thread_binding, new.annotations, new.step, new.span)
        return new

    def visit_While(self, node: ir.While) -> Any:
        if self._is_threads_own(node):
            return self._threads_own(node)
        before, condition = self._scalar_reads(node.condition, node.span)
        body = self.body(node.body)
        if not before:
            return ir.While(condition, body, node.span)
        leave = ir.IfThenElse(ir.Not(condition), ir.Break(), None, node.span)
        return ir.While(ir.const(True, "bool"), ir.seq([*before, leave, body]), node.span)

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        if (group := group_of(node)) is not None:
            with as_block(group, self.ctx):
                return group.statement(self.body(node.then_case), node.span)
        if self._is_threads_own(node):
            return self._threads_own(node)
        before, condition = self._scalar_reads(node.condition, node.span)
        pure = is_pure_condition(condition)
        saved = self.ctx.constraints
        self.ctx.constraints = [*saved, condition] if pure else saved
        then = self.body(node.then_case)
        self.ctx.constraints = [*saved, ir.Not(condition)] if pure else saved
        other = None if node.else_case is None else self.body(node.else_case)
        self.ctx.constraints = saved
        return ir.seq([*before, ir.IfThenElse(condition, then, other, node.span)])

    # ------------------------------------------------------------------ operators

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if op is None:
            return self._leaf(node)
        before: list[ir.Stmt] = []
        after: list[ir.Stmt] = []
        swap: dict[ir.Var, ir.Var] = {}
        for buf, wanted in op.required_fragments(self.ctx).items():
            if self.ctx.fragments[buf].same_threads(wanted) and self.ctx.fragments[buf] == wanted:
                continue
            fresh = ir.buffer(ir.static_shape(buf), ir.buffer_dtype(buf), f"{buf.name}_conv", "local.fragment")
            self.ctx.fragments[fresh] = wanted
            staged = self._shared_twin(buf)
            effects = op.effects()
            if any(r.source.same_as(buf) for r in effects.reads) or not _whole(effects.writes, buf):
                before += [copy_stmt(buf, staged, node.span), copy_stmt(staged, fresh, node.span)]
            if any(w.source.same_as(buf) for w in effects.writes):
                after += [copy_stmt(fresh, staged, node.span), copy_stmt(staged, buf, node.span)]
            swap[buf] = fresh
            self.allocated.append(fresh)
            self.ctx.remark(node.span, f"{buf.name} is converted through shared memory for {op.name}")
        for buf in op.staged_operands(self.ctx):
            swap[buf] = self._shared_twin(buf)
            effects = op.effects()
            if any(r.source.same_as(buf) for r in effects.reads) or not _whole(effects.writes, buf):
                before.append(copy_stmt(buf, swap[buf], node.span))
            if any(w.source.same_as(buf) for w in effects.writes):
                after.append(copy_stmt(swap[buf], buf, node.span))
            self.ctx.remark(node.span, f"{buf.name} goes through shared memory for {op.name}")
        if swap:
            node = ir.substitute(ir.evaluate(op.to_call(), node.span), swap)
            op = as_tile_op(node)
            assert op is not None  # the same operator on other buffers
        if isinstance(op, ElementwiseOp):
            staged_nest = self._stage(op.nest(), op.layout(self.ctx))
            if staged_nest is not None:
                return ir.seq([*before, staged_nest, *after])
        wanted_scratch = op.scratch(self.ctx)
        if wanted_scratch is not None:
            shape, dtype = wanted_scratch
            scratch = ir.buffer(shape, dtype, f"{op.name.removeprefix('tl.')}_scratch", "shared.dyn")
            self.allocated.append(scratch)
            call = op.to_call()
            attrs = {str(k): v for k, v in call.attrs.items()} if call.attrs is not None else {}
            call = ir.Call(call.op, list(call.args), attrs={**attrs, "scratch": scratch}, span=call.span, ret_ty=call.ty)
            node = ir.evaluate(call, node.span)
        return ir.seq([*before, node, *after]) if before or after else node

    # ------------------------------------------------------------------ nests

    def _nest(self, loop: ir.For) -> ir.Stmt:
        nest = ParallelNest.of(loop)
        staged = self._stage(nest, loop_layout(nest, self.ctx))
        return loop if staged is None else staged

    def _stage(self, nest: ParallelNest, layout: Fragment) -> ir.Stmt | None:
        """The nest with the fragments that `layout` cannot serve replaced by shared tiles; None if there are none."""
        before: list[ir.Stmt] = []
        after: list[ir.Stmt] = []
        swap: dict[ir.Var, ir.Var] = {}
        for buf, use in nest.uses.items():
            if use.partial:
                self._follow(use, nest, layout)
                continue
            if accessible(use, nest, layout, self.ctx.fragments[buf]):
                continue
            twin = self._shared_twin(buf)
            swap[buf] = twin
            before.append(copy_stmt(buf, twin, nest.span))
            if use.written:
                after.append(copy_stmt(twin, buf, nest.span))
            self.ctx.remark(nest.span, f"{buf.name} goes through shared memory: its layout does not follow this loop")
        if not swap:
            return None
        body = nest.with_body(ir.substitute(nest.body, swap)).to_stmt()
        # Without the staged fragments another layout may rule, under which others no longer fit.
        return ir.seq([*before, self._nest(body), *after])

    def _follow(self, use: FragmentUse, nest: ParallelNest, layout: Fragment) -> None:
        """Partial results lie where the nest computes them: no copy could bring them there from elsewhere."""
        derived = derive_fragment(use, nest, layout)
        if derived is None:
            raise LayoutError(
                f"the reducer behind {use.buffer.name} has an index that does not follow the loop variables of T.Parallel: "
                f"{', '.join(str(value) for _, value in use.index or ())}",
                fix="index a reducer by loop variables of T.Parallel that count its whole axes, by constants or by outer values",
                span=ir.span_to_source(nest.span),
            )
        self.ctx.fragments[use.buffer] = derived

    # ------------------------------------------------------------------ scalar code

    def _is_threads_own(self, node: ir.Stmt) -> bool:
        """True for the outermost loop or branch that holds no work of the whole block."""
        return not self.inside_own and not _has_tile_work(node)

    def _threads_own(self, node: ir.Stmt) -> ir.Stmt:
        """A loop or branch that threads may run separately: the fragments that it only reads are staged before it, by all."""
        stored = {s.buffer for s in ir.collect(node, ir.BufferStore)}
        before, new = self._scalar_reads(node, node.span, stored)
        self.inside_own = True
        new = self.visit(new)
        self.inside_own = False
        return ir.seq([*before, new])

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        return self._leaf(node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        return self._leaf(node)

    def _leaf(self, node: ir.Stmt) -> ir.Stmt:
        before, new = self._scalar_reads(node, node.span)
        if isinstance(new, ir.BufferStore) and ir.scope_of(new.buffer) == "local.fragment":
            buf = new.buffer
            if not is_replicated(self.ctx.fragments[buf], self.ctx.num_threads):
                twin = self._shared_twin(buf)
                store = ir.BufferStore(twin, new.value, list(new.indices), node.span)
                one = ir.IfThenElse(ir.as_expr(self.ctx.tid) == self.ctx.first_thread, store, None, node.span)
                return ir.seq([*before, copy_stmt(buf, twin, node.span), one, copy_stmt(twin, buf, node.span)])
        return ir.seq([*before, new]) if before else new

    def _scalar_reads(self, node: Any, span: Any, but: Any = ()) -> tuple[list[ir.Stmt], Any]:
        """Copies to shared memory for fragment elements that scalar code reads (`but` some), and the node reading from there."""
        swap: dict[ir.Var, ir.Var] = {}
        for load in ir.collect(node, ir.BufferLoad):
            buf = load.source
            if ir.scope_of(buf) == "local.fragment" and buf not in swap and buf not in but:
                if not is_replicated(self.ctx.fragments[buf], self.ctx.num_threads):
                    swap[buf] = self._shared_twin(buf)
                    self.ctx.remark(span, f"{buf.name} is read by scalar code: it goes through shared memory")
        if not swap:
            return [], node
        reads = _SwapLoads(swap)
        return [copy_stmt(b, t, span) for b, t in swap.items()], reads.visit(node)

    def _shared_twin(self, buf: ir.Var) -> ir.Var:
        twin = ir.buffer(ir.static_shape(buf), ir.buffer_dtype(buf), f"{buf.name}_staged", "shared.dyn")
        self.allocated.append(twin)
        return twin


class _SwapLoads(ir.Mutator):
    """Redirects loads, not stores."""

    def __init__(self, swap: dict[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.swap = swap

    def visit_BufferLoad(self, node: Any) -> Any:
        indices, _ = self.visit_list(node.indices)
        return ir.load(self.swap.get(node.source, node.source), indices, node.span)


def _has_tile_work(stmt: ir.Stmt) -> bool:
    """True if a statement holds operators, nests or barriers: work of the whole block."""
    found = ir.collect(stmt, (ir.Evaluate, ir.For))
    return any(is_parallel(s) or is_block_barrier(s) or as_tile_op(s) is not None for s in found)


def _whole(regions: Any, buf: ir.Var) -> bool:
    """True if one of the regions is all of `buf`."""
    shape = ir.shape_of(buf)
    return any(
        r.source.same_as(buf) and all(ir.const_int(x.min) == 0 and ir.const_int(x.extent) == n for x, n in zip(r.region, shape))
        for r in regions
    )
