"""A T.Parallel nest counted out: which elements its iterations touch, for indices that no proof reaches.

    for i in T.Parallel(32):                            # a step of a butterfly in shared memory
        p = i // (1 << level) * (2 << level) + i % (1 << level)
        x[p], x[p + (1 << level)] = x[p] + x[p + (1 << level)], x[p] - x[p + (1 << level)]

Iterations are enumerated, those of the loops around, too: what is accepted holds for all values that their variables have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import ir
from .parallel_nest import ParallelNest
from .tabulate import tabulate

_MOST = 1 << 18  # iterations, those of loops inside included
_WORK = 1 << 22  # iterations for all values of the variables of the loops around
_SPAN = 1 << 20  # more than any index of a tile

Side = tuple[Sequence[Any], Sequence[Any]]  # indices of an access, and the conditions under which it happens


@dataclass(frozen=True)
class CountedNest:
    """A number for each iteration of the nest and of the loops inside, and the variables in terms of it."""

    number: ir.Var
    count: int
    parallel: int  # iterations of the nest itself: numbers below this differ in it, those equal modulo this do not
    values: Mapping[ir.Var, Any]

    @staticmethod
    def of(nest: ParallelNest, loops: Mapping[ir.Var, ir.For]) -> CountedNest | None:
        """None where an extent is no constant, or there are too many iterations."""
        number, count, values = ir.var("iteration"), 1, {}
        dims = [(var, 0, extent) for var, extent in zip(reversed(nest.vars), reversed(nest.extents))]
        inner = [(var, ir.const_int(loop.min), ir.const_int(loop.extent)) for var, loop in loops.items()]
        parallel = int(np.prod([extent for _, _, extent in dims]))
        for var, low, extent in [*dims, *inner]:
            if low is None or extent is None:
                return None
            digit = ir.FloorMod(ir.FloorDiv(number, ir.const(count)), ir.const(max(1, extent))) + ir.const(low)
            values[var] = digit if ir.dtype_of(var) == "int32" else ir.Cast(ir.dtype_of(var), digit)
            count *= extent
        return CountedNest(number, count, parallel, values) if 0 < count <= _MOST else None

    def meet(self, write: Side, read: Side, around: Sequence[ir.For]) -> bool:
        """True unless it is known that no two iterations touch one element.

        Parameters
        ----------
        around : sequence of For
            The loops around the nest, outermost first.
        """
        expressions = [ir.as_expr(e) for side in (write, read) for e in (*side[0], *side[1])]
        found = {v for e in expressions for v in ir.collect(e, ir.Var) if not ir.is_buffer_var(v)}
        assignments = _assignments(found - set(self.values), around, max(1, _WORK // self.count))
        if assignments is None:
            return True
        for assigned in assignments:
            known = {**self.values, **assigned}
            written, seen = self._elements(write, known), self._elements(read, known)
            if written is None or seen is None or _share(written, seen):
                return True
        return False

    def _elements(self, side: Side, known: Mapping[ir.Var, Any]) -> tuple[np.ndarray, np.ndarray] | None:
        """(an element, an iteration of the nest) for each time that the access happens; None where that is not known."""
        numbers = np.arange(self.count, dtype=np.int64)
        place = np.zeros(self.count, dtype=np.int64)
        for index in side[0]:
            column = tabulate(ir.substitute(ir.as_expr(index), known), self.number, numbers)
            if column is None:
                return None
            place = place * _SPAN + column
        happens = np.ones(self.count, dtype=bool)
        for condition in side[1]:
            truth = tabulate(ir.substitute(ir.as_expr(condition), known), self.number, numbers)
            if truth is not None:  # one that reads memory may hold for any of them
                happens &= truth.astype(bool)
        return place[happens], numbers[happens] % self.parallel


def _assignments(variables: set[ir.Var], around: Sequence[ir.For], most: int) -> list[dict[ir.Var, Any]] | None:
    """All values that the variables have together; None where loops around do not give them, or if there are too many."""
    chosen: list[ir.For] = []
    for loop in reversed(around):
        if loop.loop_var in variables:
            chosen.insert(0, loop)
            variables = variables | {v for e in (loop.min, loop.extent) for v in ir.collect(ir.as_expr(e), ir.Var)}
    if variables - {loop.loop_var for loop in chosen}:
        return None
    found: list[dict[ir.Var, Any]] = [{}]
    for loop in chosen:
        longer: list[dict[ir.Var, Any]] = []
        for known in found:
            low, extent = (ir.const_int(ir.simplify(ir.substitute(ir.as_expr(e), known))) for e in (loop.min, loop.extent))
            if low is None or extent is None or loop.step is not None or len(longer) + extent > most:
                return None
            dtype = ir.dtype_of(loop.loop_var)
            longer += [{**known, loop.loop_var: ir.const(n, dtype)} for n in range(low, low + extent)]
        found = longer
    return found


def _share(written: tuple[np.ndarray, np.ndarray], read: tuple[np.ndarray, np.ndarray]) -> bool:
    """True if some element is written in one iteration and read in another."""
    place, writer = written
    order = np.lexsort((writer, place))
    place, writer = place[order], writer[order]
    first = np.searchsorted(place, read[0], side="left")
    last = np.searchsorted(place, read[0], side="right") - 1
    met = last >= first
    least, most = writer[first[met]], writer[last[met]]
    return bool(np.any((least != read[1][met]) | (most != read[1][met])))
