"""Calls of T.call_packed as data: which function, and what it receives."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from .. import ir
from ..errors import UnsupportedError
from ..language.dtypes import dtype
from ..transform.split_launches import HostStatement
from .launch_plan import Expr, HostArgument, HostCall
from .plan_expr import plan_expr


def plan_calls(
    statements: Sequence[HostStatement], declared: Sequence[ir.Var], views: Sequence[ir.Call], symbols: Collection[ir.Var]
) -> tuple[HostCall, ...]:
    """The calls of a function in order.

    Parameters
    ----------
    statements : sequence of HostStatement
        The calls as they were traced.
    declared : sequence of Var
        The function's parameters, then its workspaces.
    views : sequence of Call
        What the host declares over them: `tl.view`.
    symbols : collection of Var
        What launches read: a call's result has a name in the plan if it is among them, or if a later call receives it.
    """
    read = {*symbols, *(v for s in statements for v in ir.collect(s.call, ir.Var))}
    places = {var: place for place, var in enumerate(declared)}
    roots = {view.args[0].source: view.args[1].source for view in views}
    return tuple(_Call(statement, places, roots).plan(statement.result in read) for statement in statements)


def tensors_of(calls: Sequence[HostCall]) -> set[int]:
    """The parameters and workspaces that functions of the host receive, and may write."""
    return {a.value for call in calls for a in call.arguments if a.kind in ("tensor", "part", "pointer")}


class _Call:
    """One call; errors are about its line."""

    def __init__(self, statement: HostStatement, places: Mapping[ir.Var, int], roots: Mapping[ir.Var, ir.Var]) -> None:
        self.statement, self.places, self.roots = statement, places, roots
        self.name = str(statement.call.args[0].value)
        self.what = f"an argument of {self.name!r}"

    def plan(self, named: bool) -> HostCall:
        statement = self.statement
        arguments = tuple(self.argument(a) for a in ir.items(statement.call.args)[1:])
        return HostCall(self.name, arguments, statement.after, str(statement.result.name) if named else "")

    def argument(self, node: Any) -> HostArgument:
        if isinstance(node, ir.StringImm):
            return HostArgument("text", str(node.value))
        if ir.is_call(node, "tl.none"):
            return HostArgument("none")
        if ir.is_call(node, "tl.host_tensor"):
            return self.tensor(node.args[0], tuple(ir.const_int(axis) or 0 for axis in ir.items(node.args)[1:]))
        if ir.is_call(node, "tirx.address_of"):
            load = node.args[0]
            place, shape, strides = self.memory(load.source)
            starts = tuple(self.number(i) for i in load.indices)
            return HostArgument("pointer", place, ir.buffer_dtype(load.source), shape, strides, starts)
        return self.scalar(node)

    def tensor(self, region: Any, axes: tuple[int, ...]) -> HostArgument:
        buffer = region.source
        place, shape, strides = self.memory(buffer)
        starts = tuple(self.number(r.min) for r in region.region)
        extents = tuple(self.number(r.extent) for r in region.region)
        if buffer in self.places and extents == shape and not any(starts):
            return HostArgument("tensor", place)
        if dtype(ir.buffer_dtype(buffer)).bits < 8:
            raise self.error(f"a part of `{buffer.name}`, whose elements share bytes", "pass the whole tensor")
        return HostArgument("part", place, ir.buffer_dtype(buffer), shape, strides, starts, extents, axes)

    def memory(self, buffer: ir.Var) -> tuple[int, tuple[Expr, ...], tuple[Expr, ...]]:
        """Where a buffer's memory comes from, its shape and strides."""
        place = self.places.get(self.roots.get(buffer, buffer))
        if place is None:
            raise self.error(f"`{buffer.name}`, whose address only the device knows", "pass a parameter of the function")
        shape = tuple(self.number(extent) for extent in ir.shape_of(buffer))
        return place, shape, tuple(self.number(step) for step in ir.strides_of(buffer))

    def number(self, node: Any) -> Expr:
        return plan_expr(node, self.what, self.statement.span)

    def scalar(self, node: Any) -> HostArgument:
        kind = dtype(ir.dtype_of(node))
        if kind.is_int and kind.lanes == 1:
            return HostArgument("int", self.number(node))
        value: float | str | None = ir.const_number(node)
        if value is None and isinstance(node, ir.Var):
            value = str(node.name)
        if value is None or kind.lanes > 1:
            raise self.error(f"{node} of dtype {kind}", "pass a constant, a parameter, or an integer expression of both")
        if kind.is_bool:
            return HostArgument("bool", value if isinstance(value, str) else bool(value))
        return HostArgument("float", value if isinstance(value, str) else float(value))

    def error(self, what: str, fix: str) -> UnsupportedError:
        return UnsupportedError(f"{self.what} is {what}", fix=fix, span=ir.span_to_source(self.statement.span))
