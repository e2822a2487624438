"""Views (`tl.view`) leave the program and go into the context: which buffer's memory each one is.

From here on a view is a buffer like any other: `ctx.root` leads to the buffer behind it. Its layout follows from the root's
(`infer_layouts`), its place in shared memory is the root's, its effects are the root's. In global memory and private arrays a
view of another element type becomes a second name of the pointer (`tl.alias`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from .kernel_program import KernelProgram


def bind_views(program: KernelProgram) -> KernelProgram:
    """Fill `ctx.views`."""
    bind = _Bind(program)
    body = bind.body(program.body)
    return replace(program, body=ir.seq([*bind.aliases, body]))


def alias(made: ir.Var, root: ir.Var, span: Any = None) -> ir.Stmt:
    """A second name, of another element type, for the memory behind `root`."""
    first = [ir.address_of(ir.load(b, [ir.const(0)] * len(ir.shape_of(b)))) for b in (made, root)]
    return ir.evaluate(ir.call("tl.alias", first, span=span), span)


class _Bind(ir.Mutator):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.views = program.ctx.views
        self.aliases: list[ir.Stmt] = []

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.view"):
            return node
        made, root = (region.source for region in node.value.args)
        self.views[made] = root
        scope = ir.scope_of(root)
        if scope in ("local", "local.var"):
            return alias(made, root, node.span)
        if scope == "global" and ir.buffer_dtype(made) != ir.buffer_dtype(root):
            self.aliases.append(alias(made, root, node.span))
        return None
