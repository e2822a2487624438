"""T.Parallel as it is written becomes one nest of constant extents, which is what the compiler distributes over threads.

    for i in T.Parallel(n):          for c in serial(ceildiv(n, 1024)):
        B[i] = A[i]                      for i in parallel(1024):
                                             if c * 1024 + i < n: B[c * 1024 + i] = A[c * 1024 + i]

Nests directly in one another become one nest, and `continue` an else branch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._lazy import ir
from ..errors import FrontendError, SemanticError

_DEPTH = "tl.parallel_depth"
_ELEMENTS = 8  # of a thread in each step over a symbolic extent: what one 16-byte access of 16-bit elements moves


@dataclass(frozen=True)
class Dim:
    """A loop variable, its first value and its extent, as IR."""

    var: Any
    low: Any
    extent: Any

    @property
    def constant(self) -> int | None:
        return ir.const_int(ir.simplify(self.extent))


def parallel_loop(dims: list[Dim], body: Any, annotations: Mapping[str, Any], threads: int | None, span: Any) -> Any:
    """The statement that `for dims in T.Parallel(...): body` is.

    Parameters
    ----------
    threads : int or None
        Of the block; None inside another T.Parallel, which takes this nest up when it ends.
    """
    body = without_continue(body)
    if threads is None:
        return _nest(dims, body, annotations, span)
    while _is_parallel(body):
        _refuse_layout(annotations, body.annotations, span)
        annotations = {**annotations, **{k: v for k, v in body.annotations.items() if k != _DEPTH}}
        dims, body = [*dims, Dim(body.loop_var, body.min, body.extent)], body.body
    inner = [loop for loop in ir.collect(body, ir.For) if _is_parallel(loop)]
    if inner:
        raise FrontendError(
            "T.Parallel inside T.Parallel, between other statements",
            fix="write one nest, T.Parallel(a, b), or a T.serial loop inside",
            span=ir.span_to_source(inner[0].span),
        )
    if all(dim.constant is not None for dim in dims):
        return _nest(dims, body, annotations, span)
    return _stepped(dims, body, annotations, threads, span)


def _is_parallel(stmt: Any) -> bool:
    return isinstance(stmt, ir.For) and int(stmt.kind) == int(ir.ForKind.PARALLEL)


def _refuse_layout(outer: Mapping[str, Any], inner: Mapping[str, Any], span: Any) -> None:
    if "tl.loop_layout" in outer or "tl.loop_layout" in inner:
        raise SemanticError(
            "a loop_layout of one of several nested T.Parallel",
            fix="write T.Parallel(a, b, loop_layout=...)",
            span=ir.span_to_source(span),
        )


def _nest(dims: list[Dim], body: Any, annotations: Mapping[str, Any], span: Any) -> Any:
    for depth in reversed(range(len(dims))):
        notes = {**annotations, _DEPTH: len(dims)} if depth == 0 else None
        dim = dims[depth]
        body = ir.For(dim.var, dim.low, dim.extent, ir.ForKind.PARALLEL, body, None, notes, None, span)
    return body


def _stepped(dims: list[Dim], body: Any, annotations: Mapping[str, Any], threads: int, span: Any) -> Any:
    """Serial loops over tiles of the symbolic extents around a nest of one tile, whose tail is guarded."""
    if "tl.loop_layout" in annotations:
        raise SemanticError("a loop_layout of a symbolic extent", fix="give constant extents", span=ir.span_to_source(span))
    own = {dim.var for dim in dims}
    dependent = [dim for dim in dims if any(ir.uses_var(dim.extent, {var}) for var in own)]
    if dependent:
        raise FrontendError(
            f"the extent {dependent[0].extent} of a T.Parallel counts with another one",
            fix="use the largest extent and guard the statements with if",
            span=ir.span_to_source(span),
        )
    wanted = threads * _ELEMENTS
    for dim in dims:
        wanted = -(-wanted // max(1, dim.constant or 1))
    tiles: list[Dim] = []
    steps: list[Dim] = []
    guards: list[Any] = []
    for dim in reversed(dims):
        if dim.constant is not None:
            tiles.insert(0, dim)
            continue
        dtype = ir.dtype_of(dim.var)
        tile = _register_extent(body, dim.var)
        if tile is not None:  # registers are indexed by the loop itself: it has no more iterations than they have elements
            guards.append(dim.var < dim.extent)
            tiles.insert(0, Dim(dim.var, dim.low, ir.const(tile, dtype)))
            continue
        tile, wanted = wanted, 1
        step = ir.var(f"{dim.var.name}_step", dtype)
        count = ir.simplify(ir.FloorDiv(dim.extent + ir.const(tile - 1, dtype), ir.const(tile, dtype)))
        steps.insert(0, Dim(step, ir.const(0, dtype), count))
        tiles.insert(0, Dim(dim.var, dim.low, ir.const(tile, dtype)))
        body = ir.substitute(body, {dim.var: step * tile + dim.var})
        if tile > 1:
            guards.append(step * tile + dim.var < dim.extent)
    for guard in guards:
        body = ir.IfThenElse(guard, body, None, span)
    loop = _nest(tiles, body, annotations, span)
    for dim in reversed(steps):
        loop = ir.For(dim.var, dim.low, dim.extent, ir.ForKind.SERIAL, loop, None, None, None, span)
    return loop


def _register_extent(body: Any, var: Any) -> int | None:
    """The smallest extent of the register tiles that `var` indexes; None if it indexes none."""
    accesses = [(n.source, n.indices) for n in ir.collect(body, ir.BufferLoad)]
    accesses += [(n.buffer, n.indices) for n in ir.collect(body, ir.BufferStore)]
    found = [
        extent
        for buffer, indices in accesses
        if ir.scope_of(buffer) == "local.fragment"
        for index, extent in zip(indices, ir.static_shape(buffer))
        if isinstance(index, ir.Var) and index.same_as(var)
    ]
    return min(found, default=None)


def without_continue(body: Any) -> Any:
    """A loop's body with `continue` as branches: what follows runs where none was met. For iterations that are independent."""
    return ir.seq(_branches(ir.statements(body))) if _continues(body) else body


def _continues(stmt: Any) -> bool:
    """True if a `continue` of this loop, not of one inside, is in the statement."""
    if isinstance(stmt, ir.SeqStmt):
        return any(map(_continues, stmt.seq))
    if isinstance(stmt, ir.IfThenElse):
        return _continues(stmt.then_case) or (stmt.else_case is not None and _continues(stmt.else_case))
    return isinstance(stmt, ir.Continue)


def _ends(stmts: list[Any]) -> bool:
    """True if every way through the statements meets a `continue`."""
    return any(
        isinstance(s, ir.Continue)
        or (
            isinstance(s, ir.IfThenElse)
            and s.else_case is not None
            and _ends(ir.statements(s.then_case))
            and _ends(ir.statements(s.else_case))
        )
        for s in stmts
    )


def _branches(stmts: list[Any]) -> list[Any]:
    for k, stmt in enumerate(stmts):
        if isinstance(stmt, ir.Continue):
            return stmts[:k]
        if not _continues(stmt):
            continue
        rest = stmts[k + 1 :]
        then, other = ir.statements(stmt.then_case), [] if stmt.else_case is None else ir.statements(stmt.else_case)
        if not _ends(then) and not _ends(other) and any(ir.contains(s, (ir.Bind, ir.AllocBuffer)) for s in rest):
            raise FrontendError(
                "continue of a T.Parallel inside an `if` that may also be left at its end, before statements that name values",
                fix="put the statements after it into an else branch",
                span=ir.span_to_source(stmt.span),
            )
        met = ir.seq(_branches([*then, *rest]))
        missed = _branches([*other, *rest])
        return [*stmts[:k], ir.IfThenElse(stmt.condition, met, ir.seq(missed) if missed else None, stmt.span)]
    return stmts
