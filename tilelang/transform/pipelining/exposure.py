"""Does a buffer's content flow from a place in the program to a later read?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...tileop.base import as_tile_op
from .. import region as rg
from ..effects import Access, expr_accesses, is_unit, unit_accesses
from ..nest_load import NestLoad


@dataclass(frozen=True)
class Continuation:
    """What runs after a place: the rest of its sequence, then (inside a loop) possibly the loop's body again."""

    rest: tuple[ir.Stmt, ...] = ()
    again: tuple[ir.Stmt, ...] = ()


def is_live_after(buf: ir.Var, place: ir.Stmt, continuations: tuple[Continuation, ...]) -> bool:
    """True unless every path from `place` (innermost continuation last) overwrites `buf` before it reads it."""
    for continuation in reversed(continuations):
        exposed, killed = _sequence(continuation.rest, buf, place)
        if exposed:
            return True
        if killed:
            return False
        if _sequence(continuation.again, buf, place)[0]:
            return True
    return False


def exposure(stmt: ir.Stmt, buf: ir.Var, skip: ir.Stmt | None = None) -> tuple[bool, bool]:
    """(a read may see what was there before, everything there before is certainly overwritten).

    The statement `skip` counts as empty.
    """
    if skip is not None and stmt.same_as(skip):
        return False, False
    if is_unit(stmt):
        return _unit(stmt, [a for a in unit_accesses(stmt) if a.buffer.same_as(buf)])
    if isinstance(stmt, ir.SeqStmt):
        return _sequence(stmt.seq, buf, skip)
    if isinstance(stmt, ir.IfThenElse):
        then = exposure(stmt.then_case, buf, skip)
        other = (False, False) if stmt.else_case is None else exposure(stmt.else_case, buf, skip)
        return _reads(stmt.condition, buf) or then[0] or other[0], then[1] and other[1]
    if isinstance(stmt, ir.For):
        bounds = _reads(stmt.min, buf) or _reads(stmt.extent, buf)
        exposed, killed = exposure(stmt.body, buf, skip)
        return bounds or exposed, killed and ir.can_prove(stmt.extent > 0)
    if isinstance(stmt, ir.While):
        return _reads(stmt.condition, buf) or exposure(stmt.body, buf, skip)[0], False
    return exposure(stmt.body, buf, skip)  # AttrStmt


def _sequence(stmts: Any, buf: ir.Var, skip: ir.Stmt | None) -> tuple[bool, bool]:
    for stmt in stmts:
        exposed, killed = exposure(stmt, buf, skip)
        if exposed or killed:
            return exposed, killed
    return False, False


def _unit(stmt: ir.Stmt, accesses: list[Access]) -> tuple[bool, bool]:
    if any(not a.write for a in accesses):
        return True, False
    # Only operators and loads certainly write all of their region: other nests may have conditions inside, and leaves miss
    # threads.
    whole = as_tile_op(stmt) is not None or NestLoad.of(stmt) is not None
    return False, whole and any(not a.atomic and rg.covers(a.buffer, a.ranges) for a in accesses)


def _reads(expr: Any, buf: ir.Var) -> bool:
    return any(a.buffer.same_as(buf) for a in expr_accesses(expr))
