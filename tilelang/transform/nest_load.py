"""A `T.Parallel` nest that fills a shared tile from global memory, element by element: a gather, a padded or shifted load.

    for i, j in T.Parallel(64, 128):
        K_s[i, j] = T.if_then_else(rows[i] >= 0, K[rows[i], j], 0)

It means what a copy means, with any index instead of a region, so a pipeline may run it ahead as it does copies. cp.async moves
4, 8 or 16 bytes and fills with zeros where its predicate is false.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .. import ir
from ..layout import Fragment
from ..tileop.base import Effects, LoweringContext, dtype_bits
from .guards import GuardMemory
from .loop_nest import LoopNest, conjunction
from .parallel_nest import ParallelNest
from .part_lane import part_lane
from .vector_width import is_aligned

ASYNC = "tl.async_group"
CP_ASYNC_BYTES = (16, 8, 4)  # PTX ISA, cp.async: cp-size
# Calls in indices and conditions that compute and nothing else.
_PURE = frozenset(("prim.if_then_else",))


@dataclass(frozen=True, eq=False)
class NestLoad:
    """`store.buffer[nest.vars] = load if condition else 0` for all elements of a shared tile."""

    nest: ParallelNest
    store: ir.BufferStore
    load: ir.BufferLoad
    condition: Any | None
    stmt: ir.For

    @staticmethod
    def of(stmt: ir.Stmt) -> NestLoad | None:
        """The load that a statement is; None for anything else."""
        if not isinstance(stmt, ir.For) or stmt.kind != ir.ForKind.PARALLEL or "tl.parallel_depth" not in stmt.annotations:
            return None
        extents = [f.extent for f in ir.collect(stmt, ir.For)]
        if any(ir.const_int(ir.simplify(e)) is None for e in extents) or ir.contains(stmt, (ir.While, ir.AllocBuffer)):
            return None
        nest = ParallelNest.of(stmt)
        return _match(nest, stmt)

    @property
    def is_asynchronous(self) -> bool:
        """True once a pipeline commits and waits for it."""
        return ASYNC in self.nest.annotations

    @property
    def operands(self) -> list[Any]:
        """The expressions that it evaluates."""
        return [*self.store.indices, *self.load.indices, *([] if self.condition is None else [self.condition])]

    def effects(self) -> Effects:
        tables = [r.source for e in self.operands for r in ir.collect(e, ir.BufferLoad)]
        reads = [ir.full_region(b) for b in dict.fromkeys([self.load.source, *tables])]
        return Effects(reads=tuple(reads), writes=(ir.full_region(self.store.buffer),), asynchronous=self.is_asynchronous)

    def asynchronous(self) -> ir.For:
        """The statement, for a pipeline that commits and waits for it."""
        return ParallelNest(*self._parts({**self.nest.annotations, ASYNC: 1})).to_stmt()

    def _parts(self, annotations: dict[str, Any]) -> tuple[Any, ...]:
        return self.nest.vars, self.nest.extents, self.nest.body, annotations, self.nest.span

    # ------------------------------------------------------------------ cp.async

    def async_width(self, ctx: LoweringContext) -> int:
        """Elements per cp.async; 0 where the layout or the indices leave no 4 bytes side by side."""
        if not ctx.target.limits.has_cp_async or ctx.root(self.load.source) in ctx.device_tensors:
            return 0
        size = dtype_bits(ir.buffer_dtype(self.load.source)) // 8
        for bytes_ in CP_ASYNC_BYTES:
            width = bytes_ // size if size and bytes_ % size == 0 else 0
            if width and self.nest.extents[-1] % width == 0 and self._moves_together(width, ctx):
                return width
        return 0

    def can_be_async(self, ctx: LoweringContext) -> bool:
        return self.async_width(ctx) > 0

    def _moves_together(self, width: int, ctx: LoweringContext) -> bool:
        """True if `width` iterations from a multiple of `width` move adjacent, aligned elements, all or none of them."""
        analyzer = ctx.analyzer(self.nest.ranges)
        chunk, lane = ir.var("chunk"), ir.var("lane")
        analyzer.bind(chunk, ir.Range.from_min_extent(ir.const(0), ir.const(self.nest.extents[-1] // width)))
        analyzer.bind(lane, ir.Range.from_min_extent(ir.const(0), ir.const(width)))
        at = {self.nest.vars[-1]: chunk * width + lane}

        def split(expr: Any) -> Any:
            return ir.simplify(part_lane(ir.substitute(ir.as_expr(expr), at), lane, width, analyzer), analyzer)

        for buf, indices in ((self.store.buffer, self.store.indices), (self.load.source, self.load.indices)):
            *outer, last = (split(i) for i in indices)
            start = ir.simplify(ir.substitute(last, {lane: 0}), analyzer)
            if any(ir.uses_var(i, {lane}) for i in outer) or not ir.can_prove(last - start == lane, analyzer):
                return False
            if not is_aligned(buf, [*outer, start], width, self.nest.extents[-1], analyzer, ctx, together=True):
                return False
        conditions = [] if self.condition is None else _conjuncts(self.condition)
        return all(_one_value(split(c), lane, width, analyzer) for c in conditions)

    def lower(self, ctx: LoweringContext) -> ir.Stmt | None:
        """What one thread does; None where only an ordinary nest can do it."""
        width = self.async_width(ctx)
        if not width:
            name = self.store.buffer.name
            ctx.remark(self.nest.span, f"{name} is loaded synchronously: its layout keeps no 4 bytes side by side")
            return None
        loops = LoopNest(Fragment.blocked(self.nest.extents, ctx.num_threads, width), ctx.tid, ctx.num_threads, width)
        at = dict(zip(self.nest.vars, loops.indices))
        if loops.vector_var is not None:
            at = {v: ir.substitute(ir.as_expr(e), {loops.vector_var: 0}) for v, e in at.items()}
        analyzer = ctx.analyzer(self.nest.ranges)
        guard = GuardMemory(analyzer)
        binds: list[ir.Stmt] = []

        def place(index: Any) -> Any:
            """An index at the first element of a chunk; what it reads from a table is read once."""
            if not ir.contains(index, ir.BufferLoad):
                return index
            row = ir.var("row", ir.dtype_of(index))
            binds.append(ir.Bind(row, ir.simplify(ir.substitute(guard.visit(index), at)), self.nest.span))
            return row

        source = [place(i) for i in self.load.indices]
        conditions = [] if self.condition is None else [guard.visit(self.condition)]
        with analyzer.constraint_scope(ir.const(True, "bool") if self.condition is None else self.condition):
            conditions += guard.bounds(self.load.source, source)

        def address(buf: ir.Var, indices: Any) -> Any:
            return ir.address_of(ir.load(buf, [ir.simplify(ir.substitute(ir.as_expr(i), at)) for i in indices]))

        args = [address(self.store.buffer, self.store.indices), address(self.load.source, source)]
        predicate: list[Any] = []
        for condition in (ir.simplify(ir.substitute(part, at)) for c in conditions for part in _conjuncts(c)):
            if not any(ir.structural_equal(condition, p) for p in predicate):  # the author's bounds may be the tensor's
                predicate.append(condition)
        if predicate:
            args.append(conjunction(predicate))
        size = str(width * dtype_bits(ir.buffer_dtype(self.load.source)) // 8)
        move = ir.evaluate(ir.call("tl.cp_async", args, attrs={"template": [size]}, span=self.nest.span), self.nest.span)
        return loops.wrap(ir.seq([*binds, move]), self.nest.span)


def _match(nest: ParallelNest, stmt: ir.For) -> NestLoad | None:
    *scalars, last = ir.statements(nest.body)
    values: dict[ir.Var, Any] = {}
    for scalar in scalars:
        if not isinstance(scalar, ir.Bind):
            return None
        values[scalar.var] = ir.substitute(scalar.value, values)
    condition: Any | None = None
    if isinstance(last, ir.IfThenElse):  # if c: S[i] = A[...]  else: S[i] = 0
        if not isinstance(last.then_case, ir.BufferStore) or not _stores_zero(last.then_case, last.else_case):
            return None
        condition, last = last.condition, last.then_case
    if not isinstance(last, ir.BufferStore) or not ir.scope_of(last.buffer).startswith("shared"):
        return None
    value = last.value
    if ir.is_call(value, "prim.if_then_else") and ir.const_number(value.args[2]) == 0:
        condition = value.args[0] if condition is None else ir.And(condition, value.args[0])
        value = value.args[1]
    if not isinstance(value, ir.BufferLoad) or ir.scope_of(value.source) != "global":
        return None
    if ir.buffer_dtype(value.source) != ir.buffer_dtype(last.buffer):
        return None
    if ASYNC not in nest.annotations and not _fills(last, nest):  # later a slot goes before the tile's own indices
        return None
    load = ir.substitute(value, values)
    condition = None if condition is None else ir.substitute(condition, values)
    found = NestLoad(nest, last, load, condition, stmt)
    calls = [c for e in found.operands for c in ir.collect(e, ir.Call)]
    tables = [r for e in found.operands for r in ir.collect(e, ir.BufferLoad)]
    if any(ir.call_name(c) not in _PURE for c in calls) or any(ir.scope_of(r.source) == "local.fragment" for r in tables):
        return None
    return found


def _stores_zero(then: ir.BufferStore, other: ir.Stmt | None) -> bool:
    """True for a store of zero to the same element."""
    if not isinstance(other, ir.BufferStore) or not other.buffer.same_as(then.buffer) or ir.const_number(other.value) != 0:
        return False
    return all(ir.structural_equal(a, b) for a, b in zip(then.indices, other.indices))


def _fills(store: ir.BufferStore, nest: ParallelNest) -> bool:
    """True if the iterations are the elements of the tile, one to one, the last loop along its last dimension."""
    shape, wide = ir.static_shape(store.buffer), [v for v, n in zip(nest.vars, nest.extents) if n > 1]
    indices = [ir.simplify(i) for i in store.indices]
    used = [i for i, n in zip(indices, shape) if n > 1]
    if len(used) != len(wide) or not all(isinstance(i, ir.Var) and any(i.same_as(v) for v in wide) for i in used):
        return False
    if len(set(used)) < len(used) or not used or not used[-1].same_as(nest.vars[-1]):
        return False
    extents = dict(zip(nest.vars, nest.extents))
    whole = all(extents[i] == n for i, n in zip(used, [n for n in shape if n > 1]))
    return whole and all(ir.const_int(i) == 0 for i, n in zip(indices, shape) if n == 1)


def _conjuncts(condition: Any) -> list[Any]:
    if isinstance(condition, ir.And):
        return _conjuncts(condition.a) + _conjuncts(condition.b)
    return [condition]


def _one_value(condition: Any, lane: ir.Var, width: int, analyzer: ir.Analyzer) -> bool:
    """True if a condition does not change with `lane`, which counts below `width`."""
    if not ir.uses_var(condition, {lane}):
        return True
    if not isinstance(condition, (ir.LT, ir.GE)) or ir.uses_var(condition.b, {lane}):
        return False
    whole = ir.simplify(ir.FloorDiv(condition.a, ir.const(width, ir.dtype_of(condition.a))), analyzer)
    return not ir.uses_var(whole, {lane}) and ir.can_prove(ir.as_expr(condition.b % width == 0), analyzer)
