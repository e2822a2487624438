"""Divisions and remainders of an index, in terms of the vector that an element belongs to and its lane there.

Before: k_s[i, v] = X[(step * 32 + chunk * 8 + v) // 64 % 3, (step * 32 + chunk * 8 + v) % 64]
After:  k_s[i, v] = X[(step * 32 + chunk * 8) // 64 % 3, (step * 32 + chunk * 8) % 64 + v]

With v below 8 and everything else a multiple of 8, no lane crosses a multiple of 64.
"""

from __future__ import annotations

from typing import Any

from .. import ir


def part_lane(node: Any, lane: ir.Var, width: int, analyzer: ir.Analyzer) -> Any:
    """The tree with `lane`, which counts below `width`, outside of divisions and remainders wherever that is proved.

    `analyzer` knows the other variables; it need not know the lane.
    """
    if width < 2 or not any(_constant(n) % width == 0 for n in ir.collect(node, (ir.FloorDiv, ir.FloorMod)) if _constant(n)):
        return node
    return _PartLane(lane, width, analyzer).visit(node)


def _constant(node: Any) -> int:
    return ir.const_int(node.b) or 0


class _PartLane(ir.Mutator):
    def __init__(self, lane: ir.Var, width: int, analyzer: ir.Analyzer) -> None:
        super().__init__()
        self.lane, self.width, self.analyzer = lane, width, analyzer

    def _start(self, node: Any) -> Any | None:
        """The dividend at lane 0, if the lanes count up from there and a divisor's multiple lies at none of them."""
        divisor = _constant(node)
        if divisor <= 0 or divisor % self.width or not ir.uses_var(node.a, {self.lane}):
            return None
        start = ir.simplify(ir.substitute(node.a, {self.lane: 0}), self.analyzer)
        step = ir.simplify(node.a - start, self.analyzer)
        counts = step.same_as(self.lane) or ir.can_prove(step == self.lane, self.analyzer)
        return start if counts and ir.can_prove(start % self.width == 0, self.analyzer) else None

    def visit_FloorDiv(self, node: Any) -> Any:
        new = self.descend(node)
        start = self._start(new)
        return new if start is None else ir.simplify(ir.FloorDiv(start, new.b), self.analyzer)

    def visit_FloorMod(self, node: Any) -> Any:
        new = self.descend(node)
        start = self._start(new)
        return new if start is None else ir.simplify(ir.FloorMod(start, new.b), self.analyzer) + self.lane
