"""Accesses that no barrier has ordered yet, and when a new access conflicts with one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .. import ir
from . import region as rg
from .effects import Access
from .kernel_program import SharedPlan
from .thread_group import ThreadGroup

# Asynchronous accesses keep their exact distance in iterations up to here; no pipeline is deeper.
_EXACT_DISTANCE = 32
_MANY_GROUPS = 64
_LONG_AGO = 2**20


@dataclass(frozen=True)
class Pending:
    """An access since the last barrier.

    Parameters
    ----------
    access : Access
        Its ranges speak about the current values of loop variables.
    key : tuple
        Identity: where it was made, and how its ranges were moved since.
    groups : int, optional
        For an asynchronous access still under way: the groups committed since it was issued (its own included).
    pins : tuple of (Var, int)
        Thread indices that a condition around the access fixes.
    group : ThreadGroup, optional
        The threads that made it, if not the block's.
    home : (Var, Ranges), optional
        The ranges before they were moved along the back edge of the loop over that variable.
    distance : int
        Back edges of that loop taken since; with `aged`, at least so many.
    """

    access: Access
    key: tuple
    groups: int | None = None
    pins: tuple[tuple[ir.Var, int], ...] = ()
    group: ThreadGroup | None = None
    home: tuple[ir.Var, rg.Ranges] | None = field(default=None, compare=False)
    distance: int = 0
    aged: bool = False

    @property
    def identity(self) -> tuple:
        return (*self.key, self.groups, self.distance, self.aged)

    @property
    def in_flight(self) -> bool:
        return self.groups is not None

    def committed(self) -> Pending:
        """After a commit."""
        return self if self.groups is None else replace(self, groups=min(self.groups + 1, _MANY_GROUPS))

    def waited(self, depth: int) -> Pending:
        """After a wait that leaves `depth` groups under way: landed for the threads that issued it, not yet for others."""
        return replace(self, groups=None) if self.groups is not None and self.groups > depth else self

    def next_iteration(self, loop: ir.For, age: ir.Var) -> Pending:
        """As seen from the next iteration; `age` counts further iterations where the distance is not kept."""
        var = loop.loop_var
        moving = self.home is not None and self.home[0].same_as(var)
        if not moving and not rg.uses(self.access.ranges, {var}):
            return self
        if self.aged:
            return self
        home = self.home if moving else (var, self.access.ranges)
        step = ir.const(1, ir.dtype_of(var)) if loop.step is None else loop.step
        aged = self.distance >= (_EXACT_DISTANCE if self.in_flight else 1)
        ranges = rg.substitute(self.access.ranges, {var: var - (step + age * step if aged else step)})
        return replace(self, access=self.access.with_ranges(ranges), home=home, distance=self.distance + 1, aged=aged)

    def outside(self, loop: ir.For, place: tuple[Any, ...]) -> Pending:
        """As seen behind the loop at `place`: any iteration may have made it."""
        var = loop.loop_var
        home = self.home if self.home is not None and self.home[0].same_as(var) else None
        ranges = self.access.ranges if home is None else home[1]
        if home is None and not rg.uses(ranges, {var}):
            return self
        step = 1 if loop.step is None else ir.const_int(loop.step)
        if step is None:
            ranges = tuple(f if rg.uses((r,), {var}) else r for r, f in zip(ranges, rg.whole(self.access.buffer)))
        else:
            ranges = rg.widen(self.access.buffer, ranges, var, loop.min, loop.extent)
        mark = ("outside", place)
        key = self.key if self.key[-2:] == mark else (*self.key, *mark)
        return replace(self, access=self.access.with_ranges(ranges), key=key, home=None, distance=0, aged=False)

    def is_of_run(self, place: tuple[Any, ...]) -> bool:
        """True if the loop at `place` may have made it since it was entered last."""
        return self.key[0][: len(place)] == place and self.key[-2:] != ("outside", place)

    def entering(self, loop: ir.For, slot: Any) -> Pending:
        """An access to a fixed version of a buffer, named by `slot`: an expression of the loop variable that has that value
        in the first iteration, so that the access can be followed from iteration to iteration."""
        ranges = ((slot, self.access.ranges[0][1]), *self.access.ranges[1:])
        return replace(self, access=self.access.with_ranges(ranges), home=(loop.loop_var, self.access.ranges))


State = dict[tuple, Pending]


def state_of(pending: Any) -> State:
    return {p.identity: p for p in pending}


def age_range(extent: Any) -> tuple[int, int]:
    """(start, extent) of an age variable: it counts iterations beyond the second before the current one."""
    known = ir.const_int(extent)
    return 0, _LONG_AGO if known is None else max(1, known - 2)


class Conflicts:
    """Decides whether two accesses of different threads may touch the same bytes."""

    def __init__(self, plan: SharedPlan, tid: ir.Var, axes: tuple[ir.Var, ...], extents: Mapping[ir.Var, int]) -> None:
        self.plan, self.tid, self.axes, self.threads = plan, tid, axes, dict(extents)

    def conflict(self, old: Pending, new: Access, pins: tuple[tuple[ir.Var, int], ...], analyzer: ir.Analyzer) -> bool:
        """True unless the two are provably in no need of a barrier between them."""
        a = old.access
        if not (a.write or new.write) or (a.atomic and new.atomic):
            return False
        if not a.buffer.same_as(new.buffer):
            return self.plan.overlap(a.buffer, new.buffer)
        if rg.disjoint(self.across_threads(a), self.across_threads(new), analyzer):
            return False
        return old.in_flight or not (a.own and new.own and self._same_thread(a, old.pins, new, pins))

    def across_threads(self, access: Access) -> rg.Ranges:
        """The ranges that all threads together touch: two threads' values of a thread index are unrelated."""
        ranges = access.ranges
        for var, extent in self.threads.items():
            if rg.uses(ranges, {var}):
                ranges = rg.widen(access.buffer, ranges, var, ir.const(0, ir.dtype_of(var)), ir.const(extent, ir.dtype_of(var)))
        return ranges

    def _same_thread(self, a: Access, a_pins: tuple, b: Access, b_pins: tuple) -> bool:
        """True if a common element is touched by one and the same thread only."""
        pinned = rg.pinned_variables(a.ranges, b.ranges, list(self.threads), self.threads)
        pinned |= {v for v, value in a_pins if (v, value) in b_pins}
        return self.tid in pinned or all(v in pinned or self.threads[v] == 1 for v in self.axes)
