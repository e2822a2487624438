"""Shared tiles and fragments become arrays of the one thread that runs the block."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import ir
from ..kernel_program import KernelProgram

_TILES = ("shared", "shared.dyn", "local.fragment")


def localize_tiles(program: KernelProgram) -> KernelProgram:
    """Replace every tile by a row-major array of scope `local`."""
    arrays: dict[ir.Var, Any] = {}
    for buf in ir.declared_buffers(program.body):
        if ir.scope_of(buf) in _TILES and buf not in arrays:
            arrays[buf] = ir.buffer(ir.shape_of(buf), ir.buffer_dtype(buf), str(buf.name), "local", span=buf.span)
    return replace(program, body=_Localize(arrays).body(program.body)) if arrays else program


class _Localize(ir.Mutator):
    def __init__(self, arrays: dict[ir.Var, Any]) -> None:
        super().__init__()
        self.arrays = arrays

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        array = self.arrays.get(node.buffer)
        return node if array is None else ir.alloc(array, node.span)

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
