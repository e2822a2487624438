"""Operators that are parallel nests in disguise: copy, fill."""

from __future__ import annotations

from collections.abc import Mapping

from .. import ir
from ..layout import Fragment
from ..transform.loop_layout import covering_layout, derive_fragment, extended_layout, free_layout, loop_layout
from ..transform.lower_nest import lower_nest
from ..transform.parallel_nest import ParallelNest
from .base import LoweringContext, TileOp


def derive_from_nest(nest: ParallelNest, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
    """Layouts of the nest's undetermined fragments, once one that it touches is known."""
    layout = covering_layout(nest, known) or extended_layout(nest, known, ctx)
    return {} if layout is None else _derive_all(nest, layout, known)


def default_for_nest(nest: ParallelNest, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
    """Layouts of the nest's fragments under a free choice of the loop layout."""
    return _derive_all(nest, free_layout(nest, ctx), known)


def _derive_all(nest: ParallelNest, layout: Fragment, known: Mapping[ir.Var, Fragment]) -> dict[ir.Var, Fragment]:
    found = {}
    for use in nest.uses.values():
        if use.buffer not in known:
            derived = derive_fragment(use, nest, layout)
            if derived is not None:
                found[use.buffer] = derived
    return found


class ElementwiseOp(TileOp):
    """A tile operator whose meaning is a parallel nest."""

    def nest(self) -> ParallelNest:
        """The nest that the operator stands for."""
        raise NotImplementedError

    def layout(self, ctx: LoweringContext) -> Fragment:
        """The loop layout under the inferred fragments."""
        return loop_layout(self.nest(), ctx)

    def derive_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        return derive_from_nest(self.nest(), known, ctx)

    def default_fragments(self, known: Mapping[ir.Var, Fragment], ctx: LoweringContext) -> dict[ir.Var, Fragment]:
        return default_for_nest(self.nest(), known, ctx)

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        nest = self.nest()
        return lower_nest(nest, loop_layout(nest, ctx), ctx)
