"""Statements of one group of threads become one, where only other groups' statements stand between them.

Before: if in_threads(0, 128): A    if in_threads(128, 256): B    if in_threads(0, 128): C
After:  if in_threads(0, 128): A; C    if in_threads(128, 256): B

No thread runs another statement, or in another order. ptxas follows setmaxnreg only through code that the other roles do not
share, so that what a role does after its loop has to stand in the role.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .. import ir
from .effects import accesses_within
from .thread_group import ThreadGroup, group_of


class MergeGroups(ir.Mutator):
    """Merges group statements in every sequence. Memory that both sides share keeps them apart: a barrier may go between."""

    def __init__(self, views: Mapping[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.views = views

    def visit_SeqStmt(self, node: ir.SeqStmt) -> Any:
        merged: list[ir.Stmt] = []
        for stmt in (self.visit(s) for s in node.seq):
            group = None if stmt is None else group_of(stmt)
            place = None if group is None else self._place(merged, stmt, group)
            if place is not None:
                home = merged[place]
                merged[place] = group_of(home).statement(ir.seq([home.then_case, stmt.then_case]), home.span)  # type: ignore[union-attr]
            elif stmt is not None:
                merged.append(stmt)
        return ir.seq(merged)

    def _place(self, before: list[ir.Stmt], stmt: ir.Stmt, group: ThreadGroup) -> int | None:
        """Where the group's statement stands that this one may join."""
        for place in reversed(range(len(before))):
            other = group_of(before[place])
            if other is None:
                return None
            if other == group:
                return place
            if other.meets(group) or self._share_memory(before[place], stmt):
                return None
        return None

    def _share_memory(self, a: ir.Stmt, b: ir.Stmt) -> bool:
        first, second = ([x.of_root(self.views) for x in accesses_within(s) if not x.scope.startswith("local")] for s in (a, b))
        return any(x.buffer.same_as(y.buffer) and (x.write or y.write) for x in first for y in second)
