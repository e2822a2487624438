"""Walking and rewriting TIR in Python: type-dispatched, one method a node class, a few microseconds a node.

`Visitor` calls `visit_<ClassName>` where a subclass defines it and descends otherwise; `Mutator` does the same and
rebuilds a node only when a child changed. Statement methods may return None to delete the statement.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from . import make
from .make import items
from .nodes import (
    AllocBuffer,
    AssertStmt,
    AttrStmt,
    BinaryOpExpr,
    Bind,
    BitwiseNot,
    Broadcast,
    BufferLoad,
    BufferRegion,
    BufferStore,
    Call,
    Cast,
    CmpExpr,
    DeclBuffer,
    Evaluate,
    For,
    IfThenElse,
    IntImm,
    Let,
    LogicalExpr,
    Not,
    PrimFunc,
    Ramp,
    Range,
    Return,
    Select,
    SeqStmt,
    Shuffle,
    Stmt,
    Var,
    While,
)


def _loop_children(node: For) -> tuple:
    return (node.min, node.extent, node.body) if node.step is None else (node.min, node.extent, node.step, node.body)


def _branch_children(node: IfThenElse) -> tuple:
    return (node.condition, node.then_case) + (() if node.else_case is None else (node.else_case,))


# A table by exact class: a chain of isinstance calls took half of the time of a compilation.
_CHILDREN: dict[type, Callable[[Any], tuple]] = {
    Not: lambda n: (n.a,),
    BinaryOpExpr: lambda n: (n.a, n.b),
    CmpExpr: lambda n: (n.a, n.b),
    LogicalExpr: lambda n: (n.a, n.b),
    BufferLoad: lambda n: items(n.indices),
    Call: lambda n: items(n.args),
    Cast: lambda n: (n.value,),
    Select: lambda n: (n.condition, n.true_value, n.false_value),
    BufferRegion: lambda n: tuple([x for r in items(n.region) for x in (r.min, r.extent)]),
    BitwiseNot: lambda n: (n.a,),
    Let: lambda n: (n.value, n.body),
    Ramp: lambda n: (n.base, n.stride),
    Broadcast: lambda n: (n.value,),
    Shuffle: lambda n: items(n.vectors) + items(n.indices),
    SeqStmt: lambda n: items(n.seq),
    Evaluate: lambda n: (n.value,),
    BufferStore: lambda n: items(n.indices) + (n.value,),
    For: _loop_children,
    IfThenElse: _branch_children,
    AttrStmt: lambda n: (n.value, n.body),
    Bind: lambda n: (n.value,),
    While: lambda n: (n.condition, n.body),
    AssertStmt: lambda n: (n.condition,),
    Return: lambda n: (n.value,),
    PrimFunc: lambda n: (n.body,),
}


def _no_children(node: Any) -> tuple:
    return ()


def _children_of_kind(kind: type) -> Callable[[Any], tuple]:
    """The entry of a class that is not in the table yet: Add is a BinaryOpExpr, Not is none of its siblings."""
    getter = next((_CHILDREN[base] for base in kind.__mro__ if base in _CHILDREN), _no_children)
    _CHILDREN[kind] = getter
    return getter


def _children(node: Any) -> tuple:
    """The expression and statement children of a node, in evaluation order."""
    kind = type(node)
    return (_CHILDREN.get(kind) or _children_of_kind(kind))(node)


class Visitor:
    """Visits every expression and statement; subclasses define `visit_For(self, node)` and the like."""

    def __init__(self) -> None:
        self._methods: dict[type, Any] = {}

    def visit(self, node: Any) -> None:
        kind = type(node)
        method = self._methods.get(kind)
        if method is None:
            name = {BufferLoad: "BufferLoad", BufferRegion: "BufferRegion"}.get(kind, kind.__name__)
            method = self._methods[kind] = getattr(self, f"visit_{name}", self.descend)
        method(node)

    def descend(self, node: Any) -> None:
        for child in _children(node):
            self.visit(child)


class Mutator:
    """Rewrites a tree; unchanged nodes are shared with the input."""

    def __init__(self) -> None:
        self._methods: dict[type, Any] = {}

    def visit(self, node: Any) -> Any:
        kind = type(node)
        method = self._methods.get(kind)
        if method is None:
            name = {BufferLoad: "BufferLoad", BufferRegion: "BufferRegion"}.get(kind, kind.__name__)
            method = self._methods[kind] = getattr(self, f"visit_{name}", self.descend)
        return method(node)

    def visit_list(self, nodes: Any) -> tuple[list[Any], bool]:
        """The rewritten nodes, and whether any changed."""
        new, changed = [], False
        for node in nodes if isinstance(nodes, tuple) else items(nodes):
            fresh = self.visit(node)
            changed = changed or not (fresh is node or fresh.same_as(node))
            new.append(fresh)
        return new, changed

    def body(self, stmt: Stmt) -> Stmt:
        """A child statement; a deleted one becomes a no-op."""
        new = self.visit(stmt)
        return make.noop() if new is None else new

    def descend(self, node: Any) -> Any:
        kind = type(node)
        rebuild = _REBUILD.get(kind)
        if rebuild is None:
            rebuild = next((_REBUILD[base] for base in kind.__mro__ if base in _REBUILD), _as_is)
            _REBUILD[kind] = rebuild
        return rebuild(self, node)

    def _descend_region(self, node: BufferRegion) -> BufferRegion:
        ranges, changed = [], False
        for r in items(node.region):
            (lo, n), fresh = self.visit_list((r.min, r.extent))
            changed = changed or fresh
            ranges.append(Range.from_min_extent(lo, n) if fresh else r)
        return make.buffer_region(node.source, ranges) if changed else node


def _as_is(mutator: Mutator, node: Any) -> Any:
    return node


def _unary(mutator: Mutator, node: Any) -> Any:
    (a,), changed = mutator.visit_list((node.a,))
    return type(node)(a, node.span) if changed else node


def _binary(mutator: Mutator, node: Any) -> Any:
    (a, b), changed = mutator.visit_list((node.a, node.b))
    return type(node)(a, b, node.span) if changed else node


def _load(mutator: Mutator, node: BufferLoad) -> Any:
    indices, changed = mutator.visit_list(node.indices)
    return make.load(node.source, indices, node.span) if changed else node


def _call(mutator: Mutator, node: Call) -> Any:
    args, changed = mutator.visit_list(node.args)
    return Call(node.op, args, attrs=node.attrs, ty_args=node.ty_args, span=node.span, ret_ty=node.ty) if changed else node


def _cast(mutator: Mutator, node: Cast) -> Any:
    (value,), changed = mutator.visit_list((node.value,))
    return Cast(node.ty, value, node.span) if changed else node


def _select(mutator: Mutator, node: Select) -> Any:
    parts, changed = mutator.visit_list((node.condition, node.true_value, node.false_value))
    return Select(*parts, node.span) if changed else node


def _let(mutator: Mutator, node: Let) -> Any:
    parts, changed = mutator.visit_list((node.value, node.body))
    return Let(node.var, *parts, node.span) if changed else node


def _ramp(mutator: Mutator, node: Ramp) -> Any:
    parts, changed = mutator.visit_list((node.base, node.stride))
    return Ramp(*parts, node.lanes, node.span) if changed else node


def _broadcast(mutator: Mutator, node: Broadcast) -> Any:
    value = mutator.visit(node.value)
    return node if value.same_as(node.value) else Broadcast(value, node.lanes, node.span)


def _seq(mutator: Mutator, node: SeqStmt) -> Stmt:
    new, changed = [], False
    for stmt in items(node.seq):
        fresh = mutator.visit(stmt)
        changed = changed or fresh is None or not (fresh is stmt or fresh.same_as(stmt))
        new.append(fresh)
    return make.seq(new) if changed else node


def _evaluate(mutator: Mutator, node: Evaluate) -> Stmt:
    value = mutator.visit(node.value)
    return node if value.same_as(node.value) else Evaluate(value, node.span)


def _store(mutator: Mutator, node: BufferStore) -> Stmt:
    indices, changed = mutator.visit_list(node.indices)
    value = mutator.visit(node.value)
    return BufferStore(node.buffer, value, indices, node.span) if changed or not value.same_as(node.value) else node


def _for(mutator: Mutator, node: For) -> Stmt:
    lo, extent = mutator.visit(node.min), mutator.visit(node.extent)
    step = None if node.step is None else mutator.visit(node.step)
    body = mutator.body(node.body)
    if lo.same_as(node.min) and extent.same_as(node.extent) and body.same_as(node.body):
        if step is None or step.same_as(node.step):
            return node
    return For(node.loop_var, lo, extent, node.kind, body, node.thread_binding, node.annotations, step, node.span)


def _if(mutator: Mutator, node: IfThenElse) -> Stmt:
    condition, then = mutator.visit(node.condition), mutator.body(node.then_case)
    other = None if node.else_case is None else mutator.body(node.else_case)
    if condition.same_as(node.condition) and then.same_as(node.then_case):
        if other is None or other.same_as(node.else_case):
            return node
    return IfThenElse(condition, then, other, node.span)


def _attr(mutator: Mutator, node: AttrStmt) -> Stmt:
    value, body = mutator.visit(node.value), mutator.body(node.body)
    if value.same_as(node.value) and body.same_as(node.body):
        return node
    return AttrStmt(node.node, node.attr_key, value, body, node.span)


def _bind(mutator: Mutator, node: Bind) -> Stmt:
    value = mutator.visit(node.value)
    return node if value.same_as(node.value) else Bind(node.var, value, node.span)


def _while(mutator: Mutator, node: While) -> Stmt:
    condition, body = mutator.visit(node.condition), mutator.body(node.body)
    return node if condition.same_as(node.condition) and body.same_as(node.body) else While(condition, body, node.span)


_REBUILD: dict[type, Callable[[Mutator, Any], Any]] = {
    Not: _unary,
    BitwiseNot: _unary,
    BinaryOpExpr: _binary,
    CmpExpr: _binary,
    LogicalExpr: _binary,
    BufferLoad: _load,
    BufferRegion: Mutator._descend_region,
    Call: _call,
    Cast: _cast,
    Select: _select,
    Let: _let,
    Ramp: _ramp,
    Broadcast: _broadcast,
    SeqStmt: _seq,
    Evaluate: _evaluate,
    BufferStore: _store,
    For: _for,
    IfThenElse: _if,
    AttrStmt: _attr,
    Bind: _bind,
    While: _while,
}


class _Substitute(Mutator):
    def __init__(self, mapping: Mapping[Var, Any]) -> None:
        super().__init__()
        self.mapping = {v: make.as_expr(e) for v, e in mapping.items()}

    def visit_Var(self, node: Var) -> Any:
        return self.mapping.get(node, node)

    def visit_BufferLoad(self, node: BufferLoad) -> Any:
        indices, changed = self.visit_list(node.indices)
        source = self.mapping.get(node.source, node.source)
        return make.load(source, indices, node.span) if changed or not source.same_as(node.source) else node

    def visit_BufferStore(self, node: BufferStore) -> Any:
        indices, _ = self.visit_list(node.indices)
        return BufferStore(self.mapping.get(node.buffer, node.buffer), self.visit(node.value), indices, node.span)

    def visit_BufferRegion(self, node: BufferRegion) -> Any:
        new = self._descend_region(node)
        source = self.mapping.get(node.source, node.source)
        return new if source.same_as(node.source) else make.buffer_region(source, list(new.region))


def substitute(node: Any, mapping: Mapping[Var, Any]) -> Any:
    """Replace scalar and buffer variables by expressions (buffers by buffers) throughout a tree."""
    return _Substitute(mapping).visit(node) if mapping else node


def walk(node: Any, callback: Callable[[Any], None]) -> None:
    """Call `callback` on every node, parents first."""
    for each in _nodes(node) if type(node) in _COMPOUND else _each(node):
        callback(each)


# By what is looked for: whether a class is of it. The classes of nodes are abstract ones, whose isinstance is slow.
_WANTED: dict[type | tuple[type, ...], dict[type, bool]] = {}


class _IsWanted(dict):
    """Class -> whether it is one of those that are looked for."""

    def __init__(self, kinds: type | tuple[type, ...]) -> None:
        self.kinds = kinds

    def __missing__(self, kind: type) -> bool:
        self[kind] = answer = issubclass(kind, self.kinds)
        return answer


def _wanted(kinds: type | tuple[type, ...]) -> dict[type, bool]:
    found = _WANTED.get(kinds)
    if found is None:
        found = _WANTED[kinds] = _IsWanted(kinds)
    return found


def _each(node: Any) -> Iterator[Any]:
    """Every node of a tree, parents first."""
    pending = [node]
    while pending:
        node = pending.pop()
        yield node
        kind = type(node)
        getter = _CHILDREN.get(kind) or _children_of_kind(kind)
        if getter is not _no_children:
            pending += getter(node)[::-1]


@functools.lru_cache(maxsize=1024)
def _nodes(stmt: Stmt) -> tuple:
    """The nodes of a statement, parents first: one pass after the other asks the same one for something else, and what a pass
    changes shares most of its statements with what it was."""
    nodes = [stmt]
    for child in _children(stmt):
        nodes += _nodes(child) if type(child) in _KEPT else _each(child)
    return tuple(nodes)


_COMPOUND = frozenset({SeqStmt, For, AttrStmt, IfThenElse})
_KEPT = _COMPOUND | {BufferStore, Evaluate, Bind}


def collect(node: Any, kinds: type | tuple[type, ...]) -> list[Any]:
    """All nodes of the given classes, in order."""
    wanted = _wanted(kinds)
    return [n for n in (_nodes(node) if type(node) in _COMPOUND else _each(node)) if wanted[type(n)]]


def contains(node: Any, kinds: type | tuple[type, ...]) -> bool:
    """True if there is any node of the given classes."""
    wanted = _wanted(kinds)
    return any(wanted[type(n)] for n in _each(node))


def uses_var(node: Any, variables: Any) -> bool:
    """True if any of `variables` (a container) occurs as a scalar in the tree."""
    return type(node) is not IntImm and any(v in variables for v in collect(node, Var))


def bound_vars(stmt: Any) -> set[Var]:
    """Loop variables and bound scalars defined inside a statement."""
    return {n.loop_var if type(n) is For else n.var for n in collect(stmt, (For, Bind))}


def declared_buffers(stmt: Any) -> list[Var]:
    """Buffers allocated or declared inside a statement."""
    return [n.buffer for n in collect(stmt, (AllocBuffer, DeclBuffer))]
