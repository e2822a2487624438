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
from ..kernel_program import KernelProgram


def assign_contributions(program: KernelProgram) -> KernelProgram:
    """Turn every contribution into an assignment."""
    return replace(program, body=_Assign().body(program.body))


class _Assign(ir.Mutator):
    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if not ir.is_call(node.value, "tl.combine"):
            return node
        place, value = node.value.args[0].args[0], node.value.args[1]
        kind = ReduceKind(str(attribute(node.value, "template")[0]).removeprefix("tl::op_"), ir.dtype_of(place))
        return ir.BufferStore(place.source, kind.combine(place, value), list(place.indices), node.span)
