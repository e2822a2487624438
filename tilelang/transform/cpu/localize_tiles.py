"""Shared tiles and fragments become arrays of the one thread that runs the block; their views are second names of the arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import ir
from ..bind_views import alias
from ..kernel_program import KernelProgram

_TILES = ("shared", "shared.dyn", "local.fragment")


def localize_tiles(program: KernelProgram) -> KernelProgram:
    """Replace every tile by a row-major array of scope `local`."""
    arrays: dict[ir.Var, Any] = {}
    views = {view: program.ctx.root(view) for view in program.ctx.views if ir.scope_of(view) in _TILES}
    for buf in (*ir.declared_buffers(program.body), *views):
        if ir.scope_of(buf) in _TILES and buf not in arrays:
            arrays[buf] = ir.buffer(ir.shape_of(buf), ir.buffer_dtype(buf), str(buf.name), "local", span=buf.span)
    return replace(program, body=_Localize(arrays, views).body(program.body)) if arrays else program


class _Localize(ir.Mutator):
    def __init__(self, arrays: dict[ir.Var, Any], views: dict[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.arrays, self.views = arrays, views

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        array = self.arrays.get(node.buffer)
        if array is None:
            return node
        names = [alias(self.arrays[view], array, view.span) for view, root in self.views.items() if root.same_as(node.buffer)]
        return ir.seq([ir.alloc(array, node.span), *names])

    def visit_Var(self, node: ir.Var) -> Any:
        return self.arrays.get(node, node)

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        new = self.descend(node)
        return ir.load(self.arrays[new.source], list(new.indices), node.span) if new.source in self.arrays else new

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        new = self.descend(node)
        if new.buffer not in self.arrays:
            return new
        return ir.BufferStore(self.arrays[new.buffer], new.value, list(new.indices), node.span)
