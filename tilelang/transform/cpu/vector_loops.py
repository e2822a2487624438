"""A parallel nest as loops of one thread, the innermost one over vectors.

Before: `for i, j in T.Parallel(64, 64): C[by * 64 + i, bx * 64 + j] = c[i, j]` with C of M x N
After:  `for i in range(min(64, M - by * 64)): for j in simd(min(64, N - bx * 64)): C[...] = c[i, j]`

Conditions around the whole body (the author's and those that keep stores in bounds) become bounds of the loops. Conditions
within (loads that may be out of bounds) are tested once for the whole nest: where all hold, loops without any of them run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ... import ir
from ...tileop.base import LoweringContext
from .. import region as rg
from ..guards import GuardMemory
from ..loop_nest import conjunction
from ..parallel_nest import ParallelNest

SIMD = "tl.simd"  # annotation of a loop whose iterations may run side by side
_INTEGERS = ("int32", "int64")


class _GuardOnce(GuardMemory):
    """Loads that a store needs are guarded under the condition that the store happens."""

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        conditions = self.bounds(node.buffer, node.indices)
        if not conditions:
            return super().visit_BufferStore(node)
        with self.analyzer.constraint_scope(conjunction(conditions)):
            new = self.descend(node)
        return ir.IfThenElse(conjunction([self.visit(c) for c in conditions]), new, None, node.span)


@dataclass
class _Limit:
    """The values that a loop variable takes: from the largest of `low` to below the smallest of `high`."""

    low: list[Any] = field(default_factory=list)
    high: list[Any] = field(default_factory=list)


def lower_nest(nest: ParallelNest, ctx: LoweringContext) -> ir.Stmt:
    """Plain loops for all iterations of a nest."""
    body = _GuardOnce(ctx.analyzer(nest.ranges)).visit(_inline_indices(nest.body))
    limits = {v: _Limit() for v in nest.vars}
    outside: list[Any] = []
    inside: list[Any] = []
    while isinstance(body, ir.IfThenElse) and body.else_case is None:
        for condition in _conjuncts(body.condition):
            if not ir.uses_var(condition, set(nest.vars)):
                (inside if ir.contains(condition, (ir.BufferLoad, ir.Call)) else outside).append(condition)
            elif not _limit(condition, nest.vars, limits):
                inside.append(condition)
        body = body.then_case
    if inside:
        body = ir.IfThenElse(conjunction(inside), body, None, nest.span)
    loops = _loops(nest, limits, ctx)
    fast, interior = _interior(body, loops, ctx)
    lowered = _wrap(fast, nest, loops)
    if interior:
        lowered = ir.IfThenElse(conjunction(interior), lowered, _wrap(body, nest, loops), nest.span)
    binds = [b for loop in loops if not loop.dependent for b in loop.binds]
    lowered = ir.seq([*binds, lowered])
    return ir.IfThenElse(conjunction(outside), lowered, None, nest.span) if outside else lowered


# ---------------------------------------------------------------------- conditions as bounds


class _InlineIndices(ir.Mutator):
    """Scalars of index arithmetic are their values: conditions on them are conditions on loop variables."""

    def __init__(self) -> None:
        super().__init__()
        self.values: dict[ir.Var, Any] = {}

    def visit_Bind(self, node: ir.Bind) -> Any:
        value = self.visit(node.value)
        if ir.dtype_of(node.var) in _INTEGERS and not ir.contains(value, (ir.BufferLoad, ir.Call)):
            self.values[node.var] = value
            return None
        return node if value.same_as(node.value) else ir.Bind(node.var, value, node.span)

    def visit_Var(self, node: ir.Var) -> Any:
        return self.values.get(node, node)


def _inline_indices(body: ir.Stmt) -> ir.Stmt:
    return _InlineIndices().body(body) if ir.contains(body, ir.Bind) else body


def _conjuncts(condition: Any) -> list[Any]:
    if isinstance(condition, ir.And):
        return [*_conjuncts(condition.a), *_conjuncts(condition.b)]
    return [condition]


def _excess(condition: Any) -> Any | None:
    """e with `condition` equivalent to e >= 0, for comparisons of integers; None for any other."""
    kinds = {ir.LT: (False, 1), ir.LE: (False, 0), ir.GT: (True, 1), ir.GE: (True, 0)}
    found = kinds.get(type(condition))
    if found is None or ir.dtype_of(condition.a) not in _INTEGERS or ir.contains(condition, (ir.BufferLoad, ir.Call)):
        return None
    greater, strict = found
    high, low = (condition.a, condition.b) if greater else (condition.b, condition.a)
    return ir.simplify(high - low - strict)


def _limit(condition: Any, variables: Sequence[ir.Var], limits: dict[ir.Var, _Limit]) -> bool:
    """Turn a condition into a bound of the innermost variable in it, if it is linear in that; returns whether it was."""
    excess = _excess(condition)
    if excess is None:
        return False
    var = next((v for v in reversed(variables) if ir.uses_var(excess, {v})), None)
    if var is None:
        return False
    slope = rg.slope(excess, var)
    if not slope:
        return False
    rest = ir.simplify(ir.substitute(excess, {var: ir.const(0, ir.dtype_of(var))}))
    if slope > 0:  # slope * var + rest >= 0
        limits[var].low.append(ir.simplify(0 - rest if slope == 1 else 0 - ir.FloorDiv(rest, ir.as_expr(slope))))
    else:
        limits[var].high.append(ir.simplify((rest if slope == -1 else ir.FloorDiv(rest, ir.as_expr(-slope))) + 1))
    return True


# ---------------------------------------------------------------------- loops


@dataclass
class _Loop:
    var: ir.Var
    low: Any
    high: Any
    binds: list[ir.Stmt]
    dependent: bool  # on a variable of an outer loop of the nest: its bounds are computed there


def _loops(nest: ParallelNest, limits: dict[ir.Var, _Limit], ctx: LoweringContext) -> list[_Loop]:
    analyzer = ctx.analyzer(nest.ranges)
    out = []
    for var, extent in zip(nest.vars, nest.extents):
        limit = limits[var]
        dependent = any(ir.uses_var(e, set(nest.vars)) for e in (*limit.low, *limit.high))
        binds: list[ir.Stmt] = []
        wide = any(ir.dtype_of(e) == "int64" for e in (*limit.low, *limit.high))
        dtype = "int64" if wide else "int32"
        low, high = ir.const(0, dtype), ir.const(extent, dtype)
        for bound in limit.low:
            low = ir.Max(low, _as(dtype, bound))
        for bound in limit.high:
            high = ir.Min(high, _as(dtype, bound))
        ends = []
        for value, suffix in ((ir.simplify(low, analyzer), "begin"), (ir.simplify(high, analyzer), "end")):
            constant = ir.const_int(value)
            if constant is not None:
                value = ir.const(constant)
            else:
                name = ir.var(f"{var.name}_{suffix}", "int32")
                binds.append(ir.Bind(name, value if ir.dtype_of(value) == "int32" else ir.Cast("int32", value), nest.span))
                value = name
            ends.append(value)
        out.append(_Loop(var, ends[0], ends[1], binds, dependent))
    return out


def _as(dtype: str, value: Any) -> Any:
    return value if ir.dtype_of(value) == dtype else ir.Cast(dtype, value)


def _wrap(body: ir.Stmt, nest: ParallelNest, loops: list[_Loop]) -> ir.Stmt:
    fresh = {v: ir.var(str(v.name)) for v in nest.vars}
    body = ir.substitute(body, fresh)
    side_by_side = _vectorizable(body, fresh[nest.vars[-1]])
    for depth in reversed(range(len(loops))):
        loop = loops[depth]
        low, high = (ir.substitute(ir.as_expr(e), fresh) for e in (loop.low, loop.high))
        notes = {SIMD: 1} if depth == len(loops) - 1 and side_by_side else {}
        body = ir.For(fresh[loop.var], low, high - low, ir.ForKind.SERIAL, body, annotations=notes, span=nest.span)
        if loop.dependent:
            body = ir.seq([*(ir.substitute(b, fresh) for b in loop.binds), body])
    return body


def _vectorizable(body: ir.Stmt, var: ir.Var) -> bool:
    """True where iterations of the loop over `var` may run side by side: nothing but arithmetic, and each has its own results
    (a reducer's nest adds into one element; an array from outside may be scratch that all iterations share)."""
    own = set(ir.declared_buffers(body))
    stores = ir.collect(body, ir.BufferStore)
    if any(s.buffer not in own and not any(ir.uses_var(i, {var}) for i in s.indices) for s in stores):
        return False
    if any(ir.scope_of(s.buffer) in ("local", "local.var") and s.buffer not in own for s in stores):
        return False
    if ir.contains(body, (ir.For, ir.While, ir.Evaluate, ir.AssertStmt)):
        return False
    return not any(ir.call_name(c).startswith(("tl.atomic", "tirx.call_extern")) for c in ir.collect(body, ir.Call))


# ---------------------------------------------------------------------- the interior


class _Interior(ir.Mutator):
    """Takes the conditions as true that hold for all iterations if they hold at the ends of the loops."""

    def __init__(self, loops: list[_Loop], inner: set[ir.Var]) -> None:
        super().__init__()
        self.loops, self.inner = loops, inner  # variables of the body are unknown where the nest starts
        self.required: list[Any] = []

    def _holds_everywhere(self, condition: Any) -> bool:
        worst = []
        for part in _conjuncts(condition):
            excess = _excess(part)
            if excess is None or ir.uses_var(excess, self.inner):
                return False
            for loop in self.loops:
                if not ir.uses_var(excess, {loop.var}):
                    continue
                slope = rg.slope(excess, loop.var)
                if slope is None or loop.dependent:
                    return False
                end = loop.low if slope >= 0 else loop.high - 1
                excess = ir.simplify(ir.substitute(excess, {loop.var: end}))
            worst.append(excess >= 0)
        self.required += [w for w in worst if not any(ir.structural_equal(w, r) for r in self.required)]
        return True

    def visit_Call(self, node: ir.Call) -> Any:
        if ir.is_call(node, "prim.if_then_else") and self._holds_everywhere(node.args[0]):
            return self.visit(node.args[1])
        return self.descend(node)


def _interior(body: ir.Stmt, loops: list[_Loop], ctx: LoweringContext) -> tuple[ir.Stmt, list[Any]]:
    """The body for nests that lie in bounds as a whole, and what must hold for that (nothing: it always does)."""
    if any(loop.dependent for loop in loops):
        return body, []
    interior = _Interior(loops, ir.bound_vars(body))
    fast = interior.body(body)
    analyzer = ctx.analyzer()
    required = [simple for r in interior.required if ir.const_int(simple := ir.simplify(r, analyzer)) != 1]
    if any(ir.const_int(r) == 0 for r in required):
        return body, []
    return fast, required
