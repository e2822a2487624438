"""Scalars in memory that are stored once and read afterwards become values.

Before: expert = T.alloc_local((1,), "int32"); expert[0] = tile_expert[bx]; ... W[expert[0], ...] ...
After:  expert = tile_expert[bx]; ... W[expert, ...] ...

A value can be proved to be the same in all threads, and a producer warp may compute it for itself; memory cannot.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from .effects import is_unit
from .kernel_program import KernelProgram

_SCOPES = ("local", "local.var")


def bind_scalars(program: KernelProgram) -> KernelProgram:
    """The launch with such scalars bound."""
    candidates = _candidates(program.body)
    if not candidates:
        return program
    finder = _Find(candidates)
    finder.walk(program.body)
    if not finder.found:
        return program
    return replace(program, body=_Bind(finder.found).body(program.body))


def _candidates(body: ir.Stmt) -> dict[ir.Var, int]:
    """Arrays of one element with one store and no use but loads, and how many of those they have."""
    arrays = {b for b in ir.declared_buffers(body) if ir.scope_of(b) in _SCOPES and all(n == 1 for n in ir.shape_of(b))}
    if not arrays:
        return {}
    stores: dict[ir.Var, int] = {}
    loads: dict[ir.Var, int] = {}
    for node in ir.collect(body, (ir.BufferStore, ir.BufferLoad)):
        if isinstance(node, ir.BufferStore):
            stores[node.buffer] = stores.get(node.buffer, 0) + 1
        else:
            loads[node.source] = loads.get(node.source, 0) + 1
    taken = {r.source for r in ir.collect(body, ir.BufferRegion)}
    for call in ir.collect(body, ir.Call):
        if ir.is_call(call, "tirx.address_of") and isinstance(call.args[0], ir.BufferLoad):
            taken.add(call.args[0].source)
        taken |= {a for a in call.args if isinstance(a, ir.Var)}
    return {b: loads.get(b, 0) for b in arrays if stores.get(b) == 1 and b not in taken}


class _Find:
    """The stores that come before every load of what they write, in the same sequence of statements."""

    def __init__(self, candidates: dict[ir.Var, int]) -> None:
        self.candidates = candidates
        self.found: dict[ir.Var, ir.Var] = {}  # array → scalar

    def walk(self, stmt: ir.Stmt) -> None:
        if isinstance(stmt, ir.SeqStmt):
            parts = list(stmt.seq)
            for position, part in enumerate(parts):
                if isinstance(part, ir.BufferStore) and part.buffer in self.candidates:
                    self._store(part, parts[position + 1 :])
                else:
                    self.walk(part)
        elif isinstance(stmt, ir.IfThenElse):
            self.walk(stmt.then_case)
            if stmt.else_case is not None:
                self.walk(stmt.else_case)
        elif not is_unit(stmt):
            self.walk(stmt.body)

    def _store(self, store: ir.BufferStore, after: list[ir.Stmt]) -> None:
        later = sum(load.source.same_as(store.buffer) for s in after for load in ir.collect(s, ir.BufferLoad))
        if later == self.candidates[store.buffer]:
            self.found[store.buffer] = ir.var(str(store.buffer.name), ir.buffer_dtype(store.buffer))


class _Bind(ir.Mutator):
    def __init__(self, scalars: dict[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.scalars = scalars

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        return None if node.buffer in self.scalars else node

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        new = self.descend(node)
        scalar = self.scalars.get(node.buffer)
        return new if scalar is None else ir.Bind(scalar, new.value, node.span)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        scalar = self.scalars.get(node.source)
        return self.descend(node) if scalar is None else scalar
