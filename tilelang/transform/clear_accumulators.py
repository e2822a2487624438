"""Let a gemm's first product overwrite its accumulator, instead of setting the accumulator to zero before it.

A tile that a mask sets to zero or minus infinity is computed only in those iterations whose mask is not all zeros: in causal
attention, those that the diagonal crosses.

Zeros are folded where a producer warp serves the loop. Elsewhere they stay: to the compiler, products that overwrite registers
still read them, so that an accumulator lives on between two gemms (154 registers instead of 127 in attention of head size 64,
hence one block a multiprocessor instead of two).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.fill import Fill
from ..tileop.gemm import Gemm
from . import region as rg
from .effects import is_unit, unit_accesses
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest
from .units import is_parallel

_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
    ir.LT: lambda a, b: a < b,
    ir.LE: lambda a, b: a <= b,
    ir.GT: lambda a, b: a > b,
    ir.GE: lambda a, b: a >= b,
}


def clear_accumulators(program: KernelProgram) -> KernelProgram:
    """Fold the zeros before gemms of warpgroups into them."""
    return replace(program, body=_Clear(program.ctx, program.producer is not None).body(program.body))


class _Clear(ir.Mutator):
    def __init__(self, ctx: LoweringContext, fold: bool) -> None:
        super().__init__()
        self.ctx, self.fold = ctx, fold

    def visit_SeqStmt(self, node: ir.SeqStmt) -> Any:
        new = self.descend(node)
        parts = ir.statements(new)
        folded = _fold(parts, self.ctx, self.fold)
        return new if len(folded) == len(parts) and all(a.same_as(b) for a, b in zip(folded, parts)) else ir.seq(folded)


def _fold(statements: list[ir.Stmt], ctx: LoweringContext, fold: bool) -> list[ir.Stmt]:
    out: list[ir.Stmt] = []
    for stmt in statements:
        gemm = as_tile_op(stmt)
        if isinstance(gemm, Gemm) and ir.const_int(gemm.clear_accum) == 0 and gemm.runs_on_warpgroups(ctx):
            stmt = _folded(out, gemm, stmt, fold)
        out.append(stmt)
    return out


def _folded(before: list[ir.Stmt], gemm: Gemm, stmt: ir.Stmt, fold: bool) -> ir.Stmt:
    """The gemm that overwrites its accumulator where the statement that sets it (dropped from `before`, or guarded) set zeros."""
    target = gemm.C.source
    if not rg.covers(target, rg.ranges_of(gemm.C)):
        return stmt
    for place in range(len(before) - 1, -1, -1):
        if not _touches(before[place], target):
            continue
        zero = _zero_condition(before[place], target)
        if zero is None:
            return stmt
        if not fold:
            if ir.const_int(zero) != 1:
                clear = Fill(ir.full_region(target), ir.zero(ir.buffer_dtype(target)), before[place].span).to_call()
                before[place] = ir.IfThenElse(zero, ir.evaluate(clear, before[place].span), before[place], before[place].span)
            return stmt
        if ir.const_int(zero) == 1:
            before.pop(place)
        else:
            before[place] = ir.IfThenElse(ir.Not(zero), before[place], None, before[place].span)
        return ir.evaluate(replace(gemm, clear_accum=zero).to_call(), stmt.span)
    return stmt


def _touches(stmt: ir.Stmt, buf: ir.Var) -> bool:
    if is_unit(stmt):
        return any(a.buffer.same_as(buf) for a in unit_accesses(stmt))
    used = ir.collect(stmt, (ir.BufferLoad, ir.BufferStore, ir.BufferRegion))
    return any((n.buffer if isinstance(n, ir.BufferStore) else n.source).same_as(buf) for n in used)


def _zero_condition(stmt: ir.Stmt, buf: ir.Var) -> Any:
    """When a statement certainly sets all of a tile to zero (perhaps always: a constant); None if that cannot be said."""
    op = as_tile_op(stmt)
    if isinstance(op, Fill):
        whole = rg.covers(buf, rg.ranges_of(op.dst)) and not ir.contains(op.value, (ir.BufferLoad, ir.Call))
        return ir.const(True, "bool") if whole and ir.const_number(op.value) == 0 else None
    if not is_parallel(stmt):
        return None
    nest = ParallelNest.of(stmt)
    store = nest.body
    if not isinstance(store, ir.BufferStore) or not store.buffer.same_as(buf) or tuple(nest.extents) != ir.static_shape(buf):
        return None
    if any(not i.same_as(v) for i, v in zip(store.indices, nest.vars)):
        return None
    value = store.value.value if isinstance(store.value, ir.Cast) else store.value
    if not ir.is_call(value, "prim.if_then_else") or ir.const_number(value.args[1]) != 0:
        return None
    condition = value.args[0]
    if ir.contains(condition, (ir.BufferLoad, ir.Call)):
        return None
    return everywhere(condition, nest.ranges)


def everywhere(condition: Any, ranges: Any) -> Any:
    """A condition free of the given variables under which `condition` holds for all of their values; None if there is none.

    Parameters
    ----------
    condition : Expr
        Comparisons of expressions that are linear in the variables, joined by `and`.
    ranges : mapping of Var to (start, extent)
        Constant.
    """
    if isinstance(condition, ir.And):
        a, b = everywhere(condition.a, ranges), everywhere(condition.b, ranges)
        return None if a is None or b is None else ir.And(a, b)
    compare = _COMPARISONS.get(type(condition))
    if compare is None:
        return condition if not ir.uses_var(condition, ranges) else None
    worst: dict[ir.Var, Any] = {}
    smaller = isinstance(condition, (ir.LT, ir.LE))
    difference = condition.b - condition.a if smaller else condition.a - condition.b  # where it is least, it decides
    for var, (start, extent) in ranges.items():
        if not ir.uses_var(difference, {var}):
            continue
        slope = rg.slope(difference, var)
        if slope is None:
            return None
        worst[var] = start if slope >= 0 else start + extent - 1
    return ir.simplify(ir.substitute(compare(condition.a, condition.b), worst))
