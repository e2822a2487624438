"""Reducers become fragments: one of partial results for each nest that contributes, one for the result.

Before: `tl.reducer_init(acc)`; nests with `tl.reducer_update(&acc[i], value)`; `tl.finalize_reducer(acc)`
After:  the nest adds to `acc_part[i]`, of which every thread keeps its own; at the end `tl.all_reduce(acc_part)` combines the
threads and a nest stores the total in `acc`

A part belongs to one nest, so its layout follows that nest and no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from .. import ir
from ..errors import SemanticError
from ..tileop.base import attribute
from ..tileop.reduce_kind import ReduceKind
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest
from .units import is_parallel

ALLOC, INIT, UPDATE, FINALIZE = "tl.alloc_reducer", "tl.reducer_init", "tl.reducer_update", "tl.finalize_reducer"


@dataclass
class _Reducer:
    """One reducer and its parts, by the nest (or single statement) that contributes to them."""

    buffer: ir.Var
    kind: ReduceKind
    parts: dict[Any, ir.Var] = field(default_factory=dict)
    is_open: bool = False
    contributed: bool = False

    def part(self, owner: Any) -> ir.Var:
        if owner not in self.parts:
            shape, dtype = ir.static_shape(self.buffer), ir.buffer_dtype(self.buffer)
            self.parts[owner] = ir.buffer(shape, dtype, f"{self.buffer.name}_part", "local.fragment")
        return self.parts[owner]


def expand_reducers(program: KernelProgram) -> KernelProgram:
    """Replace every reducer of a launch."""
    found = {
        call.args[0].source: _Reducer(
            call.args[0].source, ReduceKind(str(attribute(call, "kind")), ir.buffer_dtype(call.args[0].source))
        )
        for call in ir.collect(program.body, ir.Call)
        if ir.is_call(call, ALLOC)
    }
    if not found:
        return program
    _FindParts(found).visit(program.body)
    _check(program.body, found)
    return replace(program, body=_Expand(found).body(program.body))


def _target(call: ir.Call) -> ir.BufferLoad:
    """The element that an update names."""
    return call.args[0].args[0]


class _FindParts(ir.Visitor):
    """Makes the parts: their allocation stands before the nests that use them."""

    def __init__(self, reducers: dict[ir.Var, _Reducer]) -> None:
        super().__init__()
        self.reducers = reducers
        self.owner: Any = None

    def visit_For(self, node: ir.For) -> None:
        outer, self.owner = self.owner, self.owner or (node if is_parallel(node) else None)
        self.descend(node)
        self.owner = outer

    def visit_Evaluate(self, node: ir.Evaluate) -> None:
        if ir.is_call(node.value, UPDATE):
            self.reducers[_target(node.value).source].part(self.owner or node)


class _Expand(ir.Mutator):
    def __init__(self, reducers: dict[ir.Var, _Reducer]) -> None:
        super().__init__()
        self.reducers = reducers
        self.owner: Any = None

    def visit_For(self, node: ir.For) -> Any:
        outer, self.owner = self.owner, self.owner or (node if is_parallel(node) else None)
        new = self.descend(node)
        self.owner = outer
        return new

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        call = node.value
        if not isinstance(call, ir.Call):
            return node
        name = ir.call_name(call)
        if name == UPDATE:
            return self._update(node)
        if name == "tl.fill" and call.args[0].source in self.reducers:
            return self._init(self.reducers[call.args[0].source], call.args[1], node.span)
        if name == ALLOC:
            return ir.seq(ir.alloc(part, node.span) for part in self.reducers[call.args[0].source].parts.values())
        if name == INIT:
            reducer = self.reducers[call.args[0].source]
            return self._init(reducer, call.args[1] if len(call.args) > 1 else reducer.kind.identity(), node.span)
        return self._finalize(self.reducers[call.args[0].source], node.span) if name == FINALIZE else node

    def _update(self, node: ir.Evaluate) -> ir.Stmt:
        load, value = _target(node.value), node.value.args[1]
        reducer = self.reducers[load.source]
        place = ir.address_of(ir.load(reducer.part(self.owner or node), list(load.indices), load.span))
        attrs = {"template": [reducer.kind.device_operator]}
        update = ir.evaluate(ir.call("tl.combine", [place, value], attrs=attrs, span=node.span), node.span)
        # Outside T.Parallel the block contributes once.
        return update if self.owner is not None else ParallelNest((ir.var("i"),), (1,), update, {}, node.span).to_stmt()

    def _init(self, reducer: _Reducer, start: Any, span: Any) -> ir.Stmt:
        values = [(reducer.buffer, start), *((part, reducer.kind.identity()) for part in reducer.parts.values())]
        return ir.seq(ir.evaluate(ir.call("tl.fill", [ir.full_region(b), v], span=span), span) for b, v in values)

    def _finalize(self, reducer: _Reducer, span: Any) -> ir.Stmt:
        parts = list(reducer.parts.values())
        steps: list[ir.Stmt] = [
            ir.evaluate(ir.call("tl.all_reduce", [ir.full_region(p)], attrs={"kind": reducer.kind.name}, span=span), span)
            for p in parts
        ]
        for part in parts:
            variables = tuple(ir.var(f"i{d}") for d in range(len(ir.static_shape(part))))
            value = reducer.kind.combine(ir.load(reducer.buffer, variables), ir.load(part, variables))
            store = ir.BufferStore(reducer.buffer, value, list(variables), span)
            steps.append(ParallelNest(variables, ir.static_shape(part), store, {}, span).to_stmt())
        return ir.seq(steps)


def _check(body: ir.Stmt, reducers: dict[ir.Var, _Reducer]) -> None:
    """Epochs, in program order: init, contributions, finalize; nothing reads in between."""
    _Epochs(reducers).visit(body)
    for reducer in reducers.values():
        if reducer.is_open and reducer.contributed:
            raise SemanticError(
                f"the reducer {reducer.buffer.name} is never finalized: its threads hold partial results",
                fix=f"call T.finalize_reducer({reducer.buffer.name}) after the last contribution",
            )


class _Epochs(ir.Visitor):
    def __init__(self, reducers: dict[ir.Var, _Reducer]) -> None:
        super().__init__()
        self.reducers = reducers
        self.span: Any = None

    def visit(self, node: Any) -> None:
        if isinstance(node, ir.Stmt) and node.span is not None:
            self.span = node.span
        super().visit(node)

    def visit_Call(self, node: ir.Call) -> None:
        name = ir.call_name(node)
        if name == UPDATE:
            reducer = self.reducers[_target(node).source]
            if not reducer.is_open:
                raise SemanticError(
                    f"a contribution to the reducer {reducer.buffer.name} outside an epoch",
                    fix=f"call T.reducer_init({reducer.buffer.name}) before the first contribution",
                    span=ir.span_to_source(self.span),
                )
            reducer.contributed = True
            self.visit(node.args[1])
        elif name in (INIT, FINALIZE, ALLOC) or (name == "tl.fill" and node.args[0].source in self.reducers):
            if name != ALLOC:
                self.reducers[node.args[0].source].is_open = name != FINALIZE
        else:
            self.descend(node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        self._read(node.source)
        self.descend(node)

    def visit_BufferRegion(self, node: ir.BufferRegion) -> None:
        self._read(node.source)

    def _read(self, buffer: ir.Var) -> None:
        if buffer in self.reducers and self.reducers[buffer].is_open:
            raise SemanticError(
                f"the reducer {buffer.name} is read before it is finalized: every thread holds a part of the result",
                fix=f"call T.finalize_reducer({buffer.name}) first",
                span=ir.span_to_source(self.span),
            )
