"""When each shared buffer of a launch holds something, as an interval of unit positions."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import ir
from .effects import Access, expr_accesses, is_unit, unit_accesses, wait_depth
from .ring import BARRIER_SCOPE
from .thread_group import group_of


@dataclass
class LiveRange:
    """The positions from the first to the last use of a buffer, both included."""

    buffer: ir.Var
    first: int
    last: int
    span: Any = None

    def meets(self, other: LiveRange) -> bool:
        return self.first <= other.last and other.first <= self.last

    def include(self, first: int, last: int) -> None:
        self.first, self.last = min(self.first, first), max(self.last, last)


@dataclass
class _Use:
    access: Access
    position: int
    loops: tuple[int, ...]


@dataclass
class _Linearised:
    """The units of a body, numbered; loops as intervals of numbers. A use of a view is one of the buffer behind it."""

    count: int = 0
    allocations: dict[ir.Var, tuple[int, tuple[int, ...], Any]] = field(default_factory=dict)
    uses: dict[ir.Var, list[_Use]] = field(default_factory=dict)
    loops: list[list[int]] = field(default_factory=list)
    grouped: set[ir.Var] = field(default_factory=set)  # used by groups of threads, each at a time of its own
    full_waits: list[tuple[int, tuple[int, ...]]] = field(default_factory=list)
    views: Mapping[ir.Var, ir.Var] = field(default_factory=dict)


def is_shared(buf: ir.Var) -> bool:
    return ir.scope_of(buf).startswith("shared")


def live_ranges(body: ir.Stmt, early: Collection[ir.Var] = (), views: Mapping[ir.Var, ir.Var] | None = None) -> list[LiveRange]:
    """The live ranges of the shared buffers allocated in a body, in order of allocation.

    A use inside a loop that the buffer outlives counts for the whole loop. An asynchronous write lasts until all copies
    have been waited for. `early` buffers live from the start, mbarriers and what groups of threads use all the time.
    A buffer that is only touched by what its address escapes to is used where it escapes.
    """
    line = _Linearised(views=views or {})
    _number(body, line, (), False)
    ranges = [_range_of(buf, line) for buf in line.allocations]
    for live in ranges:
        if live.buffer in early:
            live.include(0, live.last)
        elif ir.scope_of(live.buffer) == BARRIER_SCOPE or live.buffer in line.grouped:
            live.include(0, line.count)
    return ranges


def _number(stmt: ir.Stmt, line: _Linearised, loops: tuple[int, ...], conditional: bool) -> None:
    if isinstance(stmt, ir.SeqStmt):
        for part in stmt.seq:
            _number(part, line, loops, conditional)
        return
    line.count += 1
    here = line.count
    if isinstance(stmt, ir.AllocBuffer):
        if is_shared(stmt.buffer):
            line.allocations[stmt.buffer] = here, loops, stmt.span
    elif is_unit(stmt):
        _note(unit_accesses(stmt), line, here, loops)
        if wait_depth(stmt) == 0 and not conditional:
            line.full_waits.append((here, loops))
    elif isinstance(stmt, ir.IfThenElse):
        _note(expr_accesses(stmt.condition), line, here, loops)
        _number(stmt.then_case, line, loops, True)
        if group_of(stmt) is not None:
            line.grouped.update(b for b, uses in line.uses.items() if uses[-1].position >= here)
        if stmt.else_case is not None:
            _number(stmt.else_case, line, loops, True)
    elif isinstance(stmt, ir.AttrStmt):
        _number(stmt.body, line, loops, conditional)
    else:
        _loop(stmt, line, loops, conditional, here)


def _loop(stmt: Any, line: _Linearised, loops: tuple[int, ...], conditional: bool, here: int) -> None:
    index = len(line.loops)
    line.loops.append([here, here])
    if isinstance(stmt, ir.While):  # its condition is read in every iteration
        _note(expr_accesses(stmt.condition), line, here, (*loops, index))
    else:
        _note(expr_accesses(stmt.min) + expr_accesses(stmt.extent), line, here, loops)
    _number(stmt.body, line, (*loops, index), conditional)
    line.count += 1
    line.loops[index][1] = line.count


def _note(accesses: list[Access], line: _Linearised, here: int, loops: tuple[int, ...]) -> None:
    for access in accesses:
        if is_shared(access.buffer):
            access = access.of_root(line.views)
            line.uses.setdefault(access.buffer, []).append(_Use(access, here, loops))


def _range_of(buf: ir.Var, line: _Linearised) -> LiveRange:
    position, outer, span = line.allocations[buf]
    uses = line.uses.get(buf, [])
    if not uses:
        return LiveRange(buf, position, position, span)
    out = LiveRange(buf, uses[0].position, uses[0].position, span)
    for use in uses:
        inner = [loop for loop in use.loops if loop not in outer]
        out.include(*(line.loops[inner[0]] if inner else (use.position, use.position)))
        if use.access.asynchronous:
            # A wait in a loop that the copy is not part of may run no time.
            landed = [at for at, loops in line.full_waits if at > use.position and loops == use.loops[: len(loops)]]
            out.include(use.position, landed[0] if landed else line.count)
    if outer and not uses[0].access.write:  # read before it is written: carried from one iteration to the next
        out.include(*line.loops[outer[-1]])
    return out
