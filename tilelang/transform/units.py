"""The units of a launch body, with what surrounds them: tile operators, parallel nests, leaf statements."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, TileOp, as_tile_op
from .parallel_nest import ParallelNest
from .thread_group import ThreadGroup, as_block, group_of


@dataclass
class Unit:
    """One operator, nest or leaf statement and its surroundings."""

    stmt: ir.Stmt
    op: TileOp | None = None
    nest: ParallelNest | None = None
    ranges: dict[ir.Var, tuple[Any, Any]] = field(default_factory=dict)
    constraints: list[Any] = field(default_factory=list)
    group: ThreadGroup | None = None

    @contextmanager
    def within(self, ctx: LoweringContext) -> Iterator[LoweringContext]:
        """The context with this unit's surroundings."""
        saved = ctx.ranges, ctx.constraints
        ctx.ranges, ctx.constraints = {**ctx.ranges, **self.ranges}, [*ctx.constraints, *self.constraints]
        try:
            with as_block(self.group, ctx):
                yield ctx
        finally:
            ctx.ranges, ctx.constraints = saved


def is_parallel(stmt: Any) -> bool:
    """True for the outermost For of a parallel nest."""
    return isinstance(stmt, ir.For) and int(stmt.kind) == int(ir.ForKind.PARALLEL)


def is_pure_condition(condition: Any) -> bool:
    """True for conditions whose truth cannot change before the statements under it run."""
    return not ir.contains(condition, (ir.BufferLoad, ir.Call))


def units_of(body: ir.Stmt) -> list[Unit]:
    """All units of a body in program order."""
    found: list[Unit] = []

    def visit(stmt: Any, ranges: dict, constraints: list, group: ThreadGroup | None) -> None:
        if isinstance(stmt, ir.SeqStmt):
            for s in ir.items(stmt.seq):
                visit(s, ranges, constraints, group)
        elif is_parallel(stmt):
            found.append(Unit(stmt, nest=ParallelNest.of(stmt), ranges=ranges, constraints=constraints, group=group))
        elif isinstance(stmt, ir.For):
            visit(stmt.body, {**ranges, stmt.loop_var: (stmt.min, loop_span(stmt))}, constraints, group)
        elif isinstance(stmt, ir.While):
            visit(stmt.body, ranges, constraints, group)
        elif isinstance(stmt, ir.AttrStmt):
            visit(stmt.body, ranges, constraints, group)
        elif isinstance(stmt, ir.IfThenElse):
            pure = is_pure_condition(stmt.condition)
            visit(stmt.then_case, ranges, [*constraints, stmt.condition] if pure else constraints, group_of(stmt) or group)
            if stmt.else_case is not None:
                visit(stmt.else_case, ranges, [*constraints, ir.Not(stmt.condition)] if pure else constraints, group)
        else:
            found.append(Unit(stmt, op=as_tile_op(stmt), ranges=ranges, constraints=constraints, group=group))

    visit(body, {}, [], None)
    return found


def loop_span(loop: ir.For) -> Any:
    """How many consecutive integers, from its start, a loop variable may take (the extent, or more with a step)."""
    return loop.extent if loop.step is None else loop.extent * loop.step
