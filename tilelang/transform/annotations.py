"""`T.annotate_layout`: the author's layouts, taken out of the program and into the context."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import LayoutError
from ..layout import Fragment, MappedLayout
from ..tileop.base import LoweringContext, attribute, dtype_bits


class _Take(ir.Mutator):
    def __init__(self, ctx: LoweringContext) -> None:
        super().__init__()
        self.ctx = ctx

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.annotate_layout"):
            return node
        buf, layout = node.value.args[0].source, attribute(node.value, "layout")
        wants_fragment = ir.scope_of(buf) == "local.fragment"
        if wants_fragment != isinstance(layout, Fragment):
            kind = "a Fragment" if wants_fragment else "a Layout of a shared tile"
            raise LayoutError(
                f"{buf.name} has scope {ir.scope_of(buf)} and cannot have the layout {layout}",
                fix=f"annotate it with {kind}",
                span=ir.span_to_source(node.span),
            )
        if tuple(layout.shape) != ir.static_shape(buf):
            raise LayoutError(
                f"the layout of {buf.name} is for shape {tuple(layout.shape)}, the tile is {ir.static_shape(buf)}",
                fix="build the layout from the tile's own shape",
                span=ir.span_to_source(node.span),
            )
        if isinstance(layout, MappedLayout):
            layout = replace(layout, bits=dtype_bits(ir.buffer_dtype(buf)))
        (self.ctx.fragments if wants_fragment else self.ctx.shared)[buf] = layout
        return None


def apply_annotations(body: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
    """Remove `tl.annotate_layout` statements and record what they say."""
    new = _Take(ctx).visit(body)
    return ir.noop() if new is None else new
