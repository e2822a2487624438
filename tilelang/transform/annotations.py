"""`T.annotate_layout`: the author's layouts, taken out of the program and into the context."""

from __future__ import annotations

from typing import Any

from .. import ir
from ..errors import LayoutError
from ..layout import Fragment, Layout, SharedLayout, TensorLayout
from ..tileop.base import LoweringContext, attribute, dtype_bits


class _Take(ir.Mutator):
    def __init__(self, ctx: LoweringContext) -> None:
        super().__init__()
        self.ctx = ctx

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.annotate_layout"):
            return node
        buf: ir.Var = node.value.args[0].source
        layout: Any = attribute(node.value, "layout")
        scope = ir.scope_of(buf)
        if scope in ("local", "local.var") and isinstance(layout, Fragment):
            return None  # every thread has all of it, whatever threads a fragment would be spread over
        kinds: dict[str, Any] = {"local.fragment": (Fragment,), "global": (Layout,)}
        wanted = kinds.get(scope, (SharedLayout, Layout))
        if not isinstance(layout, wanted):
            kind = {"local.fragment": "a Fragment", "global": "a T.Layout"}.get(scope, "a Layout of a shared tile")
            raise LayoutError(
                f"{buf.name} has scope {ir.scope_of(buf)} and cannot have the layout {layout}",
                fix=f"annotate it with {kind}",
                span=ir.span_to_source(node.span),
            )
        if buf in self.ctx.views:
            raise LayoutError(
                f"{buf.name} is a view of {self.ctx.views[buf].name}, whose layout it has",
                fix=f"annotate {self.ctx.views[buf].name}",
                span=ir.span_to_source(node.span),
            )
        if list(layout.shape) != ir.shape_of(buf):
            raise LayoutError(
                f"the layout of {buf.name} is for shape {tuple(layout.shape)}, the buffer is {tuple(ir.shape_of(buf))}",
                fix="build the layout from the buffer's own shape",
                span=ir.span_to_source(node.span),
            )
        if isinstance(layout, Fragment):
            self.ctx.fragments[buf] = layout
        elif scope == "global":
            self.ctx.tensors[buf] = self._tensor_layout(buf, layout, node)
        else:
            mapped = isinstance(layout, Layout)
            self.ctx.shared[buf] = layout.with_bits(dtype_bits(ir.buffer_dtype(buf))) if mapped else layout
        return None

    def _tensor_layout(self, buf: ir.Var, layout: Layout, node: ir.Evaluate) -> TensorLayout:
        place = ir.span_to_source(node.span)
        if len(buf.ty.strides):
            raise LayoutError(f"{buf.name} has strides and a layout", fix="declare it as T.Tensor", span=place)
        try:
            return TensorLayout(layout.shape, layout.forward)
        except LayoutError as error:
            raise error.with_span(place) from None


def apply_annotations(body: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
    """Remove `tl.annotate_layout` statements and record what they say."""
    new = _Take(ctx).visit(body)
    return ir.noop() if new is None else new
