"""Whether every element that two accesses share belongs to one thread, found by computing all indices.

`C[warp * 16 + lane // 4 + i // 2 % 2 * 8, i // 4 * 8 + lane % 4 * 2 + i % 2] = c[i]` writes each element once: threads and
iterations permute the tile, which no rule on single terms shows. Where the indices of all threads in all iterations are few, they
are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from .. import ir
from . import region as rg
from .effects import Access
from .pending import Pending
from .tabulate import tabulate

_MOST = 1 << 17  # indices that are computed


class ThreadOwnership:
    """Knows which thread touches which element.

    Parameters
    ----------
    tid : Var
        The linear thread index.
    parts : mapping of Var to Expr
        The other thread indices, of `tid`.
    count : int
        The block's threads.
    varying : collection of Var
        Variables whose values differ between threads for other reasons.
    """

    def __init__(self, tid: ir.Var, parts: Mapping[ir.Var, ir.Expr], count: int, varying: Iterable[ir.Var]) -> None:
        self.tid, self.parts, self.count = tid, dict(parts), count
        self.varying = set(varying) - {tid, *self.parts}

    def apart(self, old: Pending, new: Access, loops: Mapping[ir.Var, tuple[Any, Any]]) -> bool:
        """True if no element of the two is touched by two threads, whatever iterations of the enclosing `loops` they are of."""
        a, b = old.access, new
        if old.in_flight or not (a.own and b.own and a.buffer.same_as(b.buffer)):
            return False
        before, moved = (a.ranges, None) if old.home is None else (old.home[1], old.home[0])
        steps = {v: (ir.const_int(low), ir.const_int(extent)) for v, (low, extent) in loops.items()}
        known = {v: (low, n) for v, (low, n) in steps.items() if low is not None and n is not None and n > 0}
        one, two = self._places(before, known, moved), self._places(b.ranges, known, moved)
        if one is None or two is None:
            return False
        (first, rest), (second, other) = one, two
        if len(rest) != len(other) or not all(ir.structural_equal(x, y) for x, y in zip(rest, other)):
            return False
        return _one_thread_each(first, second, self.count)

    def _places(
        self, ranges: rg.Ranges, loops: Mapping[ir.Var, tuple[int, int]], moved: ir.Var | None
    ) -> tuple[np.ndarray, list[ir.Expr]] | None:
        """The indices [dimension, iteration * threads + thread], and what of them is the same for all."""
        indices = [ir.as_expr(low) for low, _ in ranges]
        if any(ir.const_int(extent) != 1 for _, extent in ranges) or any(ir.collect(i, ir.BufferLoad) for i in indices):
            return None
        used = {v for i in indices for v in ir.collect(i, ir.Var)}
        run = [v for v in loops if v in used]
        uniform = used - {self.tid, *self.parts, *run}
        if uniform & self.varying or moved in uniform:
            return None
        total = self.count
        for v in run:
            total *= loops[v][1]
        if total > _MOST:
            return None
        place = ir.var("place", ir.dtype_of(self.tid))
        known, stride = {}, self.count
        for v in run:
            low, extent = loops[v]
            step = ir.FloorMod(ir.FloorDiv(place, ir.const(stride, ir.dtype_of(place))), ir.const(extent, ir.dtype_of(place)))
            known[v] = ir.const(low, ir.dtype_of(v)) + (
                step if ir.dtype_of(v) == ir.dtype_of(place) else ir.Cast(ir.dtype_of(v), step)
            )
            stride *= extent
        known[self.tid] = ir.FloorMod(place, ir.const(self.count, ir.dtype_of(place)))
        columns, rest = [], []
        for index in indices:
            alone = ir.substitute(index, {v: ir.const(0, ir.dtype_of(v)) for v in uniform})
            remaining = ir.simplify(index - alone)
            if any(ir.uses_var(remaining, {v}) for v in (self.tid, *self.parts, *run)):
                return None
            values = tabulate(ir.substitute(ir.substitute(alone, self.parts), known), place, np.arange(total, dtype=np.int64))
            if values is None:
                return None
            columns.append(values)
            rest.append(remaining)
        return np.stack(columns), rest


def _one_thread_each(a: np.ndarray, b: np.ndarray, count: int) -> bool:
    """Whether no element of both is in columns of two threads."""
    both = np.concatenate([a, b], axis=1)
    low = both.min(axis=1, keepdims=True)
    spans = (both - low).max(axis=1) + 1
    key = np.zeros(both.shape[1], dtype=np.int64)
    for row, start, span in zip(both, low, spans):
        key = key * span + (row - start)
    thread = np.concatenate([np.arange(a.shape[1]), np.arange(b.shape[1])]) % count
    order = np.argsort(key, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(key[order]) != 0])
    several = np.minimum.reduceat(thread[order], starts) != np.maximum.reduceat(thread[order], starts)
    mine = np.minimum.reduceat((order >= a.shape[1]).astype(np.int8), starts) == 0
    others = np.maximum.reduceat((order >= a.shape[1]).astype(np.int8), starts) == 1
    return not bool(np.any(several & mine & others))
