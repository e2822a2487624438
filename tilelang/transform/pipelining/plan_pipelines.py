"""Which copies of a `T.Pipelined` loop may run ahead, in how many versions, and where they are waited for.

A copy is staged when it fills a whole shared buffer from global memory, nothing else writes that buffer in the loop, every
read follows it under its own conditions, its content is dead after the loop, and its source, indices and conditions do not
change inside the loop. Every other copy stays where it is, with a remark that says why.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from ... import ir
from ...tileop.base import LoweringContext, TileOp, as_tile_op
from .. import region as rg
from ..nest_load import NestLoad
from .body_units import BodyUnit, LoopBody

# One wait and one barrier a group: a third costs more than waiting for the later copies a little early.
MAX_GROUPS = 2
IsLive = Callable[[ir.Var], bool]
Engine = Callable[["TileOp | NestLoad", LoweringContext], "str | None"]
TOGETHER = "tl.stages_together"  # all tiles of an iteration are waited for at once
PIPELINE_KEYS = ("tl.num_stages", "tl.order", "tl.stage", "tl.sync", "tl.group", TOGETHER)


@dataclass(frozen=True)
class StagedCopy:
    """A copy that runs ahead.

    `stmt` is the statement in the body, `copy` the same with the body's scalars replaced by their values, `guards` its
    conditions likewise, `consumer` the position in the body of the first statement that reads `buffer`.
    """

    stmt: ir.Stmt
    copy: ir.Stmt
    buffer: ir.Var
    guards: tuple[Any, ...]
    consumer: int

    @property
    def call(self) -> ir.Call:
        """The operator's call, where the copy is one."""
        return self.copy.value


@dataclass(frozen=True)
class CopyGroup:
    """Copies that are waited for together, before the statement at `position`."""

    position: int
    copies: tuple[StagedCopy, ...]


@dataclass(frozen=True)
class PipelinePlan:
    """The staged copies of one loop of step `step`; `versions` buffers of each, so `versions - 1` iterations run ahead."""

    versions: int
    groups: tuple[CopyGroup, ...]
    step: int = 1

    @property
    def buffers(self) -> list[ir.Var]:
        return [c.buffer for g in self.groups for c in g.copies]


def stage_count(loop: ir.For, ctx: LoweringContext) -> int:
    """The number of stages that the author asked for; 0 for none.

    An explicit `stage` list counts through its largest stage. Beyond that, `order` and `stage` are hints: the positions of
    waits and barriers follow from the dependences.
    """
    stages = int(loop.annotations.get("tl.num_stages", 0))
    listed = [int(s) for s in loop.annotations.get("tl.stage", ())]
    if listed and max(listed) > 0:
        stages = max(stages, max(listed) + 1)
        body = [s for s in ir.statements(loop.body) if not isinstance(s, (ir.Bind, ir.AllocBuffer))]
        groups = loop.annotations.get("tl.group") or [[number] for number in range(len(listed))]
        numbers = [int(n) for members, stage in zip(groups, listed) if stage < max(listed) for n in members]
        early = [body[n] for n in numbers if n < len(body)]
        if any(global_load(s) is None for s in early):
            ctx.remark(loop.span, "stage= gives an early stage to a statement that loads no shared tile; it is taken as a hint")
    if len(loop.annotations.get("tl.order", ())):
        ctx.remark(loop.span, "order= is taken as a hint: statements keep their order, copies run ahead as far as stages allow")
    return stages


def cp_async_obstacle(op: TileOp | NestLoad, ctx: LoweringContext) -> str | None:
    """Why cp.async cannot do a copy; None if it can."""
    if op.can_be_async(ctx):
        return None
    return "its elements cannot be moved by cp.async (dtype conversion, or pieces not provably of 4, 8 or 16 aligned bytes)"


def plan_pipeline(
    loop: ir.For,
    stages: int,
    is_live: IsLive,
    ctx: LoweringContext,
    engine: Engine = cp_async_obstacle,
    groups: int = MAX_GROUPS,
) -> PipelinePlan | None:
    """The plan of one loop, or None if nothing can be staged (remarks say why).

    Parameters
    ----------
    loop : For
        A serial loop whose inner pipelined loops are lowered already.
    stages : int
        At least 1.
    is_live : callable
        Whether a buffer's content may be read after the loop.
    engine : callable
        Why the engine that is to bring the tiles cannot do a copy, or None.
    groups : int
        The most groups of copies that are waited for on their own.
    """
    body = LoopBody(loop)
    candidates = [(u, op) for u in body.units if (op := global_load(u.stmt)) is not None]
    if not candidates:
        ctx.remark(loop.span, "num_stages has no effect: the loop copies nothing from global to shared memory")
        return None
    if not ctx.target.limits.has_cp_async:
        ctx.remark(loop.span, f"num_stages has no effect: {ctx.target} has no asynchronous copies")
        return None
    obstacle = body.obstacle()
    if obstacle is not None:
        ctx.remark(loop.span, f"not pipelined: {obstacle}")
        return None
    extent = ir.const_int(ir.simplify(loop.extent))
    step = 1 if loop.step is None else ir.const_int(loop.step)
    if step is None or step < 1:
        ctx.remark(loop.span, "not pipelined: the loop's step is not a positive constant")
        return None
    versions = stages if extent is None else min(stages, max(1, -(-extent // step)))
    staged = []
    for unit, op in candidates:
        found = _stage(unit, op, body, versions, is_live, ctx, engine)
        if isinstance(found, str):
            ctx.remark(unit.stmt.span, f"this copy is not pipelined: {found}")
        else:
            staged.append(found)
    return PipelinePlan(versions, _group(staged, body, groups), step) if staged else None


def global_load(stmt: ir.Stmt) -> TileOp | NestLoad | None:
    """The operator or nest, if it can be asynchronous and fills a shared tile from global memory."""
    if isinstance(stmt, ir.For):
        return NestLoad.of(stmt)
    op = as_tile_op(stmt)
    if op is None or not op.may_be_async:
        return None
    effects = op.effects()
    loads = (
        len(effects.reads) == len(effects.writes) == 1
        and ir.scope_of(effects.reads[0].source) == "global"
        and ir.scope_of(effects.writes[0].source).startswith("shared")
    )
    return op if loads else None


def _stage(
    unit: BodyUnit, op: TileOp | NestLoad, body: LoopBody, versions: int, is_live: IsLive, ctx: LoweringContext, engine: Engine
) -> StagedCopy | str:
    """The staged copy, or why it cannot be one."""
    effects = op.effects()
    sources, target = effects.reads, effects.writes[0]
    buf, name = target.source, target.source.name
    others = [u for u in body.units if u is not unit]
    readers = [u for u in others if u.reads(buf)]
    copy = body.inline(unit.stmt)
    operands = op.operands if isinstance(op, NestLoad) else unit.stmt.value.args
    if unit.nested:
        return "it is inside an inner loop"
    if buf in ctx.views or buf in ctx.views.values():
        return f"{name} is seen through a view"
    changed = next((s.source for s in sources if any(ctx.root(b).same_as(ctx.root(s.source)) for b in body.written)), None)
    if changed is not None:
        return f"the loop writes its source {changed.name}"
    if not rg.covers(buf, rg.ranges_of(target)):
        return f"it does not fill all of {name}"
    if any(u.writes(buf) for u in others):
        return f"the loop writes {name} elsewhere too"
    if not readers:
        return f"the loop does not read {name}"
    if any(body.units.index(u) < body.units.index(unit) for u in readers):
        return f"{name} is read before it is filled, so its content is carried from one iteration to the next"
    if not all(_implies(u.guards, unit.guards) for u in readers):
        return f"{name} is read where the copy's condition need not hold"
    if not all(body.is_replayable(body.inline(operand)) for operand in operands):
        return "its indices depend on values that the loop changes"
    if not all(body.is_replayable(g) for g in unit.guards):
        return "its condition depends on values that the loop changes"
    if is_live(buf):
        return f"{name} is read after the loop"
    # Asking must not settle a layout: shared layouts are inferred later.
    obstacle = engine(op, replace(ctx, shared=dict(ctx.shared)))
    if obstacle is not None:
        return obstacle
    consumer = min(u.position for u in readers)
    if versions == 1 and consumer == unit.position:
        return "a single stage leaves no place to wait between the copy and its use under one condition"
    return StagedCopy(unit.stmt, copy, buf, unit.guards, consumer)


def _implies(conditions: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """True if each wanted condition is literally among the conditions."""
    return all(any(ir.structural_equal(c, w) for c in conditions) for w in wanted)


def _group(staged: list[StagedCopy], body: LoopBody, most: int) -> tuple[CopyGroup, ...]:
    """Copies by first consumer, in `most` groups; a later consumer waits on its own only if real work lies between."""
    groups: list[CopyGroup] = []
    for copy in sorted(staged, key=lambda c: c.consumer):
        if groups and (len(groups) == most or not _accumulates(body, groups[-1].position, copy.consumer)):
            groups[-1] = CopyGroup(groups[-1].position, (*groups[-1].copies, copy))
        else:
            groups.append(CopyGroup(copy.consumer, (copy,)))
    return tuple(groups)


def _accumulates(body: LoopBody, first: int, last: int) -> bool:
    """True if a unit in positions [first, last) updates what it reads (matrix products, reductions): time worth overlapping."""
    return any(u.reads(a.buffer) for u in body.units if first <= u.position < last for a in u.accesses if a.write)
