"""What a kernel's text assumes of the address of each tensor: the widest access that it makes."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..tileop.base import dtype_bits

# CUDA C++ Programming Guide, "Device Memory Accesses": an access is aligned to its size, which is at most 16 bytes.
MAX_ALIGNMENT = 16
_MOVES = ("tl.load", "tl.store", "tl.cp_async")  # the template argument counts bytes
_VECTORS = ("tl.atomic_add_vec",)  # the template argument counts elements


def required_alignment(body: ir.Stmt) -> dict[ir.Var, int]:
    """Bytes of which the base address of each global buffer must be a multiple.

    Parameters
    ----------
    body : Stmt
        A launch after all passes.

    Returns
    -------
    dict of Var to int
        The element size where accesses are scalar; 16 where a pointer goes to a function that we do not know.
    """
    collector = _Collector()
    collector.visit(body)
    return collector.found


def element_bytes(buf: ir.Var) -> int:
    """Bytes of one element."""
    return max(1, dtype_bits(ir.buffer_dtype(buf)) // 8)


class _Collector(ir.Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[ir.Var, int] = {}

    def note(self, buf: ir.Var, size: int) -> None:
        if ir.scope_of(buf) == "global":
            self.found[buf] = max(self.found.get(buf, 1), min(max(size, element_bytes(buf)), MAX_ALIGNMENT))

    def visit_BufferLoad(self, node: ir.BufferLoad) -> None:
        self.note(node.source, element_bytes(node.source))
        self.descend(node)

    def visit_BufferStore(self, node: ir.BufferStore) -> None:
        self.note(node.buffer, element_bytes(node.buffer))
        self.descend(node)

    def visit_Var(self, node: ir.Var) -> None:
        if ir.is_buffer_var(node):
            self.note(node, MAX_ALIGNMENT)

    def visit_Call(self, node: ir.Call) -> None:
        for arg in ir.items(node.args):
            if ir.is_call(arg, "tirx.address_of") and isinstance(arg.args[0], ir.BufferLoad):
                buf = arg.args[0].source
                self.note(buf, _width(node, element_bytes(buf)))
                for index in arg.args[0].indices:
                    self.visit(index)
            else:
                self.visit(arg)


def _width(call: ir.Call, element: int) -> int:
    """Bytes that a call touches at once behind its pointers."""
    name = ir.call_name(call)
    template: Any = call.attrs["template"] if call.attrs is not None and "template" in call.attrs.keys() else None
    if name in _MOVES and template is not None:
        return int(str(template[0]))
    if name in _VECTORS and template is not None:
        return int(str(template[0])) * element
    if call.attrs is not None and "lanes" in call.attrs.keys():
        return int(call.attrs["lanes"]) * element
    return element if name.startswith("tl.atomic_") else MAX_ALIGNMENT
