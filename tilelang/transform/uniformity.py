"""Which values are the same in every thread of a block.

A value is uniform if it depends on no thread index, no lane of a warp, no result of an atomic, and no per-thread variable that
any statement sets to a non-uniform value or under a non-uniform condition. Memory at uniform indices is uniform; so is an
element of a register tile that scalar code names: the tile has one value there, and layout inference makes it known to all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op

# Calls whose value depends on the thread although no argument says so.
_PER_THREAD = (
    "tl.shfl",
    "tl.elect",
    "tl.lane",
    "tl.warp",
    "tl.get_thread",
    "tl.get_lane",
    "tl.get_warp",
    "tl.atomic",
    "tl.clock",
    "tl.in_threads",
)
# Calls that give every thread of the block the same value.
_SHARED_RESULT = ("tl.syncthreads_and", "tl.syncthreads_or", "tl.syncthreads_count")
_READS_STATE = 2  # CallEffectKind: 0 annotation, 1 pure, 2 reads memory


class Uniformity:
    """Knows the variables and per-thread buffers of a body whose values differ between threads.

    Parameters
    ----------
    body : Stmt
        The statements inside the thread axes.
    thread_vars : iterable of Var
        The thread indices.
    """

    def __init__(self, body: ir.Stmt, thread_vars: Iterable[ir.Var]) -> None:
        self.varying: set[ir.Var] = set(thread_vars)
        self._in_nest = False
        known = -1
        while known != len(self.varying):
            known = len(self.varying)
            self._walk(body, False)

    def is_uniform(self, expr: Any) -> bool:
        """True only if every thread computes the same value."""
        expr = ir.as_expr(expr)
        if isinstance(expr, ir.Call) and ir.call_name(expr) in _SHARED_RESULT:
            return True
        return all(self._node_is_uniform(node) for node in _nodes(expr))

    def _node_is_uniform(self, node: Any) -> bool:
        if isinstance(node, ir.Var):
            return node not in self.varying
        if isinstance(node, ir.BufferLoad):
            return node.source not in self.varying
        if isinstance(node, ir.Call):
            return is_a_function(node)
        return True

    def leaves_divergently(self, body: ir.Stmt) -> bool:
        """True if some threads may leave an iteration of a loop with this body (break, continue) while others go on."""
        return self._walk(body, False)

    # Each `_walk` returns whether threads may leave the innermost loop around the statement separately.

    def _walk(self, stmt: ir.Stmt, divergent: bool) -> bool:
        if isinstance(stmt, ir.SeqStmt):
            left = False
            for part in ir.items(stmt.seq):
                left = self._walk(part, divergent or left) or left
            return left
        if isinstance(stmt, ir.IfThenElse):
            divergent = divergent or not self.is_uniform(stmt.condition)
            left = self._walk(stmt.then_case, divergent)
            return (stmt.else_case is not None and self._walk(stmt.else_case, divergent)) or left
        if isinstance(stmt, ir.For):
            same = all(self.is_uniform(x) for x in (stmt.min, stmt.extent, 1 if stmt.step is None else stmt.step))
            if not same or stmt.kind == ir.ForKind.PARALLEL:
                self.varying.add(stmt.loop_var)
            outside, self._in_nest = self._in_nest, self._in_nest or stmt.kind == ir.ForKind.PARALLEL
            self._loop(stmt.body, divergent or not same)
            self._in_nest = outside
        elif isinstance(stmt, ir.While):
            self._loop(stmt.body, divergent or not self.is_uniform(stmt.condition))
        elif isinstance(stmt, ir.AttrStmt):
            return self._walk(stmt.body, divergent)
        elif isinstance(stmt, (ir.Break, ir.Continue, ir.Return)):
            return divergent
        else:
            self._leaf(stmt, divergent)
        return False

    def _loop(self, body: ir.Stmt, divergent: bool) -> None:
        if self._walk(body, divergent) and not divergent:
            self._walk(body, True)  # those that stay have another trip count than those that left

    def _leaf(self, stmt: ir.Stmt, divergent: bool) -> None:
        if isinstance(stmt, ir.Bind):
            if not self.is_uniform(stmt.value):
                self.varying.add(stmt.var)
        elif isinstance(stmt, ir.BufferStore):
            tile = self._in_nest and ir.scope_of(stmt.buffer) == "local.fragment"  # each element by the threads that hold it
            if not tile and (divergent or not all(self.is_uniform(x) for x in (*stmt.indices, stmt.value))):
                self.varying.add(stmt.buffer)
        elif (op := as_tile_op(stmt)) is not None:
            effects = op.effects()
            starts = [r.min for region in (*effects.reads, *effects.writes) for r in region.region]
            sources = [region.source for region in effects.reads]
            same = all(self.is_uniform(s) for s in starts) and not any(
                b in self.varying or ir.scope_of(b) == "local.fragment" for b in sources
            )
            if divergent or not same or effects.atomic:
                targets = [region.source for region in effects.writes]
                self._mark(b for b in targets if divergent or ir.scope_of(b) != "local.fragment")
        elif isinstance(stmt, ir.Evaluate):
            self._mark(_reachable(stmt.value))

    def _mark(self, buffers: Iterable[ir.Var]) -> None:
        self.varying.update(b for b in buffers if ir.scope_of(b).startswith("local"))


def is_a_function(call: ir.Call) -> bool:
    """True for calls whose value depends on their arguments, and on memory, but not on the thread that makes them."""
    return not ir.call_name(call).startswith(_PER_THREAD) and _effect(call) <= _READS_STATE


def _nodes(expr: Any) -> list[Any]:
    found: list[Any] = []
    ir.walk(expr, found.append)
    return found


def _reachable(expr: Any) -> list[ir.Var]:
    """Buffers that a call may write through a pointer."""
    loads = [c.args[0] for c in ir.collect(expr, ir.Call) if ir.is_call(c, "tirx.address_of")]
    bare = [v for v in ir.collect(expr, ir.Var) if ir.is_buffer_var(v)]
    regions = [r.source for r in ir.collect(expr, ir.BufferRegion)]
    return [x.source for x in loads if isinstance(x, ir.BufferLoad)] + bare + regions


def _effect(call: ir.Call) -> int:
    kind = call.op.get_attr("TCallEffectKind") if isinstance(call.op, ir.Op) else None
    return _READS_STATE + 1 if kind is None else int(kind)
