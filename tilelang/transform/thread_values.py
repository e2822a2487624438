"""Expressions of thread indices as numbers: what each thread of a block computes, where nothing else is needed to know."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .. import ir
from .effects import Access
from .tabulate import tabulate

WARP = 32
Guards = tuple[tuple[ir.Expr, bool], ...]  # conditions around a statement, and which way they went


class ThreadValues:
    """Evaluates expressions in all threads at once.

    Parameters
    ----------
    tid : Var
        The linear thread index.
    axes : sequence of Var
        threadIdx.{x,y,z}.
    extents : mapping of Var to int
        How many values each of them takes; 1 if left out.
    count : int
        The block's threads.
    body : Stmt
        The program; a scalar that it sets once has that value.
    """

    def __init__(self, tid: ir.Var, axes: Iterable[ir.Var], extents: Mapping[ir.Var, int], count: int, body: ir.Stmt) -> None:
        self.tid, self.parts, self.scalars = tid, {}, _set_once(body)
        stride = 1
        for axis in axes:
            if not axis.same_as(tid):
                dtype = ir.dtype_of(axis)
                index = ir.as_expr(tid) if ir.dtype_of(tid) == dtype else ir.Cast(dtype, tid)
                self.parts[axis] = ir.FloorMod(ir.FloorDiv(index, ir.const(stride, dtype)), ir.const(extents.get(axis, 1), dtype))
            stride *= extents.get(axis, 1)
        self.threads = np.arange(count, dtype=np.int64)

    def of(self, expr: ir.Expr, known: Mapping[ir.Var, ir.Expr] | None = None) -> np.ndarray | None:
        """The value in each thread; None if it depends on memory or on variables that `known` does not give."""
        plain = _Scalars(self.scalars).visit(ir.as_expr(expr)) if self.scalars else ir.as_expr(expr)
        return tabulate(ir.substitute(ir.substitute(plain, known or {}), self.parts), self.tid, self.threads)

    def differ(self, expr: ir.Expr) -> bool:
        """Whether threads are known to compute different values."""
        values = self.of(expr)
        return values is not None and bool(np.any(values != values[0]))

    def race(self, a: Access, a_guards: Guards, b: Access, b_guards: Guards, known: Mapping[ir.Var, ir.Expr]) -> bool:
        """Whether threads of different warps are known to touch one element, where loop variables have the values `known`.

        Threads of one warp may run in step, or meet at T.sync_warp: their order is the author's affair.
        """
        first, second = self._touched(a, a_guards, known), self._touched(b, b_guards, known)
        if first is None or second is None:
            return False
        return any(len(warps | second[element]) > 1 for element, warps in first.items() if element in second)

    def _touched(self, access: Access, guards: Guards, known: Mapping[ir.Var, ir.Expr]) -> dict[tuple, set[int]] | None:
        """The warps that touch each element; None where that is not known."""
        active = np.ones(len(self.threads), dtype=bool)
        for condition, wanted in guards:
            truth = self.of(condition, known)
            if truth is None:
                return None
            active &= truth.astype(bool) == wanted
        if any(ir.const_int(extent) != 1 for _, extent in access.ranges):
            return None
        columns = [self.of(low, known) for low, _ in access.ranges]
        if any(column is None for column in columns):
            return None
        found: dict[tuple, set[int]] = {}
        for thread in np.flatnonzero(active):
            found.setdefault(tuple(int(column[thread]) for column in columns), set()).add(int(thread) // WARP)  # type: ignore[index]
        return found


def _set_once(body: ir.Stmt) -> dict[ir.Var, ir.Expr]:
    """Mutable scalars that one statement sets, and to what."""
    stores: dict[ir.Var, list[ir.BufferStore]] = {}
    for store in ir.collect(body, ir.BufferStore):
        if ir.scope_of(store.buffer) == "local.var":
            stores.setdefault(store.buffer, []).append(store)
    return {buf: found[0].value for buf, found in stores.items() if len(found) == 1}


class _Scalars(ir.Mutator):
    """Replaces mutable scalars by values."""

    def __init__(self, values: Mapping[ir.Var, ir.Expr]) -> None:
        super().__init__()
        self.values = values

    def visit_BufferLoad(self, node: ir.BufferLoad) -> ir.Expr:
        return self.values.get(node.source, node)
