"""Refuse T.Parallel nests in which one iteration reads what another one writes: their order is not defined.

Before: `for i in T.Parallel(64): x[i] = x[i + 1]`   whether x[i + 1] is the old or the new value is a matter of luck
After:  a SemanticError that names both accesses

Accesses of one iteration may meet as they like. Two iterations must touch different elements, except where read and write have
the very same data-dependent index (a scatter through a permutation). What is not proved is counted out (`CountedNest`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .. import ir
from ..errors import SemanticError
from . import region as rg
from .counted_nest import CountedNest
from .parallel_nest import ParallelNest

_TILES = ("local.fragment", "shared.dyn", "shared")


@dataclass(frozen=True)
class _Access:
    buffer: ir.Var
    indices: tuple[Any, ...]
    write: bool
    conditions: tuple[Any, ...]
    span: Any

    def text(self) -> str:
        return f"{self.buffer.name}[{', '.join(str(i) for i in self.indices)}]"


def check_iterations(nest: ParallelNest, place: Any, around: Sequence[ir.For] = ()) -> None:
    """Raise a SemanticError for two accesses of a tile whose order the nest leaves open.

    Parameters
    ----------
    nest : ParallelNest
    place : callable
        Span of a statement, or None, → the user's place.
    around : sequence of For
        The loops around the nest, outermost first.
    """
    if nest.is_private:
        return
    _check_private(nest, place)
    collector = _Collector(nest)
    collector.visit(nest.body)
    written = {a.buffer for a in collector.found if a.write}
    for read in collector.found:
        if read.write or read.buffer not in written:
            continue
        for write in collector.found:
            if not write.write or not write.buffer.same_as(read.buffer) or _ordered(write, read, nest, collector.loops):
                continue
            counted = CountedNest.of(nest, collector.loops)
            writes, reads = ((access.indices, access.conditions) for access in (write, read))
            if counted is None or counted.meet(writes, reads, around):
                _refuse(write, read, place)


def _check_private(nest: ParallelNest, place: Any) -> None:
    """A thread's own array from outside the nest cannot be indexed by what decides the thread."""
    inner = set(ir.declared_buffers(nest.body))
    variables = set(nest.vars)
    for node in ir.collect(nest.body, (ir.BufferLoad, ir.BufferStore)):
        buf = node.buffer if isinstance(node, ir.BufferStore) else node.source
        if ir.scope_of(buf) == "local" and buf not in inner and any(ir.uses_var(i, variables) for i in node.indices):
            index = ", ".join(str(i) for i in node.indices)
            raise SemanticError(
                f"T.Parallel accesses {buf.name}[{index}], but every thread has its own {buf.name} and T.Parallel decides which "
                "thread runs an iteration",
                fix=f"make {buf.name} a fragment (T.alloc_fragment), or loop with T.serial or T.vectorized in each thread",
                span=place(node.span),
            )


def _refuse(write: _Access, read: _Access, place: Any) -> None:
    same = _same_indices(write, read)
    name = write.buffer.name
    raise SemanticError(
        f"several iterations of T.Parallel update {write.text()}, and their order is not defined"
        if same
        else f"iterations of T.Parallel write {write.text()} and read {read.text()}, and their order is not defined",
        fix=f"reduce with T.reduce_* or T.atomic_*, or run the loop that {name} is not indexed by as T.serial inside"
        if same
        else f"copy {name} to another tile first and read that, or split the nest so that all reads come before the writes",
        span=place(write.span),
        notes=() if same or place(read.span) is None else (f"the read: {place(read.span)}",),
    )


def _same_indices(a: _Access, b: _Access) -> bool:
    return all(ir.structural_equal(x, y) for x, y in zip(a.indices, b.indices))


def _ordered(write: _Access, read: _Access, nest: ParallelNest, loops: dict[ir.Var, ir.For]) -> bool:
    """True if no two iterations meet in the two accesses."""
    wide = [v for v, n in zip(nest.vars, nest.extents) if n > 1]
    if any(rg.is_opaque(i) for a in (write, read) for i in a.indices):
        return _same_indices(write, read)
    extents = dict(zip(nest.vars, nest.extents))
    a, b = _widened(write, loops), _widened(read, loops)
    pinned = rg.pinned_variables(a, b, wide, extents) | _pinned_by(write, wide) & _pinned_by(read, wide)
    if all(v in pinned for v in wide):
        return True
    if _same_indices(write, read) and _guarded(write, [v for v in wide if v not in pinned]):
        return True
    return _never_meet(write, read, nest, loops)


def _widened(access: _Access, loops: dict[ir.Var, ir.For]) -> rg.Ranges:
    """The elements that the serial loops inside an iteration reach."""
    ranges: rg.Ranges = tuple((i, ir.const(1)) for i in access.indices)
    for var, loop in reversed(loops.items()):
        ranges = rg.widen(access.buffer, ranges, var, loop.min, loop.extent)
    return ranges


def _pinned_by(access: _Access, variables: list[ir.Var]) -> set[ir.Var]:
    """Loop variables that a condition fixes to a value of its own."""
    found: set[ir.Var] = set()
    for condition in access.conditions:
        if isinstance(condition, ir.EQ):
            for var, value in ((condition.a, condition.b), (condition.b, condition.a)):
                if isinstance(var, ir.Var) and var in variables and not ir.uses_var(value, set(variables)):
                    found.add(var)
    return found


def _guarded(access: _Access, variables: list[ir.Var]) -> bool:
    """True if a condition decides which of the iterations over `variables` come here: the author's business."""
    return any(ir.uses_var(c, {v}) for v in variables for c in access.conditions)


def _never_meet(write: _Access, read: _Access, nest: ParallelNest, loops: dict[ir.Var, ir.For]) -> bool:
    """True if the two accesses never touch one element, whatever the two iterations."""
    ranges: dict[ir.Var, tuple[Any, Any]] = dict(nest.ranges)
    other = {v: ir.var(f"{v.name}_other", ir.dtype_of(v)) for v in (*nest.vars, *loops)}
    for var, twin in other.items():
        start, extent = ranges[var]
        ranges[twin] = ir.substitute(ir.as_expr(start), other), ir.substitute(ir.as_expr(extent), other)
    conditions = [*write.conditions, *(ir.substitute(c, other) for c in read.conditions)]
    analyzer = ir.analyzer_for(ranges, (), [c for c in conditions if not rg.is_opaque(c)])
    one = ir.const(1)
    a = tuple((i, one) for i in write.indices)
    b = tuple((ir.substitute(ir.as_expr(i), other), one) for i in read.indices)
    return rg.disjoint(a, b, analyzer) or any(ir.can_prove(ir.NE(ir.as_expr(x), y), analyzer) for (x, _), (y, _) in zip(a, b))


class _Collector(ir.Visitor):
    """Accesses of tiles in a nest's body, with the conditions under which they happen. Atomics are ordered by themselves."""

    def __init__(self, nest: ParallelNest) -> None:
        super().__init__()
        self.found: list[_Access] = []
        self.loops: dict[ir.Var, ir.For] = {}
        self.binds: dict[ir.Var, Any] = {}
        self.conditions: tuple[Any, ...] = ()
        self.span = nest.span

    def note(self, buf: ir.Var, indices: Any, write: bool) -> None:
        if ir.scope_of(buf) in _TILES:
            plain = tuple(ir.simplify(ir.substitute(ir.as_expr(i), self.binds)) for i in indices)
            self.found.append(_Access(buf, plain, write, self.conditions, self.span))

    def under(self, condition: Any, node: Any) -> None:
        saved = self.conditions
        self.conditions = (*saved, *_conjuncts(ir.substitute(condition, self.binds)))
        self.visit(node)
        self.conditions = saved

    def visit(self, node: Any) -> None:
        if isinstance(node, ir.Stmt) and node.span is not None:
            self.span = node.span
        super().visit(node)

    def visit_For(self, node: ir.For) -> None:
        self.loops[node.loop_var] = node
        self.descend(node)

    def visit_Bind(self, node: ir.Bind) -> None:
        self.visit(node.value)
        self.binds[node.var] = ir.substitute(node.value, self.binds)

    def visit_IfThenElse(self, node: ir.IfThenElse) -> None:
        self.visit(node.condition)
        self.under(node.condition, node.then_case)
        if node.else_case is not None:
            self.under(ir.Not(node.condition), node.else_case)

    def visit_Call(self, node: ir.Call) -> None:
        if ir.is_call(node, "tirx.address_of"):
            return
        if ir.is_call(node, "prim.if_then_else"):
            self.visit(node.args[0])
            self.under(node.args[0], node.args[1])
            self.under(ir.Not(node.args[0]), node.args[2])
        else:
            self.descend(node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        self.descend(node)
        self.note(node.source, node.indices, False)

    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        self.descend(node)
        self.note(node.buffer, node.indices, True)


def _conjuncts(condition: Any) -> tuple[Any, ...]:
    if isinstance(condition, ir.And):
        return _conjuncts(condition.a) + _conjuncts(condition.b)
    return (condition,)
