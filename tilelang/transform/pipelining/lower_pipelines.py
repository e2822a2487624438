"""Turn `T.Pipelined` loops into a prologue and a steady loop of asynchronous copies.

With V versions of each staged buffer, V - 1 iterations of copies are under way:

    for i in 0 .. V-2:  if i < extent: copy(i) -> As[i]; commit          (unrolled)
    for k:
        wait until iteration k has landed; barrier                      (also: all reads of slot k-1 are over)
        if k + V-1 < extent: copy(k + V-1) -> As[(k + V-1) % V]
        commit
        ... As[k % V] ...
    wait for all

Copies whose first readers are far apart form two groups, each with its own wait and barrier. A group is committed whether
or not its copies ran, so the number of groups under way is the same in every iteration.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import ir
from ...tileop.base import LoweringContext
from ..effects import barrier, commit, wait
from ..nest_load import NestLoad
from .exposure import Continuation, is_live_after
from .loops import Remove, add_version, drop_unused, iteration_range, loop_with, versioned, versioned_layout
from .plan_pipelines import PIPELINE_KEYS, CopyGroup, PipelinePlan, StagedCopy, plan_pipeline, stage_count


def lower_pipelines(body: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
    """Lower every loop annotated `tl.num_stages` (inner loops first) and drop the annotations.

    Staged buffers are replaced inside their loop by buffers with a leading version axis, allocated before it; the original
    keeps its uses elsewhere, and goes when there are none.
    """
    return _LowerPipelines(body, ctx).run()


class _LowerPipelines:
    def __init__(self, body: ir.Stmt, ctx: LoweringContext) -> None:
        self.ctx, self.original = ctx, body
        self.layouts = {c.args[0].source: c for c in ir.collect(body, ir.Call) if ir.is_call(c, "tl.annotate_layout")}
        self.spans = {n.buffer: n.span for n in ir.collect(body, ir.AllocBuffer) if n.span is not None}
        self.replaced: set[ir.Var] = set()

    def run(self) -> ir.Stmt:
        lowered = self.lower(self.original, ())
        return drop_unused(lowered, self.replaced) if self.replaced else lowered

    def lower(self, stmt: ir.Stmt, after: tuple[Continuation, ...]) -> ir.Stmt:
        if isinstance(stmt, ir.SeqStmt):
            parts = list(stmt.seq)
            new = [self.lower(s, (*after, Continuation(tuple(parts[i + 1 :])))) for i, s in enumerate(parts)]
            return stmt if all(a.same_as(b) for a, b in zip(new, parts)) else ir.seq(new)
        if isinstance(stmt, ir.IfThenElse):
            then = self.lower(stmt.then_case, after)
            other = None if stmt.else_case is None else self.lower(stmt.else_case, after)
            return ir.IfThenElse(stmt.condition, then, other, stmt.span)
        if isinstance(stmt, ir.While):
            again = (ir.evaluate(stmt.condition), stmt.body)
            return ir.While(stmt.condition, self.lower(stmt.body, (*after, Continuation(again=again))), stmt.span)
        if isinstance(stmt, ir.AttrStmt):
            return ir.AttrStmt(stmt.node, stmt.attr_key, stmt.value, self.lower(stmt.body, after), stmt.span)
        if isinstance(stmt, ir.For) and stmt.kind in (ir.ForKind.SERIAL, ir.ForKind.UNROLLED):
            return self.lower_loop(stmt, after)
        return stmt

    def lower_loop(self, loop: ir.For, after: tuple[Continuation, ...]) -> ir.Stmt:
        outer, self.ctx.ranges = self.ctx.ranges, {**self.ctx.ranges, **iteration_range(loop)}
        try:
            return self.pipeline(loop, after)
        finally:
            self.ctx.ranges = outer

    def pipeline(self, loop: ir.For, after: tuple[Continuation, ...]) -> ir.Stmt:
        body = self.lower(loop.body, (*after, Continuation(again=(loop.body,))))
        notes = {k: v for k, v in loop.annotations.items() if k not in PIPELINE_KEYS}
        plain = ir.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, loop.thread_binding, notes, loop.step, loop.span)
        stages = stage_count(loop, self.ctx)
        if stages < 1:
            return plain
        plan = plan_pipeline(plain, stages, lambda buf: is_live_after(buf, loop, after), self.ctx)
        if plan is None:
            return plain
        return _single_stage(plain, plan) if plan.versions == 1 else self.multi_stage(plain, plan)

    def multi_stage(self, loop: ir.For, plan: PipelinePlan) -> ir.Stmt:
        head: list[ir.Stmt] = []
        loop = _bind_bounds(loop, head)
        staged = {buf: versioned(buf, plan.versions) for buf in plan.buffers}
        self.replaced.update(staged)
        for old, new in staged.items():
            head.append(ir.alloc(new, self.spans.get(old, loop.span)))
            if old in self.ctx.shared:
                self.ctx.shared[new] = self.ctx.shared[old].versions(plan.versions)
            if old in self.layouts:
                head.append(versioned_layout(self.layouts[old], new, plan.versions))
        steps = _Steps(loop, plan, staged)
        return ir.seq([*head, *steps.prologue(), steps.steady(), wait(0)])


class _Steps:
    """The pieces of a multi-stage loop."""

    def __init__(self, loop: ir.For, plan: PipelinePlan, versioned: Mapping[ir.Var, ir.Var]) -> None:
        self.loop, self.plan, self.versioned = loop, plan, versioned
        self.dtype = ir.dtype_of(loop.loop_var)
        self.step = plan.step
        self.distance = plan.versions - 1

    def number(self, value: int) -> Any:
        return ir.const(value, self.dtype)

    def slot(self, k: Any) -> Any:
        """The version of the iteration whose loop variable is `k`."""
        iteration = ir.simplify(k - self.loop.min)
        if self.step != 1:
            iteration = ir.FloorDiv(iteration, self.number(self.step))
        return ir.simplify(ir.FloorMod(iteration, self.number(self.plan.versions)))

    def issue(self, group: CopyGroup, k: Any) -> list[ir.Stmt]:
        """The copies of the iteration at `k`, if there is one, as one group."""
        exists = ir.simplify(ir.as_expr(k - self.loop.min) < self.loop.extent)
        copies = [self.copy(c, k) for c in group.copies]
        if ir.const_int(exists) is None:
            return [ir.IfThenElse(exists, ir.seq(copies), None, self.loop.span), commit()]
        return [*copies, commit()] if ir.const_int(exists) else [commit()]

    def copy(self, copy: StagedCopy, k: Any) -> ir.Stmt:
        """One copy for the iteration at `k`, under its own conditions."""
        stmt = asynchronous(_SimplifyRegions().visit(ir.substitute(copy.copy, {self.loop.loop_var: k})))
        for guard in reversed(copy.guards):
            stmt = ir.IfThenElse(ir.simplify(ir.substitute(guard, {self.loop.loop_var: k})), stmt, None, copy.stmt.span)
        return add_version(stmt, self.versioned, self.slot(k))

    def prologue(self) -> list[ir.Stmt]:
        return [
            stmt
            for i in range(self.distance)
            for group in self.plan.groups
            for stmt in self.issue(group, ir.simplify(self.loop.min + self.number(i * self.step)))
        ]

    def steady(self) -> ir.Stmt:
        loop, groups = self.loop, self.plan.groups
        ahead = loop.loop_var + self.number(self.distance * self.step)
        waits = {g.position: index for index, g in enumerate(groups)}
        remove = Remove([c.stmt for g in groups for c in g.copies])
        body: list[ir.Stmt | None] = []
        for position, stmt in enumerate(ir.statements(loop.body)):
            index = waits.get(position)
            if index is not None:
                # Groups committed so far: those of `distance` further iterations, plus this iteration's once issued.
                issued = len(groups) * (self.distance if index == 0 else self.plan.versions)
                body += [wait(issued - index - 1), barrier()]
            if index == 0:
                body += [s for g in groups for s in self.issue(g, ahead)]
            rest = remove.visit(stmt)
            body.append(None if rest is None else add_version(rest, self.versioned, self.slot(loop.loop_var)))
        return loop_with(loop, ir.seq(body))


def _single_stage(loop: ir.For, plan: PipelinePlan) -> ir.Stmt:
    """Copies start where they stand and are waited for where they are first read."""
    mark = _MarkAsynchronous([c.stmt for g in plan.groups for c in g.copies])
    positions = {c.consumer for g in plan.groups for c in g.copies}  # groups are for copies that all start in one place
    body: list[ir.Stmt] = []
    for position, stmt in enumerate(ir.statements(loop.body)):
        if position in positions:
            body += [commit(), wait(0), barrier()]
        body.append(mark.visit(stmt))
    return loop_with(loop, ir.seq(body))


def _bind_bounds(loop: ir.For, head: list[ir.Stmt]) -> ir.For:
    """Evaluate bounds that read memory once, before the loop: guards repeat them inside it."""
    bounds = []
    for value, name in ((loop.min, "start"), (loop.extent, "extent")):
        if ir.contains(value, (ir.BufferLoad, ir.Call)):
            fixed = ir.var(f"{loop.loop_var.name}_{name}", ir.dtype_of(value))
            head.append(ir.Bind(fixed, value, loop.span))
            value = fixed
        bounds.append(value)
    return ir.For(loop.loop_var, *bounds, loop.kind, loop.body, loop.thread_binding, loop.annotations, loop.step, loop.span)


def asynchronous(copy: ir.Stmt) -> ir.Stmt:
    """The copy, as a member of a group that somebody commits and waits for."""
    if isinstance(copy, ir.For):
        load = NestLoad.of(copy)
        assert load is not None, "a staged nest is a load"
        return load.asynchronous()
    call = copy.value
    attrs = {**({} if call.attrs is None else dict(call.attrs.items())), "async_group": True}
    late = ir.Call(call.op, list(call.args), attrs=attrs, ty_args=call.ty_args, span=call.span, ret_ty=call.ty)
    return ir.evaluate(late, copy.span)


class _SimplifyRegions(ir.Mutator):
    """Folds what substituting a constant iteration leaves."""

    def visit_BufferRegion(self, node: ir.BufferRegion) -> Any:
        return ir.region(node.source, [(ir.simplify(r.min), r.extent) for r in node.region])


class _MarkAsynchronous(Remove):
    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        return asynchronous(node) if any(node.same_as(s) for s in self.stmts) else node

    def visit_For(self, node: ir.For) -> Any:
        return asynchronous(node) if any(node.same_as(s) for s in self.stmts) else self.descend(node)
