"""Statements of a scheduled launch that no role runs: scalars, declarations, and what stands around the scopes."""

from __future__ import annotations

from ... import ir
from ..effects import Access, accesses_within, is_unit
from .schedule import Schedule


def accesses_known(stmt: ir.Stmt) -> list[Access]:
    """What a statement touches; nothing for those that only declare."""
    if isinstance(stmt, ir.Evaluate) and isinstance(stmt.value, ir.Call) and ir.call_name(stmt.value).startswith("tl.annotate"):
        return []
    found = list(accesses_within(stmt))
    opaque = isinstance(stmt, ir.Evaluate) and not ir.is_noop(stmt) and not found and not _declares(stmt)
    return found or ([Access(ir.var("effect"), (), True)] if opaque else [])


def _declares(stmt: ir.Evaluate) -> bool:
    names = (
        "tl.assume",
        "tl.use_swizzle",
        "tl.make_tensor",
        "tl.view",
        "tl.ws_schedule",
        "tl.ws_pipeline_depth",
        "tl.init_barriers",
    )
    return isinstance(stmt.value, ir.Call) and ir.call_name(stmt.value) in names


def leaves_loop(stmt: ir.Stmt) -> bool:
    """True if a break or continue in a statement belongs to a loop around it."""
    if isinstance(stmt, (ir.Break, ir.Continue, ir.Return)):
        return True
    if isinstance(stmt, (ir.For, ir.While)):
        return False
    if isinstance(stmt, ir.SeqStmt):
        return any(leaves_loop(s) for s in stmt.seq)
    if isinstance(stmt, ir.IfThenElse):
        return leaves_loop(stmt.then_case) or (stmt.else_case is not None and leaves_loop(stmt.else_case))
    return isinstance(stmt, ir.AttrStmt) and leaves_loop(stmt.body)


def units_outside(stmt: ir.Stmt, schedule: Schedule) -> list[ir.Stmt]:
    """The units of a launch that belong to no scope."""
    loops = {s.loop.loop_var for s in schedule.scopes if s.loop is not None}
    root = next((s for s in schedule.scopes if s.loop is None), None)
    if root is not None:
        return [u for s in root.free for u in _units(s, loops)]
    return _units(stmt, loops)


def _units(stmt: ir.Stmt, loops: set[ir.Var]) -> list[ir.Stmt]:
    if isinstance(stmt, ir.For) and stmt.loop_var in loops:
        return []
    if is_unit(stmt):
        declares = isinstance(stmt, ir.AllocBuffer) or (isinstance(stmt, ir.Evaluate) and not accesses_known(stmt))
        hidden = isinstance(stmt, ir.Evaluate) and _declares(stmt)
        return [] if declares or hidden else [stmt]
    if isinstance(stmt, ir.SeqStmt):
        return [u for s in stmt.seq for u in _units(s, loops)]
    if isinstance(stmt, ir.IfThenElse):
        condition = [ir.evaluate(stmt.condition, stmt.span)]
        return [*condition, *_units(stmt.then_case, loops), *([] if stmt.else_case is None else _units(stmt.else_case, loops))]
    return _units(stmt.body, loops)
