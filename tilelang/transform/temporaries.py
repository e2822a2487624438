"""Tiles that live within an iteration of a loop: all of one is written before anything reads it."""

from __future__ import annotations

from .. import ir
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.fill import Fill
from .effects import accesses_within
from .parallel_nest import ParallelNest
from .region import covers, ranges_of
from .units import is_parallel


def fills(stmt: ir.Stmt, buf: ir.Var) -> bool:
    """True if a statement writes all of a tile and reads nothing of it."""
    op = as_tile_op(stmt)
    if isinstance(op, (Copy, Fill)):
        return (
            op.dst.source.same_as(buf)
            and covers(buf, ranges_of(op.dst))
            and all(not a.buffer.same_as(buf) for a in accesses_within(stmt) if not a.write)
        )
    if not is_parallel(stmt):
        return False
    nest = ParallelNest.of(stmt)
    *scalars, store = ir.statements(nest.body)
    plain = isinstance(store, ir.BufferStore) and store.buffer.same_as(buf) and tuple(nest.extents) == ir.static_shape(buf)
    if not plain or not all(isinstance(s, ir.Bind) for s in scalars):
        return False
    if any(load.source.same_as(buf) for load in ir.collect(nest.body, ir.BufferLoad)):
        return False
    return all(i.same_as(v) for i, v in zip(store.indices, nest.vars))


def lives_within(loop: ir.For, buf: ir.Var, body: ir.Stmt) -> bool:
    """True if nothing of a launch's `body` outside the loop names the buffer."""
    return _mentions(loop.body, buf) == _mentions(body, buf)


def _mentions(stmt: ir.Stmt, buf: ir.Var) -> int:
    nodes = ir.collect(stmt, (ir.BufferLoad, ir.BufferStore, ir.BufferRegion))
    return sum((n.buffer if isinstance(n, ir.BufferStore) else n.source).same_as(buf) for n in nodes)
