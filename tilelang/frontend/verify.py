"""The last check of a trace: no variable or buffer is used outside the block that defines it."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import FrontendError


def verify_scopes(func: Any) -> None:
    """Raise FrontendError at the first statement that uses what is not defined there."""
    scope = set(func.params)
    for parameter in func.params:
        if ir.is_buffer_var(parameter):
            for extent in [*parameter.ty.shape, *parameter.ty.strides]:
                scope |= {v for v in ir.collect(extent, ir.Var)}
    _statement(func.body, scope)


def _statement(stmt: Any, scope: set) -> None:
    if isinstance(stmt, ir.SeqStmt):
        for child in stmt.seq:
            _statement(child, scope)
    elif isinstance(stmt, ir.Bind):
        _uses(stmt.value, scope, stmt)
        scope.add(stmt.var)
    elif isinstance(stmt, ir.AllocBuffer):
        scope.add(stmt.buffer)
    elif isinstance(stmt, ir.For):
        _uses(stmt.min, scope, stmt)
        _uses(stmt.extent, scope, stmt)
        _statement(stmt.body, scope | {stmt.loop_var})
    elif isinstance(stmt, ir.AttrStmt):
        _uses(stmt.value, scope, stmt)
        _statement(stmt.body, scope | {stmt.node.var} if isinstance(stmt.node, ir.IterVar) else scope)
    elif isinstance(stmt, ir.IfThenElse):
        _uses(stmt.condition, scope, stmt)
        _statement(stmt.then_case, set(scope))
        if stmt.else_case is not None:
            _statement(stmt.else_case, set(scope))
    elif isinstance(stmt, ir.While):
        _uses(stmt.condition, scope, stmt)
        _statement(stmt.body, set(scope))
    elif isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.view"):
        made, root = stmt.value.args
        _uses(root, scope, stmt)
        scope.add(made.source)
    elif isinstance(stmt, ir.Evaluate):
        if ir.is_call(stmt.value, "tl.make_tensor"):
            _uses(stmt.value.args[1], scope, stmt)
            scope.add(stmt.value.args[0].args[0].source)
        _uses(stmt.value, scope, stmt)
    elif isinstance(stmt, ir.BufferStore):
        for part in (stmt.buffer, stmt.value, *stmt.indices):
            _uses(part, scope, stmt)


def _uses(expr: Any, scope: set, stmt: Any) -> None:
    for node in ir.collect(expr, (ir.Var, ir.BufferLoad, ir.BufferRegion)):
        var = node if isinstance(node, ir.Var) else node.source
        if var not in scope:
            what = "buffer" if ir.is_buffer_var(var) else "value"
            raise FrontendError(
                f"the {what} {var.name} is used outside the loop, branch or launch that defines it",
                fix=f"define {var.name} before that block, or keep it in a T.alloc_var or a tile",
                span=ir.span_to_source(stmt.span),
            )
