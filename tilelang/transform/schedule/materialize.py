"""Write the program of each role: groups of threads, barriers, slots of tiles, registers.

    scope main: producer [acquire ab, load, commit ab]      consumer [wait ab, gemm, release ab]

    if in_threads(producer): for k: wait ab_empty[k % 3]; tma_copy -> A_s[k % 3], ab_full[k % 3]; arrive ab_full[k % 3]
    if in_threads(consumer): for k: wait ab_full[k % 3]; gemm(A_s[k % 3], ...); arrive ab_empty[k % 3]

What comes out is what an author of T.ws and T.alloc_barrier would write; later passes treat it as that.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import ir
from ...layout import SharedLayout
from ...target.tma import SHARED_ALIGNMENT
from ...tileop.base import LoweringContext, as_tile_op, dtype_bits
from ...tileop.copy import Copy
from ...tileop.tma.box import BoxCopy
from ...tileop.tma.explicit import ExplicitTensorCopy
from ..effects import accesses_within
from ..kernel_program import KernelProgram
from ..manual_barriers import INIT
from ..pipelining.loops import AddVersion, loop_with, versioned, versioned_layout
from ..thread_group import ThreadGroup
from .check import FILE, WARPGROUP, check_schedule
from .place import RoleScope, Step, place_roles
from .schedule import DEPTH, SCHEDULE, WARP, WSID, Pipeline, Role, Schedule, Scope, Sync, read_schedule, schedule_call

# Set when TMA turned out not to fit the layouts chosen: the roles' copies are then ordinary ones.
NO_TMA = "tl.schedule_without_tma"
SHARED = ("shared", "shared.dyn")


def drop_labels(body: ir.Stmt) -> ir.Stmt:
    """The body without schedule and labels: what all threads run."""
    return _DropLabels().body(body)


def materialize_schedule(program: KernelProgram) -> KernelProgram:
    """The launch with its schedule carried out, and without labels.

    Raises
    ------
    SemanticError
        The schedule does not provably keep the program's result.
    """
    call = schedule_call(program.body)
    if call is None:
        return replace(program, body=drop_labels(program.body))
    if not program.ctx.target.limits.has_tma:
        program.ctx.remark(call.span, f"no schedule: its barriers need sm_90, and the target is {program.ctx.target.arch}")
        return replace(program, body=drop_labels(program.body))
    schedule = read_schedule(call, program.body)
    parts = place_roles(schedule)
    check_schedule(schedule, parts, program)
    body = _Writer(schedule, parts, program).run()
    moves = any(role.registers for role in schedule.roles.values())
    return replace(program, body=drop_labels(body), min_blocks=program.min_blocks or int(moves))


class _DropLabels(ir.Mutator):
    def visit_AttrStmt(self, node: ir.AttrStmt) -> Any:
        return self.visit(node.body) if node.attr_key == WSID else self.descend(node)

    def visit_For(self, node: ir.For) -> Any:
        new = self.descend(node)
        if WSID not in new.annotations:
            return new
        return loop_with(new, new.body, {k: v for k, v in new.annotations.items() if k != WSID})

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        return None if ir.is_call(node.value, SCHEDULE) or ir.is_call(node.value, DEPTH) else self.descend(node)


class _Barriers:
    """The barriers of a pipeline, the slots of its tiles, and where in them a role is."""

    def __init__(
        self, pipeline: Pipeline, scope: Scope, fills: int, producers: int, consumers: int, repeated: bool, fixed: set[ir.Var]
    ) -> None:
        self.pipeline, self.fills = pipeline, fills
        depth, name = pipeline.depth, pipeline.name if pipeline.name.isidentifier() else "ws"
        self.full = ir.buffer((depth,), "uint64", f"{name}_full", "shared.barrier")
        self.empty = ir.buffer((depth,), "uint64", f"{name}_empty", "shared.barrier")
        self.arrivals = {self.full: producers, self.empty: consumers}
        self.slots = {buf: versioned(buf, depth, 1 if buf in fixed else SHARED_ALIGNMENT) for buf in pipeline.buffers}
        self.loop = scope.loop
        # A scope that runs again goes on where it stopped: the fills so far, modulo a lap of both phases.
        self.count = ir.buffer((1,), "int32", f"{name}_lap", "local.var") if repeated else None
        self.first = ir.var(f"{name}_first") if repeated else None

    def fill(self, stage: int) -> Any:
        """The number of a fill of this iteration."""
        if self.loop is None:
            number: Any = ir.const(0)
        else:
            number = ir.simplify(ir.as_expr(self.loop.loop_var) - self.loop.min)
            step = ir.const_int(self.loop.step) if self.loop.step is not None else 1
            if step != 1:
                number = ir.FloorDiv(number, ir.const(step or 1, ir.dtype_of(number)))
            if ir.dtype_of(number) != "int32":
                number = ir.Cast("int32", number)
        number = number * self.fills + stage
        return ir.simplify(number if self.first is None else self.first + number)

    def slot(self, stage: int) -> Any:
        return ir.simplify(ir.FloorMod(self.fill(stage), ir.const(self.pipeline.depth)))

    def parity(self, stage: int) -> Any:
        return ir.simplify(ir.FloorMod(ir.FloorDiv(self.fill(stage), ir.const(self.pipeline.depth)), ir.const(2)))

    def enter(self, span: Any) -> list[ir.Stmt]:
        if self.count is None or self.first is None:
            return []
        lap = ir.const(2 * self.pipeline.depth)
        return [ir.Bind(self.first, ir.FloorMod(ir.load(self.count, [0]), lap), span)]

    def leave(self, span: Any) -> list[ir.Stmt]:
        if self.count is None or self.first is None:
            return []
        trips = ir.const(1) if self.loop is None else ir.Cast("int32", self.loop.extent)
        return [ir.BufferStore(self.count, self.first + trips * self.fills, [ir.const(0)], span)]

    def sync(self, sync: Sync, span: Any) -> ir.Stmt:
        at = ir.address_of(
            ir.load(self.full if sync.kind in ("producer_commit", "consumer_wait") else self.empty, [self.slot(sync.stage)])
        )
        if not sync.opens:
            return ir.evaluate(ir.call("tl.mbarrier_arrive", [at], attrs={"by_author": True}, span=span), span)
        parity = self.parity(sync.stage)
        if sync.produces:  # the phase before: slots start free
            parity = ir.simplify(1 - parity)
        parity = ir.Cast("uint32", parity)
        return ir.evaluate(ir.call("tl.mbarrier_wait", [at, parity], attrs={"by_author": True}, span=span), span)


class _Writer:
    def __init__(self, schedule: Schedule, parts: list[RoleScope], program: KernelProgram) -> None:
        self.schedule, self.parts, self.program, self.ctx = schedule, parts, program, program.ctx
        self.written = {self.ctx.root(a.buffer) for a in accesses_within(program.body) if a.write}
        self.layouts = {c.args[0].source: c for c in ir.collect(program.body, ir.Call) if ir.is_call(c, "tl.annotate_layout")}
        self.barriers: dict[Pipeline, _Barriers] = {}
        for pipeline in schedule.pipelines.values():
            self.barriers[pipeline] = self._barriers_of(pipeline)
        self.first = schedule.scopes[0] if schedule.scopes else None
        self.hoisted: list[ir.Stmt] = []

    def _barriers_of(self, pipeline: Pipeline) -> _Barriers:
        homes = [part for top in self.parts for part in top.parts() if part.syncs(pipeline)]
        threads = {True: 0, False: 0}
        for part in homes:
            threads[part.syncs(pipeline)[0].produces] += part.role.group.count
        part = homes[0]
        fills = sum(s.opens for s in part.syncs(pipeline))
        repeated = _inside_loop(self.program.body, part.scope)
        return _Barriers(pipeline, part.scope, fills, threads[True], threads[False], repeated, set(self.layouts))

    def run(self) -> ir.Stmt:
        body = self.program.body
        root = next((s for s in self.schedule.scopes if s.loop is None), None)
        body = self._root(root) if root is not None else _ReplaceScopes(self).body(body)
        body = _Slots({buf: new for b in self.barriers.values() for buf, new in b.slots.items()}, self.layouts).body(body)
        head: list[ir.Stmt] = list(self.hoisted)
        for barriers in self.barriers.values():
            for buf, count in barriers.arrivals.items():
                counts = {"counts": [str(count)] * barriers.pipeline.depth}
                init = ir.call(INIT, [ir.full_region(buf)], attrs=counts, span=self.schedule.span)
                head += [ir.alloc(buf, self.schedule.span), ir.evaluate(init, self.schedule.span)]
            if barriers.count is not None:
                zero = ir.BufferStore(barriers.count, ir.const(0), [ir.const(0)], self.schedule.span)
                head += [ir.alloc(barriers.count, self.schedule.span), zero]
        return ir.seq([*head, body])

    def _root(self, root: Scope) -> ir.Stmt:
        marks = [k for k, item in enumerate(root.items) if not isinstance(item, ir.Stmt)]
        last = marks[-1] if marks else len(root.items)
        head = [i for k, i in enumerate(root.items) if isinstance(i, ir.Stmt) and k <= last]
        tail = [i for k, i in enumerate(root.items) if isinstance(i, ir.Stmt) and k > last]
        return ir.seq([*head, self.roles(root), *tail])

    # ------------------------------------------------------------------ roles

    def roles(self, scope: Scope) -> ir.Stmt:
        """An outermost scope, as one statement of each role's threads."""
        own = [part for part in self.parts if part.scope is scope]
        moves = scope is self.first and self.moves_registers()
        if not moves:
            return ir.seq([part.role.group.statement(self.part(part), scope.span) for part in own])
        return ir.seq([self.with_registers(cluster, own, scope.span) for cluster in self.clusters()])

    def moves_registers(self) -> bool:
        """True if roles have registers of their own: from the first scope on, which no loop may repeat."""
        if not any(role.registers for role in self.schedule.roles.values()):
            return False
        if self.first is not None and _inside_loop(self.program.body, self.first):
            where = f"scope {self.first.label!r} lies in a loop that all warps run; label that and give it a scope"
            self.ctx.remark(self.schedule.span, f"max_nreg has no effect: {where}")
            return False
        return True

    def clusters(self) -> list[tuple[ThreadGroup, list[Role]]]:
        """Whole warpgroups with the roles that have warps in them; those that give registers back first."""
        found: list[tuple[int, int, list[Role]]] = []
        for role in sorted(self.schedule.roles.values(), key=lambda r: r.first):
            first, end = role.first // WARPGROUP, -(-role.end // WARPGROUP)
            if found and first < found[-1][1]:
                first, before = found[-1][0], found.pop()
                found.append((first, max(end, before[1]), [*before[2], role]))
            else:
                found.append((first, end, [role]))
        unit = WARPGROUP * WARP
        groups = [(ThreadGroup(first * unit, (end - first) * unit), roles) for first, end, roles in found]
        return sorted(groups, key=lambda g: g[1][0].registers or FILE)

    def with_registers(self, cluster: tuple[ThreadGroup, list[Role]], parts: list[RoleScope], span: Any) -> ir.Stmt:
        """The roles of some warpgroups behind their setmaxnreg, which all warps of them execute."""
        group, roles = cluster
        share = FILE // (-(-self.schedule.num_warps // WARPGROUP) * WARPGROUP * WARP) // 8 * 8
        count = roles[0].registers
        body: list[ir.Stmt] = []
        if count and count != share:
            way = "increase" if count > share else "decrease"
            call = ir.call(f"tl.set_max_registers_{way}", attrs={"template": [str(count)]}, span=self.schedule.span)
            body.append(ir.evaluate(call, self.schedule.span))
        for part in parts:
            if part.role in roles:
                inner = self.part(part)
                body.append(inner if part.role.group == group else part.role.group.statement(inner, span))
        return group.statement(ir.seq(body), span)

    def part(self, part: RoleScope) -> ir.Stmt:
        scope, span = part.scope, part.scope.span
        own = [self.barriers[p] for p in dict.fromkeys(i.pipeline for i in part.body if isinstance(i, Sync))]
        body: list[ir.Stmt] = [] if scope.loop is None else [self._scalar(s) for s in scope.free]
        for item in part.body:
            if isinstance(item, Sync):
                body.append(self.barriers[item.pipeline].sync(item, span))
            elif isinstance(item, RoleScope):
                body.append(self.part(item))
            else:
                body.append(self.step(item))
        inner = ir.seq(body)
        if scope.loop is not None:
            notes = {k: v for k, v in scope.loop.annotations.items() if k not in (WSID, "tl.num_stages", "tl.order", "tl.stage")}
            inner = loop_with(scope.loop, inner, notes)
        return ir.seq([*(s for b in own for s in b.enter(span)), inner, *(s for b in own for s in b.leave(span))])

    def _scalar(self, stmt: ir.Stmt) -> ir.Stmt:
        if isinstance(stmt, ir.AllocBuffer):
            if not any(stmt.same_as(s) for s in self.hoisted):
                self.hoisted.append(stmt)
            return ir.noop()
        return stmt

    def step(self, step: Step) -> ir.Stmt:
        """A statement with its fills, copies from global memory by TMA."""
        stmt = step.op.stmt
        for pipeline, sync in step.fills.items():
            barriers = self.barriers[pipeline]
            if sync.produces:
                stmt = _ByTma(self, barriers, step.role, sync.stage).body(stmt)
            else:
                stmt = _KeepOffTma(pipeline).body(stmt)
            stmt = AddVersion(barriers.slots, barriers.slot(sync.stage)).body(stmt)
        return stmt

    def tma_obstacle(self, op: Copy, ctx: LoweringContext) -> str | None:
        """Why TMA cannot bring a tile; None if it can."""
        if self.program.config(NO_TMA) or self.program.config("tl.disable_tma_lower"):
            return "the configuration keeps to ordinary copies"
        if op.options.get("disable_tma") or op.options.get("prefer_instruction") in ("cp_async", "sync"):
            return "its options ask for another engine"
        tile = op.dst.source
        if op.src.source in self.written:
            return f"the kernel writes {op.src.source.name}"
        layout = ctx.shared.get(tile) or SharedLayout.for_matrix(ir.static_shape(tile), dtype_bits(ir.buffer_dtype(tile)))
        if tile in self.layouts:
            layout = self.layouts[tile].attrs["layout"]
        boxes = BoxCopy.of(op.src, op.dst, layout, ctx)
        return boxes if isinstance(boxes, str) else None


class _ByTma(ir.Mutator):
    """Copies into a pipeline's tiles that TMA can do: their bytes are counted by the barrier that the role commits."""

    def __init__(self, writer: _Writer, barriers: _Barriers, role: Role, stage: int) -> None:
        super().__init__()
        self.writer, self.barriers, self.role, self.stage = writer, barriers, role, stage

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        return node  # a condition may differ between the threads of the role, and one thread issues

    def visit_For(self, node: ir.For) -> Any:
        return node

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, Copy) or op.dst.source not in self.barriers.slots or ir.scope_of(op.src.source) != "global":
            return node
        ctx = replace(self.writer.ctx, shared=dict(self.writer.ctx.shared))
        obstacle = self.writer.tma_obstacle(op, ctx)
        if obstacle is not None:
            text = f"role {self.role.name!r} brings {op.dst.source.name} with its own threads: {obstacle}"
            self.writer.ctx.remark(node.span, text)
            return node
        full = ir.region(self.barriers.full, [(self.barriers.slot(self.stage), ir.const(1))])
        policy = op.options.get("eviction_policy")
        load = ExplicitTensorCopy(op.src, op.dst, full, eviction_policy=policy and str(policy), scheduled=True, span=node.span)
        return ir.evaluate(load.to_call(), node.span)


class _KeepOffTma(ir.Mutator):
    """Stores of a pipeline's tiles by the consumer's own threads: a bulk store would still read when the slot is released."""

    def __init__(self, pipeline: Pipeline) -> None:
        super().__init__()
        self.pipeline = pipeline

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        op = as_tile_op(node)
        if not isinstance(op, Copy) or op.src.source not in self.pipeline.buffers:
            return node
        return ir.evaluate(replace(op, options={**op.options, "disable_tma": True}).to_call(), node.span)


class _Slots(ir.Mutator):
    """Allocations and layouts of tiles become those of their slots."""

    def __init__(self, slots: dict[ir.Var, ir.Var], layouts: dict[ir.Var, ir.Call]) -> None:
        super().__init__()
        self.slots, self.layouts = slots, layouts

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        return ir.alloc(self.slots[node.buffer], node.span) if node.buffer in self.slots else node

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.annotate_layout"):
            return node
        new = self.slots.get(node.value.args[0].source)
        return node if new is None else versioned_layout(node.value, new, ir.static_shape(new)[0])


class _ReplaceScopes(ir.Mutator):
    """Puts the roles in place of the loops that they share."""

    def __init__(self, writer: _Writer) -> None:
        super().__init__()
        self.writer = writer
        self.scopes = {s.loop.loop_var: s for s in writer.schedule.scopes if s.loop is not None}

    def visit_For(self, node: ir.For) -> Any:
        scope = self.scopes.get(node.loop_var)
        return self.descend(node) if scope is None else self.writer.roles(scope)


def _inside_loop(body: ir.Stmt, scope: Scope) -> bool:
    """True if a scope's loop lies in another loop of the launch."""
    if scope.loop is None:
        return False
    for loop in ir.collect(body, (ir.For, ir.While)):
        inside = isinstance(loop, ir.While) or not loop.loop_var.same_as(scope.loop.loop_var)
        if inside and any(f.loop_var.same_as(scope.loop.loop_var) for f in ir.collect(loop.body, ir.For)):
            return True
    return False
