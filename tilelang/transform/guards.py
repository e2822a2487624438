"""Keep every global and shared access inside its buffer: proved in bounds, or guarded at run time.

A load out of bounds yields zero, a store out of bounds is skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import ir
from .loop_nest import conjunction


class GuardMemory(ir.Mutator):
    """Guards accesses that the analyzer cannot prove in bounds.

    `analyzer` may be what makes one: it is called where there is something to prove.
    """

    def __init__(
        self,
        analyzer: ir.Analyzer | Callable[[], ir.Analyzer],
        scopes: tuple[str, ...] = ("global", "shared.dyn", "shared"),
    ) -> None:
        super().__init__()
        self._analyzer, self.scopes = analyzer, scopes

    @functools.cached_property
    def analyzer(self) -> ir.Analyzer:
        return self._analyzer if isinstance(self._analyzer, ir.Analyzer) else self._analyzer()

    def bounds(self, buf: ir.Var, indices: Any) -> list[Any]:
        """The unproven conditions under which an access is in bounds."""
        if ir.scope_of(buf) not in self.scopes:
            return []
        conditions = []
        for index, extent in zip(indices, ir.shape_of(buf)):
            if not ir.can_prove(index >= 0, self.analyzer):
                conditions.append(index >= 0)
            if not ir.can_prove(index < extent, self.analyzer):
                conditions.append(index < extent)
        return conditions

    def visit_BufferLoad(self, node: Any) -> Any:
        conditions = self.bounds(node.source, node.indices)
        new = self.descend(node)
        if not conditions:
            return new
        return ir.if_then_else(conjunction([self.visit(c) for c in conditions]), new, ir.zero(ir.dtype_of(node)))

    def visit_Call(self, node: ir.Call) -> Any:
        if ir.is_call(node, "tirx.address_of"):  # an address is not an access; its users guard themselves
            load = node.args[0]
            if isinstance(load, ir.BufferLoad):
                indices, changed = self.visit_list(load.indices)
                return ir.address_of(ir.load(load.source, indices, load.span)) if changed else node
        if ir.is_call(node, "prim.if_then_else"):
            return self._conditional(node)
        return self.descend(node)

    def _conditional(self, node: ir.Call) -> Any:
        """The author's own condition holds while the taken branch is evaluated."""
        condition = self.visit(node.args[0])
        with self.analyzer.constraint_scope(node.args[0]):
            taken = self.visit(node.args[1])
        with self.analyzer.constraint_scope(ir.Not(node.args[0])):
            other = self.visit(node.args[2])
        return ir.if_then_else(condition, taken, other)

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        condition = self.visit(node.condition)
        with self.analyzer.constraint_scope(node.condition):
            then = self.body(node.then_case)
        other = None
        if node.else_case is not None:
            with self.analyzer.constraint_scope(ir.Not(node.condition)):
                other = self.body(node.else_case)
        return ir.IfThenElse(condition, then, other, node.span)

    def visit_For(self, node: ir.For) -> Any:
        extent = ir.simplify(node.extent)
        self.analyzer.bind(node.loop_var, ir.Range.from_min_extent(node.min, extent), True)
        return self.descend(node)

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        conditions = self.bounds(node.buffer, node.indices)
        new = self.descend(node)
        if not conditions:
            return new
        return ir.IfThenElse(conjunction([self.visit(c) for c in conditions]), new, None, node.span)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        """Atomics and device calls that take an address run only where the address is in bounds."""
        conditions: list[Any] = []
        lanes = max((int(c.attrs["lanes"]) for c in ir.collect(node.value, ir.Call) if _has_lanes(c)), default=1)
        for call in ir.collect(node.value, ir.Call):
            if ir.is_call(call, "tirx.address_of") and isinstance(call.args[0], ir.BufferLoad):
                place = call.args[0]
                conditions += self.bounds(place.source, place.indices)
                if lanes > 1:  # a vector is in bounds as a whole
                    *outer, last = place.indices
                    conditions += self.bounds(place.source, [*outer, last + (lanes - 1)])
        new = self.descend(node)
        return ir.IfThenElse(conjunction(conditions), new, None, node.span) if conditions else new


def _has_lanes(call: ir.Call) -> bool:
    return call.attrs is not None and "lanes" in call.attrs.keys()
