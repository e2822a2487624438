"""Walking and rewriting TIR in Python: type-dispatched, one method a node class, about one microsecond a node.

`Visitor` calls `visit_<ClassName>` where a subclass defines it and descends otherwise; `Mutator` does the same and
rebuilds a node only when a child changed. Statement methods may return None to delete the statement.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from . import make
from .nodes import (
    AllocBuffer,
    AssertStmt,
    AttrStmt,
    Bind,
    BinaryOpExpr,
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
    Expr,
    For,
    IfThenElse,
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


def _children(node: Any) -> tuple:
    """The expression and statement children of a node, in evaluation order."""
    if isinstance(node, Not):
        return (node.a,)
    if isinstance(node, (BinaryOpExpr, CmpExpr, LogicalExpr)):
        return (node.a, node.b)
    if isinstance(node, BufferLoad):
        return tuple(node.indices)
    if isinstance(node, Call):
        return tuple(node.args)
    if isinstance(node, Cast):
        return (node.value,)
    if isinstance(node, Select):
        return (node.condition, node.true_value, node.false_value)
    if isinstance(node, BufferRegion):
        return tuple(x for r in node.region for x in (r.min, r.extent))
    if isinstance(node, BitwiseNot):
        return (node.a,)
    if isinstance(node, Let):
        return (node.value, node.body)
    if isinstance(node, Ramp):
        return (node.base, node.stride)
    if isinstance(node, Broadcast):
        return (node.value,)
    if isinstance(node, Shuffle):
        return tuple(node.vectors) + tuple(node.indices)
    if isinstance(node, SeqStmt):
        return tuple(node.seq)
    if isinstance(node, Evaluate):
        return (node.value,)
    if isinstance(node, BufferStore):
        return tuple(node.indices) + (node.value,)
    if isinstance(node, For):
        return (node.min, node.extent, node.body) if node.step is None else (node.min, node.extent, node.step, node.body)
    if isinstance(node, IfThenElse):
        return (node.condition, node.then_case) + (() if node.else_case is None else (node.else_case,))
    if isinstance(node, AttrStmt):
        return (node.value, node.body)
    if isinstance(node, Bind):
        return (node.value,)
    if isinstance(node, While):
        return (node.condition, node.body)
    if isinstance(node, AssertStmt):
        return (node.condition,)
    if isinstance(node, Return):
        return (node.value,)
    if isinstance(node, PrimFunc):
        return (node.body,)
    return ()


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
        for node in nodes:
            fresh = self.visit(node)
            changed = changed or not fresh.same_as(node)
            new.append(fresh)
        return new, changed

    def body(self, stmt: Stmt) -> Stmt:
        """A child statement; a deleted one becomes a no-op."""
        new = self.visit(stmt)
        return make.noop() if new is None else new

    def descend(self, node: Any) -> Any:
        if isinstance(node, Stmt):
            return self._descend_stmt(node)
        if not isinstance(node, Expr):
            return node
        if isinstance(node, Not):
            a = self.visit(node.a)
            return node if a.same_as(node.a) else Not(a, node.span)
        if isinstance(node, (BinaryOpExpr, CmpExpr, LogicalExpr)):
            a, b = self.visit(node.a), self.visit(node.b)
            return node if a.same_as(node.a) and b.same_as(node.b) else type(node)(a, b, node.span)
        if isinstance(node, BufferLoad):
            indices, changed = self.visit_list(node.indices)
            return make.load(node.source, indices, node.span) if changed else node
        if isinstance(node, Call):
            args, changed = self.visit_list(node.args)
            return Call(node.op, args, attrs=node.attrs, ty_args=node.ty_args, span=node.span, ret_ty=node.ty) if changed else node
        if isinstance(node, Cast):
            value = self.visit(node.value)
            return node if value.same_as(node.value) else Cast(node.ty, value, node.span)
        if isinstance(node, Select):
            parts, changed = self.visit_list((node.condition, node.true_value, node.false_value))
            return Select(*parts, node.span) if changed else node
        if isinstance(node, BufferRegion):
            return self._descend_region(node)
        if isinstance(node, BitwiseNot):
            a = self.visit(node.a)
            return node if a.same_as(node.a) else BitwiseNot(a, node.span)
        if isinstance(node, Let):
            parts, changed = self.visit_list((node.value, node.body))
            return Let(node.var, *parts, node.span) if changed else node
        if isinstance(node, Ramp):
            parts, changed = self.visit_list((node.base, node.stride))
            return Ramp(*parts, node.lanes, node.span) if changed else node
        if isinstance(node, Broadcast):
            value = self.visit(node.value)
            return node if value.same_as(node.value) else Broadcast(value, node.lanes, node.span)
        return node

    def _descend_region(self, node: BufferRegion) -> BufferRegion:
        ranges, changed = [], False
        for r in node.region:
            lo, n = self.visit(r.min), self.visit(r.extent)
            changed = changed or not (lo.same_as(r.min) and n.same_as(r.extent))
            ranges.append(Range.from_min_extent(lo, n))
        return make.buffer_region(node.source, ranges) if changed else node

    def _descend_stmt(self, node: Stmt) -> Stmt | None:
        if isinstance(node, SeqStmt):
            new, changed = [], False
            for stmt in node.seq:
                fresh = self.visit(stmt)
                changed = changed or fresh is None or not fresh.same_as(stmt)
                new.append(fresh)
            return make.seq(new) if changed else node
        if isinstance(node, Evaluate):
            value = self.visit(node.value)
            return node if value.same_as(node.value) else Evaluate(value, node.span)
        if isinstance(node, BufferStore):
            indices, changed = self.visit_list(node.indices)
            value = self.visit(node.value)
            if not changed and value.same_as(node.value):
                return node
            return BufferStore(node.buffer, value, indices, node.span)
        if isinstance(node, For):
            lo, extent = self.visit(node.min), self.visit(node.extent)
            step = None if node.step is None else self.visit(node.step)
            body = self.body(node.body)
            if lo.same_as(node.min) and extent.same_as(node.extent) and body.same_as(node.body):
                if node.step is None or step.same_as(node.step):
                    return node
            return For(node.loop_var, lo, extent, node.kind, body, node.thread_binding, node.annotations, step, node.span)
        if isinstance(node, IfThenElse):
            condition, then = self.visit(node.condition), self.body(node.then_case)
            other = None if node.else_case is None else self.body(node.else_case)
            if condition.same_as(node.condition) and then.same_as(node.then_case):
                if node.else_case is None or other.same_as(node.else_case):
                    return node
            return IfThenElse(condition, then, other, node.span)
        if isinstance(node, AttrStmt):
            value, body = self.visit(node.value), self.body(node.body)
            if value.same_as(node.value) and body.same_as(node.body):
                return node
            return AttrStmt(node.node, node.attr_key, value, body, node.span)
        if isinstance(node, Bind):
            value = self.visit(node.value)
            return node if value.same_as(node.value) else Bind(node.var, value, node.span)
        if isinstance(node, While):
            condition, body = self.visit(node.condition), self.body(node.body)
            if condition.same_as(node.condition) and body.same_as(node.body):
                return node
            return While(condition, body, node.span)
        return node


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


class _Walk(Visitor):
    def __init__(self, callback: Callable[[Any], None]) -> None:
        super().__init__()
        self.callback = callback

    def visit(self, node: Any) -> None:
        self.callback(node)
        for child in _children(node):
            self.visit(child)


def walk(node: Any, callback: Callable[[Any], None]) -> None:
    """Call `callback` on every node, parents first."""
    _Walk(callback).visit(node)


def collect(node: Any, kinds: type | tuple[type, ...]) -> list[Any]:
    """All nodes of the given classes, in order."""
    found: list[Any] = []
    walk(node, lambda n: found.append(n) if isinstance(n, kinds) else None)
    return found


def uses_var(node: Any, variables: Any) -> bool:
    """True if any of `variables` (a container) occurs as a scalar in the tree."""
    return any(v in variables for v in collect(node, Var))


def bound_vars(stmt: Any) -> set[Var]:
    """Loop variables and bound scalars defined inside a statement."""
    out: set[Var] = set()

    def note(node: Any) -> None:
        if isinstance(node, For):
            out.add(node.loop_var)
        elif isinstance(node, Bind):
            out.add(node.var)

    walk(stmt, note)
    return out


def declared_buffers(stmt: Any) -> list[Var]:
    """Buffers allocated or declared inside a statement."""
    return [n.buffer for n in collect(stmt, (AllocBuffer, DeclBuffer))]
