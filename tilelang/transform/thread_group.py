"""Threads of a block that run a statement together: neighbouring whole warps, as `T.ws` or a condition picks them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext

CONDITION = "tl.in_threads"


@dataclass(frozen=True)
class ThreadGroup:
    """Threads `first` to `first + count - 1`.

    `if tl.in_threads(first, end): body` is a statement of the group: tile operators in it are spread over its threads, and its
    block barriers are barriers of the group.
    """

    first: int
    count: int

    @property
    def end(self) -> int:
        return self.first + self.count

    @property
    def condition(self) -> Any:
        return ir.pure_call(CONDITION, [ir.const(self.first), ir.const(self.end)], "bool")

    def statement(self, body: ir.Stmt, span: Any = None) -> ir.Stmt:
        """`body` for this group."""
        return ir.IfThenElse(self.condition, body, None, span)

    def contains(self, other: ThreadGroup | None) -> bool:
        return other is not None and self.first <= other.first and other.end <= self.end

    def meets(self, other: ThreadGroup) -> bool:
        return self.first < other.end and other.first < self.end


def group_of(stmt: Any) -> ThreadGroup | None:
    """The group that a statement is for; None for any other statement."""
    if not isinstance(stmt, ir.IfThenElse) or not ir.is_call(stmt.condition, CONDITION):
        return None
    first, end = (ir.const_int(x) for x in stmt.condition.args)
    assert first is not None and end is not None, "group conditions are made of constants"
    return ThreadGroup(first, end - first)


@contextmanager
def as_block(group: ThreadGroup | None, ctx: LoweringContext, tid: ir.Var | None = None) -> Iterator[LoweringContext]:
    """The context in which a group is all there is: its threads are numbered from 0, by `tid` if given."""
    if group is None:
        yield ctx
        return
    saved = ctx.tid, ctx.num_threads, ctx.first_thread, ctx.ranges
    ctx.tid, ctx.num_threads, ctx.first_thread = tid if tid is not None else ctx.tid, group.count, group.first
    ctx.ranges = {**ctx.ranges, ctx.tid: (0, group.count)}
    try:
        yield ctx
    finally:
        ctx.tid, ctx.num_threads, ctx.first_thread, ctx.ranges = saved
