"""Put `tl.sync_threads` between units whose effects conflict.

The units are walked in program order with the accesses that no barrier has ordered yet. A unit that conflicts with one of them
(one of the two writes, the pieces may overlap, different threads may be involved) gets a barrier before it. Loops are walked
until nothing new arrives over their back edge; what came from an earlier iteration is written with `k - step` for `k`. A conflict
with what only stands before a loop gets its barrier there, once. Elements that one thread has to itself need none
(`thread_ownership.py`).

Asynchronous copies are under way until a wait; then they have landed for the threads that issued them, and a barrier makes
them visible to the others. A barrier before the wait does not count.

A statement of a group of threads (`thread_group.py`) has barriers of the group where its own accesses conflict; conflicts with
what others did before it get a barrier of the block in front. Where the author handles barriers, they order what two groups do.

No barrier goes where not all threads may come by: it is hoisted before the branch. What threads do to each other inside is the
author's affair, unless it is known to go wrong. So is a branch whose condition nobody knows to be the same for all threads,
around a T.sync_threads() or an operator: it is refused only if threads are known to part there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..tileop.base import LoweringContext, as_tile_op
from . import region as rg
from .effects import (
    BARRIER,
    COMMIT,
    Access,
    barrier,
    commit,
    expr_accesses,
    is_block_barrier,
    is_collective,
    is_unit,
    is_wider_barrier,
    ordering_call,
    unit_accesses,
    wait,
    wait_depth,
)
from .kernel_program import SharedPlan
from .manual_barriers import has_manual_barriers
from .pending import Conflicts, Pending, State, age_range, state_of
from .thread_group import ThreadGroup, group_of
from .thread_ownership import ThreadOwnership
from .thread_values import Guards, ThreadValues
from .uniformity import Uniformity

DISABLE = "tl.disable_thread_storage_sync"
Path = tuple[Any, ...]
Pins = tuple[tuple[ir.Var, int], ...]


def insert_barriers(body: ir.Stmt, ctx: LoweringContext, plan: SharedPlan, thread_vars: Iterable[ir.Var] = ()) -> ir.Stmt:
    """The body with the barriers that its effects ask for.

    Parameters
    ----------
    body : Stmt
        The statements inside the thread axes.
    ctx : LoweringContext
        `ranges` gives the extents of the thread variables; the pass configuration `tl.disable_thread_storage_sync` leaves
        the body as it is.
    plan : SharedPlan
        Buffers that share bytes conflict.
    thread_vars : iterable of Var
        threadIdx.{x,y,z}, beside `ctx.tid`.
    """
    if ctx.pass_configs.get(DISABLE, False):
        return body
    walker = _Walker(body, ctx, plan, tuple(thread_vars) or (ctx.tid,))
    walker.walk(body, (), {})
    return walker.rebuild(body, ())


class _Hoist(Exception):
    """A barrier is needed before the outermost divergent statement."""

    def __init__(self, in_flight: bool) -> None:
        super().__init__()
        self.in_flight = in_flight


class _Leave(Exception):
    """A barrier is needed between a group and others: before the group's statement."""

    def __init__(self, in_flight: bool) -> None:
        super().__init__()
        self.in_flight = in_flight


class _BeforeLoop(Exception):
    """A barrier is needed between what stands before the loop at `path` and the unit at `place` inside: before the loop, once."""

    def __init__(self, path: Path, place: Path) -> None:
        super().__init__()
        self.path, self.place = path, place


class _Walker:
    def __init__(self, body: ir.Stmt, ctx: LoweringContext, plan: SharedPlan, axes: tuple[ir.Var, ...]) -> None:
        self.ctx = ctx
        self.threads = {ctx.tid, *axes}
        self.uniform = Uniformity(body, self.threads)
        self.conflicts = Conflicts(plan, ctx.tid, axes, {v: ctx.num_threads for v in self.threads} | _extents(self.threads, ctx))
        self.barriers: set[Path] = set()
        self.waits: set[Path] = set()  # barriers that must be preceded by a wait for all copies under way
        self.ranges: dict[ir.Var, tuple[Any, Any]] = {}
        self.binds: dict[ir.Var, Any] = {}
        self.pins: Pins = ()
        self.ages: dict[ir.Var, ir.Var] = {}
        self.exits: list[tuple[list[State], list[State]]] = []  # states at break and at continue, per loop
        self.group: ThreadGroup | None = None  # the threads that run what is walked
        self.loops: list[tuple[Path, ThreadGroup | None]] = []  # around what is walked, and who runs them
        self.wanted: dict[Path, Path] = {}  # the place inside for which a loop has a barrier before it
        self.every_time: set[Path] = set()  # loops with barriers inside that do for what stands before them, too
        self.manual = has_manual_barriers(body)
        self.before: State | None = None  # inside a divergent statement: what was pending before it
        self.values = ThreadValues(ctx.tid, axes, _extents(axes, ctx), ctx.num_threads, body)
        self.owners = ThreadOwnership(ctx.tid, self.values.parts, ctx.num_threads, self.uniform.varying)
        self.guards: Guards = ()  # conditions around what is walked
        self.guards_at: dict[Path, Guards] = {}
        self._analyzer: ir.Analyzer | None = None
        self.gone: ir.Return | None = None  # where some threads have ended
        # What a statement touches, by its place: loops are walked until nothing changes, and this never does.
        self.touched: dict[Path, list[Access]] = {}
        self.divergence: dict[Path, bool] = {}

    # ------------------------------------------------------------------ statements

    def walk(self, stmt: ir.Stmt, path: Path, state: State) -> State:
        """The accesses pending after a statement, given those before it."""
        if isinstance(stmt, ir.SeqStmt):
            for i, part in enumerate(ir.items(stmt.seq)):
                state = self.walk(part, (*path, i), state)
            return state
        if isinstance(stmt, ir.AttrStmt):
            return self.walk(stmt.body, (*path, 0), state)
        if isinstance(stmt, ir.Break):
            self.exits[-1][0].append(state)
            return {}
        if isinstance(stmt, ir.Continue):
            self.exits[-1][1].append(state)
            return {}
        if isinstance(stmt, ir.Return):
            self.gone = self.gone or (stmt if self.before is not None else None)
            return {}
        if is_unit(stmt):
            return self.unit(stmt, path, state)
        if path not in self.touched:
            self.touched[path] = self.relevant(self.header(stmt))
        state = self.touch(self.touched[path], path, state)
        if self.before is None and (group := group_of(stmt)) is not None:
            return self.grouped(group, stmt, path, state)
        if path not in self.divergence:
            self.divergence[path] = self.before is None and self.is_divergent(stmt)
        if self.before is None and self.divergence[path]:
            return self.divergent(stmt, path, state)
        return self.structured(stmt, path, state)

    def structured(self, stmt: ir.Stmt, path: Path, state: State) -> State:
        if isinstance(stmt, ir.IfThenElse):
            return self.branch(stmt, path, state)
        return self.loop(stmt, path, state)

    def header(self, stmt: ir.Stmt) -> list[Access]:
        """What the condition or the bounds of a statement read."""
        exprs = _bounds(stmt) if isinstance(stmt, ir.For) else (stmt.condition,)
        return [a for e in exprs for a in expr_accesses(ir.substitute(e, self.binds), stmt.span)]

    def is_divergent(self, stmt: ir.Stmt) -> bool:
        """True if not all threads may pass through every part of a statement together."""
        deciding = _bounds(stmt) if isinstance(stmt, ir.For) else (stmt.condition,)
        if all(map(self.uniform.is_uniform, deciding)) and (
            isinstance(stmt, ir.IfThenElse) or not self.uniform.leaves_divergently(stmt.body)
        ):
            return False
        if not _needs_all_threads(stmt) or any(self.values.differ(ir.substitute(e, self.binds)) for e in deciding):
            return True
        self.ctx.remark(stmt.span, "threads are not known to take this branch or loop together; its barriers expect that they do")
        return False

    def unit(self, stmt: ir.Stmt, path: Path, state: State) -> State:
        call = ordering_call(stmt)
        if isinstance(stmt, ir.Bind):
            self.binds[stmt.var] = ir.substitute(stmt.value, self.binds)
        if call is None and not is_wider_barrier(stmt):
            self.check_collective(stmt)
            op = as_tile_op(stmt)
            counted = op is not None and op.is_counted
            if path not in self.touched:
                accesses = self.relevant(unit_accesses(stmt, self.binds))
                own = () if op is None else op.own_buffers
                accesses = [a for a in accesses if a.buffer not in own]
                self.touched[path] = [replace(a, asynchronous=False) for a in accesses] if counted else accesses
            after = self.touch(self.touched[path], path, state)
            if not counted:
                return after
            # Its author orders what it writes, accumulators that it reads as well.
            written = [a.buffer for a in self.touched[path] if a.write]
            return state_of(p for p in after.values() if p.key[0] != path or p.access.buffer not in written)
        if is_wider_barrier(stmt):
            self.check_present(stmt)
            self.check_barrier(stmt)
            return self.ordered(state, False)
        if is_block_barrier(stmt):
            self.check_present(stmt)
            self.check_barrier(stmt)
            return self.ordered(state, False)
        if ir.call_name(call) == BARRIER and self.is_complete(call):
            return self.ordered(state, False)
        if ir.call_name(call) == COMMIT:
            return state_of(p.committed() for p in state.values())
        depth = wait_depth(stmt)
        return state if depth is None else state_of(p.waited(depth) for p in state.values())

    def relevant(self, accesses: list[Access]) -> list[Access]:
        """Those that need barriers; mbarriers order others, and themselves."""
        return [a.of_root(self.ctx.views) for a in accesses if a.scope in ("global", "shared.dyn", "shared", "shared.tmem")]

    def touch(self, accesses: list[Access], path: Path, state: State) -> State:
        """Execute accesses at a place: order them after what they conflict with, then add them."""
        self.guards_at[path] = self.guards
        for access in accesses:
            if self.before is not None:
                self.check_divergent(access, state)
                continue
            found = [p for p in state.values() if self.is_conflict(p, access)]
            if found:
                self.leave_group(found)
                if self.gone is not None:
                    self.check_present(ir.evaluate(ir.const(0), access.span))
                self.leave_loops(found, path)
                self.barriers.add(path)
                if any(p.in_flight for p in found):
                    self.waits.add(path)
        if path in self.barriers and self.before is None:
            state = self.ordered(state, path in self.waits)
        else:
            state = dict(state)
        for index, access in enumerate(accesses):
            pending = Pending(access, (path, index), 0 if access.asynchronous else None, self.pins, self.group)
            state[pending.identity] = pending
        return state

    def is_conflict(self, old: Pending, new: Access) -> bool:
        if self.manual and old.group is not None and self.group is not None and not old.group.meets(self.group):
            return False
        if not self.conflicts.conflict(old, new, self.pins, self.analyzer()):
            return False
        return not self.owners.apart(old, new, self.ranges)

    def ordered(self, state: State, landed: bool) -> State:
        """What is pending behind a barrier of the present threads; `landed`: they have waited for their copies before."""
        return state_of(p for p in state.values() if (p.in_flight and not landed) or not self.is_present(p))

    def is_present(self, pending: Pending) -> bool:
        """True if all threads that made an access are those that run now."""
        return self.group is None or self.group.contains(pending.group)

    def is_complete(self, call: ir.Call) -> bool:
        """True for a named barrier of the author's at which all present threads meet."""
        present = self.ctx.num_threads if self.group is None else self.group.count
        return self.before is None and len(call.args) > 1 and ir.const_int(call.args[1]) == present

    def leave_group(self, found: list[Pending]) -> None:
        """Conflicts with others than the group's own threads: their barrier goes before the group's statement."""
        others = [p for p in found if not self.is_present(p)]
        if others:
            raise _Leave(any(p.in_flight for p in others))

    def leave_loops(self, found: list[Pending], place: Path) -> None:
        """Conflicts with what was before a loop only: their barrier goes before the outermost such loop."""
        if any(p.in_flight for p in found):
            return
        for path, group in self.loops:
            if group == self.group and not any(p.is_of_run(path) for p in found):
                raise _BeforeLoop(path, place)

    def analyzer(self) -> ir.Analyzer:
        if self._analyzer is None:
            ages = {self.ages[v]: age_range(r[1]) for v, r in self.ranges.items()}
            known = {v: r for v, r in self.ranges.items() if not any(map(rg.is_opaque, r))}
            self._analyzer = self.ctx.analyzer({**known, **ages})
        return self._analyzer

    # ------------------------------------------------------------------ branches and loops

    def branch(self, stmt: ir.IfThenElse, path: Path, state: State) -> State:
        pins, guards = self.pins, self.guards
        condition = ir.substitute(stmt.condition, self.binds)
        self.pins, self.guards = (*pins, *self.pinned_by(stmt.condition)), (*guards, (condition, True))
        out = dict(self.walk(stmt.then_case, (*path, 0), state))
        self.pins, self.guards = pins, (*guards, (condition, False))
        out.update(state if stmt.else_case is None else self.walk(stmt.else_case, (*path, 1), state))
        self.guards = guards
        return out

    def pinned_by(self, condition: Any) -> Pins:
        """Thread indices that a condition fixes to a constant."""
        if isinstance(condition, ir.And):
            return self.pinned_by(condition.a) + self.pinned_by(condition.b)
        if isinstance(condition, ir.EQ):
            for var, value in ((condition.a, condition.b), (condition.b, condition.a)):
                var = self.binds.get(var, var) if isinstance(var, ir.Var) else var
                fixed = ir.const_int(value)
                if isinstance(var, ir.Var) and var in self.threads and fixed is not None:
                    return ((var, fixed),)
        return ()

    def loop(self, stmt: ir.For | ir.While, path: Path, state: State) -> State:
        """The iterations of a loop, and its barrier if what stands before it needs one."""
        while True:
            saved = self.group, self.pins, dict(self.ranges), self.guards, self.gone
            exits, loops = len(self.exits), len(self.loops)
            if isinstance(stmt, ir.For) and self.before is None and path not in self.barriers | self.every_time:
                self.loops.append((path, self.group))
            try:
                after = self.iterations(stmt, path, state if path not in self.barriers else self.ordered(state, False))
            except _BeforeLoop as leave:
                self.group, self.pins, self.ranges, self.guards, self.gone = saved
                del self.exits[exits:]
                self._analyzer = None
                if leave.path != path:
                    raise
                self.barriers.add(path)
                self.wanted[path] = leave.place
                continue
            finally:
                del self.loops[loops:]
            if self.wanted.get(path) not in self.barriers:
                return after
            # There is a barrier at that place anyway.
            self.barriers.discard(path)
            self.every_time.add(path)
            del self.wanted[path]

    def iterations(self, stmt: ir.For | ir.While, path: Path, state: State) -> State:
        is_for = isinstance(stmt, ir.For)
        outer = dict(self.ranges)
        if is_for:
            self.enter(stmt)
        entry = state_of(self.relate(p, stmt) for p in state.values()) if is_for else state
        head, barriers = dict(entry), len(self.barriers)
        while True:
            self.exits.append(([], []))
            last = dict(self.walk(stmt.body, (*path, 0), head))
            breaks, continues = self.exits.pop()
            for other in continues:
                last.update(other)
            if not is_for:  # the condition is read again
                last = self.touch(self.relevant(self.header(stmt)), (*path, "end"), last)
            again = dict(entry if len(self.barriers) != barriers else head)
            carried = [p.next_iteration(stmt, self.ages[stmt.loop_var]) if is_for else p for p in last.values()]
            again.update(state_of(carried))
            if len(self.barriers) == barriers and again.keys() == head.keys():
                break
            head, barriers = again, len(self.barriers)
        self.ranges, self._analyzer = outer, None
        out = dict(state)
        for other in (*breaks, last):
            out.update(state_of(p.outside(stmt, path) for p in other.values()) if is_for else other)
        return out

    def enter(self, loop: ir.For) -> None:
        var = loop.loop_var
        self.ranges[var] = ir.substitute(loop.min, self.binds), ir.substitute(loop.extent, self.binds)
        if var not in self.ages:
            self.ages[var] = ir.var(f"{var.name}_age", ir.dtype_of(var))
        self._analyzer = None

    def relate(self, pending: Pending, loop: ir.For) -> Pending:
        """Write the fixed version that a prologue's copy fills in terms of the loop's own version index."""
        first = pending.access.ranges[0][0] if pending.access.ranges else None
        fixed = ir.const_int(first)
        if not pending.in_flight or fixed is None:
            return pending
        for node in ir.collect(loop.body, (ir.BufferLoad, ir.BufferRegion)):
            if not node.source.same_as(pending.access.buffer):
                continue
            index = node.region[0].min if isinstance(node, ir.BufferRegion) else node.indices[0]
            index = ir.substitute(index, self.binds)
            found = rg.modulus(index)
            if found is None or rg.is_opaque(index) or not 0 <= fixed < found[1]:
                continue
            at_entry = ir.const_int(ir.simplify(ir.substitute(found[0], {loop.loop_var: loop.min})))
            if at_entry is not None:
                return pending.entering(loop, ir.FloorMod(found[0] + (fixed - at_entry), ir.as_expr(index.b)))
        return pending

    # ------------------------------------------------------------------ divergent statements

    def grouped(self, group: ThreadGroup, stmt: ir.Stmt, path: Path, state: State) -> State:
        """A statement of a group: barriers of the group inside, of all present threads before it."""
        if path in self.barriers:
            state = self.ordered(state, path in self.waits)
        saved = self.group, self.pins, dict(self.ranges), self.before, len(self.exits), self.guards
        self.group = group
        try:
            inner = self.walk(stmt.then_case, (*path, 0), state)
        except _Leave as leave:
            self.group, self.pins, self.ranges, self.before, depth, self.guards = saved
            del self.exits[depth:]
            self._analyzer = None
            if path in self.barriers and (path in self.waits or not leave.in_flight):
                raise
            self.barriers.add(path)
            if leave.in_flight:
                self.waits.add(path)
            return self.grouped(group, stmt, path, state)
        self.group = saved[0]
        return {**state, **inner}

    def divergent(self, stmt: ir.Stmt, path: Path, state: State) -> State:
        """A statement through which threads go separately: barriers only before it."""
        if path in self.barriers:
            state = self.ordered(state, path in self.waits)
        saved = self.pins, dict(self.ranges), len(self.exits), self.guards
        self.before = state
        try:
            inner = self.structured(stmt, path, {})
        except _Hoist as hoist:
            self.barriers.add(path)
            if hoist.in_flight:
                self.waits.add(path)
            self.pins, self.ranges, depth, self.guards = saved
            del self.exits[depth:]
            self._analyzer = self.before = None
            return self.divergent(stmt, path, state)
        self.before = None
        return {**state, **inner}

    def check_divergent(self, access: Access, inside: State) -> None:
        """Inside a divergent statement: hoist a barrier for a conflict with what was before, refuse a race among its own."""
        found = [p for p in (self.before or {}).values() if self.is_conflict(p, access)]
        if found:
            self.leave_group(found)
            raise _Hoist(any(p.in_flight for p in found))
        for other in inside.values():
            if not self.is_conflict(other, access):
                continue
            if not self.is_race(other, access):
                text = f"no barrier can stand here: which thread is first at {access.buffer.name} is the author's affair"
                self.ctx.remark(access.span, text)
                return
            name = access.buffer.name
            where = ir.span_to_source(other.access.span)
            raise SemanticError(
                f"{name} is {_verb(other.access)} and then {_verb(access)} by different threads inside a branch or loop that "
                f"not all threads of the block take together, so no barrier can stand between",
                fix=f"end the branch between the two accesses of {name} and write T.sync_threads() there, "
                "or make its condition the same for all threads",
                span=ir.span_to_source(access.span),
                notes=() if where is None else (f"the earlier access: {where}",),
            )

    def is_race(self, old: Pending, new: Access) -> bool:
        """True if threads of different warps are known to meet at an element, in the first iteration of the loops around."""
        if old.distance or not (old.access.own and new.own) or not old.access.buffer.same_as(new.buffer):
            return not (old.access.own and new.own)
        first = {v: ir.as_expr(low) for v, (low, _) in self.ranges.items()}
        return self.values.race(old.access, self.guards_at.get(old.key[0], ()), new, self.guards, first)

    def check_collective(self, stmt: ir.Stmt) -> None:
        """An operator or nest that writes needs all the threads over which its work is spread."""
        if is_collective(stmt):
            self.check_present(stmt)
        if self.before is not None and is_collective(stmt) and any(a.write for a in unit_accesses(stmt)):
            raise SemanticError(
                "a tile operation stands inside a branch or loop that not all threads of the block take together, "
                "but its work is spread over all of them",
                fix="move it out of the branch, or make the condition the same for all threads",
                span=ir.span_to_source(stmt.span),
            )

    def check_present(self, stmt: ir.Stmt) -> None:
        """Behind a T.thread_return of some threads the block does nothing together."""
        if self.gone is not None:
            place = ir.span_to_source(self.gone.span)
            raise SemanticError(
                f"all threads of the block are needed here, but some have ended{f' at {place}' if place else ''}",
                fix="guard the rest with `if` instead of T.thread_return",
                span=ir.span_to_source(stmt.span),
            )

    def check_barrier(self, stmt: ir.Stmt) -> None:
        if self.before is not None:
            raise SemanticError(
                "T.sync_threads() stands inside a branch or loop that not all threads of the block take together: "
                "the others would never arrive",
                fix="move it out of the branch, or make the condition the same for all threads",
                span=ir.span_to_source(stmt.span),
            )

    # ------------------------------------------------------------------ result

    def rebuild(self, stmt: ir.Stmt, path: Path) -> ir.Stmt:
        """The statement with its barriers."""
        new = self.rebuild_inside(stmt, path)
        return ir.seq([*self.ordering(path), new]) if path in self.barriers else new

    def ordering(self, path: Path) -> list[ir.Stmt]:
        return [commit(), wait(0), barrier()] if path in self.waits else [barrier()]

    def rebuild_inside(self, stmt: ir.Stmt, path: Path) -> ir.Stmt:
        if not any(place[: len(path)] == path and len(place) > len(path) for place in self.barriers):
            return stmt
        if isinstance(stmt, ir.SeqStmt):
            return ir.seq(self.rebuild(s, (*path, i)) for i, s in enumerate(stmt.seq))
        if isinstance(stmt, ir.IfThenElse):
            other = None if stmt.else_case is None else self.rebuild(stmt.else_case, (*path, 1))
            return ir.IfThenElse(stmt.condition, self.rebuild(stmt.then_case, (*path, 0)), other, stmt.span)
        body = self.rebuild(stmt.body, (*path, 0))
        if isinstance(stmt, ir.While):
            end = (*path, "end")
            body = ir.seq([body, *self.ordering(end)]) if end in self.barriers else body
            return ir.While(stmt.condition, body, stmt.span)
        if isinstance(stmt, ir.AttrStmt):
            return ir.AttrStmt(stmt.node, stmt.attr_key, stmt.value, body, stmt.span)
        parts = stmt.loop_var, stmt.min, stmt.extent, stmt.kind, body
        return ir.For(*parts, stmt.thread_binding, stmt.annotations, stmt.step, stmt.span)


def _needs_all_threads(stmt: ir.Stmt) -> bool:
    """Whether a statement holds a barrier of the block, or an operator or nest that writes."""
    if is_unit(stmt):
        spread = is_collective(stmt) and any(a.write for a in unit_accesses(stmt))
        return spread or is_block_barrier(stmt) or is_wider_barrier(stmt)
    return any(map(_needs_all_threads, _parts(stmt)))


def _parts(stmt: ir.Stmt) -> tuple[ir.Stmt, ...]:
    if isinstance(stmt, ir.SeqStmt):
        return tuple(stmt.seq)
    if isinstance(stmt, ir.IfThenElse):
        return (stmt.then_case,) if stmt.else_case is None else (stmt.then_case, stmt.else_case)
    return (stmt.body,) if hasattr(stmt, "body") else ()


def _bounds(loop: ir.For) -> tuple[Any, ...]:
    return (loop.min, loop.extent) if loop.step is None else (loop.min, loop.extent, loop.step)


def _extents(variables: Iterable[ir.Var], ctx: LoweringContext) -> dict[ir.Var, int]:
    """How many values thread indices take, where that is known."""
    known: Mapping[ir.Var, tuple[Any, Any]] = ctx.ranges
    found = {v: ir.const_int(known[v][1]) for v in variables if v in known}
    return {v: extent for v, extent in found.items() if extent is not None}


def _verb(access: Access) -> str:
    return "written" if access.write else "read"
