"""Reducers on a CPU: one thread holds the only part of each, so that a contribution is an assignment.

Before: `tl.combine(&part[i], x)` of `expand_reducers`
After:  `part[i] = part[i] + x`
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ... import ir
from ...tileop.base import attribute
from ...tileop.reduce_kind import ReduceKind
from ..expand_reducers import expand_reducers
from ..kernel_program import KernelProgram


def expand_cpu_reducers(program: KernelProgram) -> KernelProgram:
    """Replace every reducer of a launch by fragments and assignments."""
    expanded = expand_reducers(program)
    return expanded if expanded is program else replace(expanded, body=_Assign().body(expanded.body))


class _Assign(ir.Mutator):
    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.combine"):
            return node
        place, value = node.value.args[0].args[0], node.value.args[1]
        kind = ReduceKind(str(attribute(node.value, "template")[0]).removeprefix("tl::op_"), ir.dtype_of(place))
        return ir.BufferStore(place.source, kind.combine(place, value), list(place.indices), node.span)
