"""Prove that a schedule's roles together compute what the program says, or refuse it with the statements that stand in the way.

The program's order decides what every read sees. Roles run side by side, so that this has to hold: what one role writes and
another one touches goes through a pipeline; a fill is written whole before it is handed over, by the statement that the program
has last before the reader; a role keeps the program's order of its own statements wherever it matters.
"""

from __future__ import annotations

from typing import Any

from ... import ir
from ...errors import ResourceError
from .. import region as rg
from ..effects import Access, is_unit, unit_accesses
from ..kernel_program import KernelProgram
from .deadlock import check_progress
from .free_statements import accesses_known, leaves_loop, units_outside
from .place import RoleScope, Step, accesses_of, in_registers
from .schedule import WARP, Op, Pipeline, Schedule, Scope, Sync

WARPGROUP = 4
FILE = 65536  # registers of a multiprocessor: CUDA C++ Programming Guide, "Compute Capabilities"


def check_schedule(schedule: Schedule, parts: list[RoleScope], program: KernelProgram) -> None:
    """Raise SemanticError or ResourceError unless the schedule keeps the program's result and comes to an end."""
    _check_block(schedule, program)
    _check_registers(schedule)
    checker = _Checker(schedule, parts, program)
    for scope in schedule.all_scopes():
        checker.check_rest(scope)
    checker.check_pipelines()
    for part in (p for top in parts for p in top.parts()):
        checker.check_order(part)
    checker.check_exchange()
    checker.check_outside()
    check_progress(schedule, parts)


def _check_block(schedule: Schedule, program: KernelProgram) -> None:
    threads = program.block
    if threads[1:] != (1, 1) or threads[0] != schedule.num_warps * WARP:
        shape = " x ".join(map(str, threads))
        raise schedule.error(
            f"the schedule has {schedule.num_warps} warps, {schedule.num_warps * WARP} threads; the block is {shape} threads",
            f"T.Kernel(..., threads={schedule.num_warps * WARP})",
        )
    roles = list(schedule.roles.values())
    for k, a in enumerate(roles):
        for b in roles[k + 1 :]:
            if a.group.meets(b.group):
                raise schedule.error(f"roles {a.name!r} and {b.name!r} share warps", "give every warp to one role")


def _check_registers(schedule: Schedule) -> None:
    """setmaxnreg is an instruction of whole warpgroups, and waits until the multiprocessor has the registers to give."""
    found: dict[int, int] = {}
    for role in schedule.roles.values():
        for group in range(role.first // WARPGROUP, -(-role.end // WARPGROUP)):
            if found.setdefault(group, role.registers) != role.registers:
                raise schedule.error(
                    f"warps {group * WARPGROUP} to {group * WARPGROUP + 3} have roles of {found[group]} and {role.registers} "
                    "registers",
                    "registers move between warpgroups: roles in one warpgroup have the same max_nreg",
                )
    if not any(found.values()):
        return
    groups = -(-schedule.num_warps // WARPGROUP)
    share = FILE // (groups * WARPGROUP * WARP) // 8 * 8
    if schedule.num_warps % WARPGROUP:
        raise schedule.error(
            f"max_nreg in a block of {schedule.num_warps} warps", "use whole warpgroups: num_warps a multiple of 4"
        )
    total = sum((found.get(g, 0) or share) * WARPGROUP * WARP for g in range(groups))
    if total > FILE:
        raise ResourceError(
            f"the roles ask for {total} registers; a multiprocessor has {FILE}, and the launch starts with {share} for a thread",
            fix="lower max_nreg of a role, or give registers back in another one",
            span=ir.span_to_source(schedule.span),
        )


class _Checker:
    def __init__(self, schedule: Schedule, parts: list[RoleScope], program: KernelProgram) -> None:
        self.schedule, self.parts, self.program = schedule, parts, program
        self.views = program.ctx.views
        self.owner = {buf: p for p in schedule.pipelines.values() for buf in p.buffers}
        self.steps = [s for part in parts for s in part.steps()]
        self.ops = [op for scope in schedule.all_scopes() for op in scope.ops]
        order = [op for scope in schedule.scopes for op in _program_order(scope)]
        self.position = {op: k for k, op in enumerate(order)}
        self.accesses = {op: accesses_of(op, self.views) for op in self.ops}
        self.runners: dict[Op, list[Step]] = {op: [s for s in self.steps if s.op is op] for op in self.ops}

    def place(self, span: Any) -> str:
        source = ir.span_to_source(span)
        return "" if source is None else f" (line {source.line})"

    def name(self, op: Op) -> str:
        return f"{op.label!r}{self.place(op.span)}"

    # ------------------------------------------------------------------ statements without a role

    def check_rest(self, scope: Scope) -> None:
        """Statements without a label: scalars go to every role, others may stand around the scopes of the kernel itself."""
        written = {a.buffer for op in self.ops for a in self.accesses[op] if a.write}
        last = max((k for k, item in enumerate(scope.items) if not isinstance(item, ir.Stmt)), default=0)
        first = next((k for k, item in enumerate(scope.items) if not isinstance(item, ir.Stmt)), 0)
        for k, stmt in enumerate(scope.items):
            if not isinstance(stmt, ir.Stmt):
                if isinstance(stmt, Op) and leaves_loop(stmt.stmt):
                    raise self.schedule.error(
                        f"{stmt.label!r} leaves the loop of scope {scope.label!r}, and other roles would go on",
                        "give all roles the same iterations: put what ends the loop into its trip count",
                        stmt.span,
                    )
                continue
            is_scalar = isinstance(stmt, (ir.Bind, ir.AllocBuffer)) or not accesses_known(stmt)
            if scope.loop is None and (is_scalar or not first < k < last):
                continue
            if not is_scalar:
                raise self.schedule.error(
                    f"a statement of scope {scope.label!r} has no label, so that no role runs it",
                    'label it: annotations={T.WSID: "label"}, or with T.ws_op("label"):',
                    stmt.span,
                )
            read = next((a for a in accesses_known(stmt) if not a.write and a.buffer in written), None)
            if read is not None:
                raise self.schedule.error(
                    f"a scalar of scope {scope.label!r} depends on {read.buffer.name}, which the roles write",
                    "compute it in the labelled statement that needs it",
                    stmt.span,
                )
        if scope.loop is not None:
            for expr in (scope.loop.min, scope.loop.extent):
                read = next((a for a in unit_accesses(ir.evaluate(expr)) if a.buffer in written), None)
                if read is not None:
                    raise self.schedule.error(
                        f"the trip count of scope {scope.label!r} depends on {read.buffer.name}, which the roles write",
                        "all roles need the same trip count: compute it before the scopes",
                        scope.span,
                    )

    # ------------------------------------------------------------------ pipelines

    def check_pipelines(self) -> None:
        for pipeline in self.schedule.pipelines.values():
            homes: dict[str, list[RoleScope]] = {}
            for part in (p for top in self.parts for p in top.parts()):
                if part.syncs(pipeline):
                    homes.setdefault(part.scope.label, []).append(part)
            if not homes:
                raise self.schedule.error(f"no role syncs on pipeline {pipeline.name!r}", "use it, or leave it out")
            if len(homes) > 1:
                raise self.schedule.error(
                    f"pipeline {pipeline.name!r} is synced in scopes {' and '.join(map(repr, homes))}",
                    "its producers and consumers sync in one scope: the loop whose iterations fill it",
                )
            ((label, parts),) = homes.items()
            self._check_fills(pipeline, label, parts)
        for step in self.steps:
            for access in self.accesses[step.op]:
                self._check_access(step, access)

    def _check_fills(self, pipeline: Pipeline, label: str, parts: list[RoleScope]) -> None:
        counts = {p.role.name: sum(s.opens for s in p.syncs(pipeline)) for p in parts}
        if len(set(counts.values())) > 1:
            text = ", ".join(f"{role!r} {n}" for role, n in counts.items())
            raise self.schedule.error(
                f"an iteration of scope {label!r} fills {pipeline.name!r} a different number of times in each role: {text}",
                "sync as often in each",
            )
        (fills,) = set(counts.values())
        if fills > pipeline.depth:
            raise self.schedule.error(
                f"an iteration of scope {label!r} fills {pipeline.name!r} {fills} times, and it has {pipeline.depth} slots",
                f"depth={fills} or more",
            )
        for produces, verb in ((True, "acquires and commits"), (False, "waits for and releases")):
            if not any(s.produces == produces for p in parts for s in p.syncs(pipeline)):
                raise self.schedule.error(
                    f"no role {verb} pipeline {pipeline.name!r}", "a pipeline has a producer and a consumer"
                )

    def _check_access(self, step: Step, access: Access) -> None:
        pipeline = self.owner.get(access.buffer)
        if pipeline is None:
            return
        name, tile = self.name(step.op), access.buffer.name
        if any(root is access.buffer or root.same_as(access.buffer) for root in self.views.values()):
            raise self.schedule.error(
                f"{tile} of pipeline {pipeline.name!r} has views", "hand over a tile without T.view and T.reshape", step.op.span
            )
        fill = step.fills.get(pipeline)
        if fill is None:
            raise self.schedule.error(
                f"role {step.role.name!r} runs {name}, which touches {tile}, outside a section of {pipeline.name!r}",
                f'T.WSSync("{"producer_acquire" if access.write else "consumer_wait"}", {pipeline.name!r}) goes before it',
                step.op.span,
            )
        if access.write and not fill.produces:
            raise self.schedule.error(
                f"role {step.role.name!r} runs {name}, which writes {tile}, and is a consumer of {pipeline.name!r}",
                "consumers read: write it in a producer, or into a tile of its own",
                step.op.span,
            )
        if not access.write:
            self._check_source(step, access.buffer, pipeline, fill)

    def _check_source(self, step: Step, tile: ir.Var, pipeline: Pipeline, fill: Sync) -> None:
        """What the program has last before a reader, is what the roles put into its fill."""
        writers = [
            op for op in self.ops for a in self.accesses[op] if a.write and a.buffer.same_as(tile) and op is not step.op
        ]  # fmt: skip
        before = [op for op in dict.fromkeys(writers) if self.position[op] < self.position[step.op]]
        name = self.name(step.op)
        if not before:
            raise self.schedule.error(
                f"{name} reads {tile.name} of the iteration before: the program fills it after",
                "fill the tile before it is read, in the same iteration",
                step.op.span,
            )
        whole = next((op for op in reversed(before) if _fills(op, tile)), None)
        if whole is None:
            raise self.schedule.error(
                f"{self.name(before[-1])} does not provably write all of {tile.name}, and slots keep what they held",
                "write the whole tile in every fill",
                before[-1].span,
            )
        since = [op for op in before if self.position[op] >= self.position[whole]]
        for op in since:
            wrong = [r for r in self.runners[op] if (s := r.fills.get(pipeline)) is None or s.stage != fill.stage]
            if wrong:
                stage = wrong[0].fills.get(pipeline)
                raise self.schedule.error(
                    f"{name} takes fill {fill.stage} of {pipeline.name!r} in an iteration, but {self.name(op)}, which the "
                    f"program has before it, writes {'no fill' if stage is None else f'fill {stage.stage}'}",
                    "the stage of both is the same",
                    step.op.span,
                )

    # ------------------------------------------------------------------ one role

    def check_order(self, part: RoleScope) -> None:
        """Statements that a body has in another order than the program must not depend on each other."""
        items = [i for i in part.body if not isinstance(i, Sync)]
        listed = [i.op if isinstance(i, Step) else i.scope for i in items]
        twice = next((x for x in listed if listed.count(x) > 1), None)
        if twice is not None:
            raise self.schedule.error(
                f"role {part.role.name!r} runs {twice.label!r} twice in one iteration of scope {part.scope.label!r}",
                "list each label once",
            )
        for k, later in enumerate(items):
            for earlier in items[:k]:
                if self._first(later) < self._first(earlier):
                    clash = self._clash(later, earlier)
                    if clash is not None:
                        a, b = self._label(later), self._label(earlier)
                        raise self.schedule.error(
                            f"role {part.role.name!r} runs {b} before {a}, but both touch {clash}, and the program has {a} first",
                            "keep the program's order of these statements",
                        )

    def _first(self, item: Any) -> int:
        return self.position[item.op] if isinstance(item, Step) else min((self.position[s.op] for s in item.steps()), default=0)

    def _label(self, item: Any) -> str:
        return self.name(item.op) if isinstance(item, Step) else repr(item.scope.label)

    def _clash(self, a: Any, b: Any) -> str | None:
        for x in [a] if isinstance(a, Step) else a.steps():
            for y in [b] if isinstance(b, Step) else b.steps():
                for m in self.accesses[x.op]:
                    for n in self.accesses[y.op]:
                        if m.buffer.same_as(n.buffer) and (m.write or n.write) and not (m.atomic and n.atomic):
                            pipeline = self.owner.get(m.buffer)
                            one, other = x.fills.get(pipeline), y.fills.get(pipeline)  # type: ignore[arg-type]
                            if pipeline is None or one is None or other is None or one.stage == other.stage:
                                return str(m.buffer.name)
        return None

    # ------------------------------------------------------------------ between roles

    def check_exchange(self) -> None:
        for op in self.ops:
            roles = [s.role for s in self.runners[op]]
            shared = next((a for a in self.accesses[op] if a.write and not in_registers(a)), None)
            if len(roles) > 1 and shared is not None:
                raise self.schedule.error(
                    f"roles {roles[0].name!r} and {roles[1].name!r} both run {self.name(op)}, which writes {shared.buffer.name}",
                    "one role runs it; only what stays in registers may be computed by several",
                    op.span,
                )
        for writer in self.ops:
            for write in (a for a in self.accesses[writer] if a.write):
                for other in self.ops:
                    if other is not writer and write.buffer not in self.owner:
                        self._check_pair(writer, write, other)

    def _check_pair(self, writer: Op, write: Access, other: Op) -> None:
        access = next((a for a in self.accesses[other] if a.buffer.same_as(write.buffer)), None)
        if access is None or (write.atomic and access.atomic):
            return
        mine = {s.role for s in self.runners[writer]}
        for step in self.runners[other]:
            if in_registers(write):
                if not access.write and step.role not in mine:
                    raise self.schedule.error(
                        f"{self.name(other)} reads {write.buffer.name} in role {step.role.name!r}; {self.name(writer)} writes it "
                        f"in role {next(iter(mine)).name!r}, and registers are each role's own",
                        "run both in one role, or hand the values over in a shared tile of a pipeline",
                        other.span,
                    )
            elif step.role not in mine:
                raise self.schedule.error(
                    f"{self.name(writer)} writes {write.buffer.name}, which {self.name(other)} touches in role "
                    f"{step.role.name!r}: nothing orders the two",
                    "list the tile in a T.WSPipeline, or run both in one role"
                    if write.scope != "global"
                    else "run both in one role, or in two kernels",
                    other.span,
                )

    def check_outside(self) -> None:
        """Tiles of pipelines live in their scope; scalars that a role changes are not seen outside."""
        changed = {a.buffer for op in self.ops for a in self.accesses[op] if a.write and a.scope in ("local", "local.var")}
        for stmt in units_outside(self.program.body, self.schedule):
            for access in (a.of_root(self.views) for a in unit_accesses(stmt)):
                pipeline = self.owner.get(access.buffer)
                if pipeline is not None:
                    raise self.schedule.error(
                        f"{access.buffer.name} of pipeline {pipeline.name!r} is touched outside the scopes",
                        "label the statement and list it, or use another tile",
                        stmt.span,
                    )
                if not access.write and access.buffer in changed:
                    raise self.schedule.error(
                        f"{access.buffer.name} is read outside the scopes, and each role has its own",
                        "hand values over in shared memory",
                        stmt.span,
                    )


def _program_order(scope: Scope) -> list[Op]:
    return [op for item in scope.items if not isinstance(item, ir.Stmt) for op in _ordered(item)]


def _ordered(item: Any) -> list[Op]:
    return [item] if isinstance(item, Op) else _program_order(item)


def _fills(op: Op, tile: ir.Var) -> bool:
    """True if a statement writes all of a tile whenever it runs."""
    return any(
        a.write and a.buffer.same_as(tile) and rg.covers(tile, a.ranges)
        for unit in _unconditional(op.stmt)
        for a in unit_accesses(unit)
    )


def _unconditional(stmt: ir.Stmt) -> list[ir.Stmt]:
    if isinstance(stmt, ir.SeqStmt):
        return [u for s in stmt.seq for u in _unconditional(s)]
    if isinstance(stmt, ir.AttrStmt):
        return _unconditional(stmt.body)
    if is_unit(stmt) and not (isinstance(stmt, ir.For) and ir.contains(stmt, ir.IfThenElse)):
        return [stmt]
    return []
