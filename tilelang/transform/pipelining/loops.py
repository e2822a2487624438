"""Pieces of loops that staging rewrites: bodies without some statements, buffers with a leading version axis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ... import ir
from ...tileop.base import dtype_bits


def iteration_range(loop: ir.For) -> dict[ir.Var, tuple[Any, Any]]:
    """What proofs about a copy may assume of the loop variable."""
    if ir.contains(loop.min, (ir.BufferLoad, ir.Call)) or ir.contains(loop.extent, (ir.BufferLoad, ir.Call)):
        return {}
    return {loop.loop_var: (loop.min, loop.extent)}


def loop_with(loop: ir.For, body: ir.Stmt, annotations: Mapping[str, Any] | None = None) -> ir.For:
    """The loop with another body (and other annotations)."""
    notes = loop.annotations if annotations is None else annotations
    return ir.For(loop.loop_var, loop.min, loop.extent, loop.kind, body, loop.thread_binding, notes, loop.step, loop.span)


def versioned(buf: ir.Var, versions: int, alignment: int = 1) -> ir.Var:
    """`versions` copies of a buffer, one after the other; of a vector, each on a multiple of `alignment` bytes."""
    shape = ir.shape_of(buf)
    if len(shape) == 1:
        step = max(1, alignment * 8 // dtype_bits(ir.buffer_dtype(buf)))
        shape = [-(-shape[0] // step) * step]
    return ir.buffer((versions, *shape), ir.buffer_dtype(buf), str(buf.name), ir.scope_of(buf))


def versioned_layout(call: ir.Call, buf: ir.Var, versions: int) -> ir.Stmt:
    """The author's layout of a buffer, for its versions."""
    attrs = {**dict(call.attrs.items()), "layout": call.attrs["layout"].versions(versions)}
    return ir.evaluate(ir.call("tl.annotate_layout", [ir.full_region(buf)], attrs=attrs), call.span)


class Remove(ir.Mutator):
    """Deletes statements by identity."""

    def __init__(self, stmts: list[ir.Stmt]) -> None:
        super().__init__()
        self.stmts = stmts

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        return None if any(node.same_as(s) for s in self.stmts) else node

    def visit_For(self, node: ir.For) -> Any:
        return None if any(node.same_as(s) for s in self.stmts) else self.descend(node)


class AddVersion(ir.Mutator):
    """Replaces buffers by one version of theirs."""

    def __init__(self, versioned: Mapping[ir.Var, ir.Var], slot: Any) -> None:
        super().__init__()
        self.versioned, self.slot = versioned, slot

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        new = self.descend(node)
        target = self.versioned.get(node.source)
        return new if target is None else ir.load(target, [self.slot, *new.indices], node.span)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        new = self.descend(node)
        target = self.versioned.get(node.buffer)
        return new if target is None else ir.BufferStore(target, new.value, [self.slot, *new.indices], node.span)

    def visit_BufferRegion(self, node: ir.BufferRegion) -> Any:
        new = self.descend(node)
        target = self.versioned.get(node.source)
        if target is None:
            return new
        return ir.region(target, [(self.slot, ir.const(1, ir.dtype_of(self.slot))), *((r.min, r.extent) for r in new.region)])

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        return None if node.buffer in self.versioned else node

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if ir.is_call(node.value, "tl.annotate_layout") and node.value.args[0].source in self.versioned:
            return None
        return self.descend(node)


def add_version(node: Any, versioned: Mapping[ir.Var, ir.Var], slot: Any) -> Any:
    """A tree with buffers replaced by one version of theirs."""
    return AddVersion(versioned, slot).visit(node)


def drop_unused(body: ir.Stmt, candidates: set[ir.Var]) -> ir.Stmt:
    """Remove allocations (and layout annotations) of replaced buffers that nothing else uses."""

    class Prune(ir.Mutator):
        def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
            return None if node.buffer in unused else node

        def visit_Evaluate(self, node: ir.Evaluate) -> Any:
            is_annotation = ir.is_call(node.value, "tl.annotate_layout")
            return None if is_annotation and node.value.args[0].source in unused else node

    used: set[ir.Var] = set()

    def note(node: Any) -> None:
        if isinstance(node, (ir.BufferLoad, ir.BufferRegion)):
            used.add(node.source)
        elif isinstance(node, ir.BufferStore):
            used.add(node.buffer)
        elif isinstance(node, ir.Var):
            used.add(node)

    class Uses(ir.Visitor):
        def visit(self, node: Any) -> None:
            if ir.is_call(node, "tl.annotate_layout"):
                return
            note(node)
            self.descend(node)

    Uses().visit(body)
    unused = candidates - used
    pruned = Prune().visit(body)
    return ir.noop() if pruned is None else pruned
