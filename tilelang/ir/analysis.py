"""Integer reasoning on TVM's analyzer: simplification and proofs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

import tvm
import tvm_ffi
from tvm.tirx import transform as _transform

from .make import as_expr, const_int
from .nodes import Analyzer, And, Expr, PrimFunc, Range, Var

_plain = Analyzer()
# TVM folds no unsigned difference below zero and no cast of a constant out of range (`uint8(0) - uint8(3)`): it raises.
_CANNOT_FOLD = (tvm.error.InternalError, ValueError)


def simplify(expr: Any, analyzer: Analyzer | None = None) -> Any:
    """The simplified expression, or the expression itself where TVM cannot fold it; a constant stays a node."""
    node = as_expr(expr)
    try:
        return (analyzer or _plain).simplify(node)
    except _CANNOT_FOLD:
        return node


def can_prove(condition: Any, analyzer: Analyzer | None = None) -> bool:
    """True only if the condition holds for all values of its variables."""
    if isinstance(condition, bool):
        return condition
    value = const_int(condition)
    if value is not None:
        return bool(value)
    try:
        return bool((analyzer or _plain).can_prove(condition))
    except _CANNOT_FOLD:
        return False


class _KnowingAnalyzer(Analyzer):
    """An analyzer that holds on to a constraint scope, which ends when its object is collected."""

    __slots__ = ("held_scope",)


def analyzer_for(
    ranges: Mapping[Var, tuple[Any, Any]], nonnegative: Iterable[Var] = (), constraints: Iterable[Any] = ()
) -> Analyzer:
    """An analyzer that knows `var in [start, start + extent)` for each entry, that shape symbols are not negative, and that
    the constraints hold."""
    analyzer = _KnowingAnalyzer()
    for var in nonnegative:
        analyzer.bind(var, Range.from_min_extent(as_expr(0, str(var.ty.dtype)), as_expr(2**31 - 1, str(var.ty.dtype))))
    for var, (start, extent) in ranges.items():
        analyzer.bind(var, Range.from_min_extent(as_expr(start), as_expr(extent)))
    known = list(constraints)
    if known:
        scope = analyzer.constraint_scope(reduce(And, known))
        scope.__enter__()
        analyzer.held_scope = scope
    return analyzer


def simplify_func(func: PrimFunc) -> PrimFunc:
    """TVM's StmtSimplify over one function."""
    module = tvm.IRModule({"main": func})
    return _transform.StmtSimplify()(module)["main"]


def is_expr(value: Any) -> bool:
    return isinstance(value, Expr)


def structural_equal(a: Any, b: Any) -> bool:
    """True if two nodes are the same up to spans."""
    return bool(tvm_ffi.structural_equal(a, b))


def script(params: Any, body: Any, name: str) -> str:
    """A body as TVMScript, for readers; `params` are the buffers and scalars that it takes from outside."""
    return PrimFunc(list(params), body).with_attr("global_symbol", name).with_attr("s_tir", True).script()
