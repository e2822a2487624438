"""Private arrays that the producer computes for itself: which group a tile belongs to, where a block's share of the work ends.

An array of `T.alloc_var` or `T.alloc_local` may be replayed if all its stores are: what they store, where, and the conditions and
trip counts around them depend on parameters, block indices, tensors that the launch does not write, and replayed arrays alone.
Stores inside a pipelined loop stay with the consumers, which come there later.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ... import ir
from ..effects import is_unit, unit_accesses

PRIVATE = ("local.var", "local")


def replayed_arrays(body: ir.Stmt, unknown: Callable[[Any, set[ir.Var]], str | None]) -> set[ir.Var]:
    """The arrays of a launch that may be replayed; `unknown(expr, known)` says what an expression depends on beside `known`."""
    stores = _Stores()
    stores.walk(body, ())
    kept = {b for b in ir.declared_buffers(body) if ir.scope_of(b) in PRIVATE} - stores.opaque
    if not kept:
        return set()
    scalars = {bind.var: bind.value for bind in ir.collect(body, ir.Bind)}
    while True:
        vague = {v for v, value in scalars.items() if unknown(value, kept) is not None}
        vague = _users(vague, scalars)
        gone = {b for b, exprs in stores.found if b in kept and any(unknown(e, kept) or ir.uses_var(e, vague) for e in exprs)}
        if not gone:
            return {b for b, _ in stores.found if b in kept}
        kept -= gone


def _users(chosen: set[ir.Var], scalars: dict[ir.Var, Any]) -> set[ir.Var]:
    """The chosen scalars, and all that are computed from them."""
    while True:
        more = {v for v, value in scalars.items() if v not in chosen and ir.uses_var(value, chosen)}
        if not more:
            return chosen
        chosen = chosen | more


class _Stores:
    """Every store to a private array with the expressions that decide about it; `opaque` arrays are written in other ways."""

    def __init__(self) -> None:
        self.found: list[tuple[ir.Var, tuple[Any, ...]]] = []
        self.opaque: set[ir.Var] = set()

    def walk(self, stmt: ir.Stmt, around: tuple[Any, ...], pipelined: bool = False) -> None:
        if isinstance(stmt, ir.BufferStore):
            self.found.append((stmt.buffer, (*around, stmt.value, *stmt.indices)))
            if pipelined:
                self.opaque.add(stmt.buffer)
            self.opaque |= {a.buffer for a in unit_accesses(stmt) if a.write and not a.buffer.same_as(stmt.buffer)}
        elif is_unit(stmt):
            self.opaque |= {a.buffer for a in unit_accesses(stmt) if a.write}
        elif isinstance(stmt, ir.SeqStmt):
            for part in stmt.seq:
                self.walk(part, around, pipelined)
        elif isinstance(stmt, ir.IfThenElse):
            for case in (stmt.then_case, stmt.else_case):
                if case is not None:
                    self.walk(case, (*around, stmt.condition), pipelined)
        elif isinstance(stmt, ir.While):
            self.walk(stmt.body, (*around, stmt.condition), pipelined)
        elif isinstance(stmt, ir.For):
            inside = pipelined or any(key in stmt.annotations for key in ("tl.num_stages", "tl.stage"))
            self.walk(stmt.body, (*around, stmt.min, stmt.extent), inside)
        else:
            self.walk(stmt.body, around, pipelined)


def drop_unread(stmt: ir.Stmt, arrays: set[ir.Var]) -> ir.Stmt:
    """The statement without stores to arrays that only such stores read, and without what then is empty."""
    while True:
        read = _reads_beside_own_stores(stmt)
        unread = {store.buffer for store in ir.collect(stmt, ir.BufferStore) if store.buffer in arrays - read}
        if not unread:
            return stmt
        stmt = _DropStores(unread).body(stmt)


def _reads_beside_own_stores(stmt: ir.Stmt) -> set[ir.Var]:
    found: set[ir.Var] = set()

    class Reads(ir.Visitor):
        own: ir.Var | None = None

        def visit_BufferStore(self, node: ir.BufferStore) -> None:
            outer, self.own = self.own, node.buffer
            self.descend(node)
            self.own = outer

        def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
            if self.own is None or not node.source.same_as(self.own):
                found.add(node.source)
            self.descend(node)

    Reads().visit(stmt)
    return found


class _DropStores(ir.Mutator):
    def __init__(self, arrays: set[ir.Var]) -> None:
        super().__init__()
        self.arrays = arrays

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        return None if node.buffer in self.arrays else node

    def visit_For(self, node: ir.For) -> Any:
        new = self.descend(node)
        return None if new is None or _is_empty(new.body) else new

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        new = self.descend(node)
        if new is None or _is_empty(new.then_case) and (new.else_case is None or _is_empty(new.else_case)):
            return None
        return new


def _is_empty(stmt: ir.Stmt | None) -> bool:
    """True for a statement that only binds scalars."""
    kinds = (ir.Evaluate, ir.BufferStore, ir.Break, ir.Continue, ir.Return)
    return stmt is None or all(ir.is_noop(n) for n in ir.collect(stmt, kinds))


class Rename(ir.Mutator):
    """Buffers under other names: a role has registers of its own."""

    def __init__(self, names: dict[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.names = names

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        new = self.descend(node)
        target = self.names.get(node.source)
        return new if target is None else ir.load(target, list(new.indices), node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        new = self.descend(node)
        target = self.names.get(node.buffer)
        return new if target is None else ir.BufferStore(target, new.value, list(new.indices), node.span)

    def visit_BufferRegion(self, node: ir.BufferRegion) -> Any:
        new = self.descend(node)
        target = self.names.get(node.source)
        return new if target is None else ir.region(target, [(r.min, r.extent) for r in new.region])
