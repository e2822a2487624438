"""Warpgroups of a block take turns at the tensor cores (FlashAttention-3, "pingpong scheduling").

While one warpgroup computes a softmax, the other's products run. Warpgroup w waits on named barrier w for the arrival of the one
before it, issues its products, and arrives on the barrier of the next one. The last one lends the first its turn at the start of
the kernel, and gets it back at the end (PTX ISA, "bar").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from .. import ir
from .base import Effects, LoweringContext, TileOp, attribute, tile_op

WARPGROUP = 128


@dataclass(frozen=True, eq=False)
class Turn(TileOp):
    """One step of the protocol over the named barriers `barriers`, one a warpgroup."""

    op_name: ClassVar[str]
    barriers: tuple[int, ...]
    span: Any = None

    @classmethod
    def from_call(cls, call: ir.Call, span: Any) -> Turn:
        return cls(tuple(int(b) for b in attribute(call, "barriers", ())), span)

    def to_call(self) -> ir.Call:
        return ir.call(self.op_name, attrs={"barriers": list(self.barriers)}, span=self.span)

    def effects(self) -> Effects:
        return Effects()

    def _wait(self, group: int) -> ir.Stmt:
        return ir.evaluate(ir.call("tl.sync_threads", [self.barriers[group], 2 * WARPGROUP], span=self.span), self.span)

    def _arrive(self, group: int) -> ir.Stmt:
        template = {"template": [str(self.barriers[group])]}
        return ir.evaluate(ir.call("tl.bar_arrive", [ir.const(2 * WARPGROUP)], attrs=template, span=self.span), self.span)

    def _each(self, ctx: LoweringContext, step: Callable[[int], ir.Stmt]) -> ir.Stmt:
        """`step(w)` in warpgroup w."""
        *others, last = range(len(self.barriers))
        out = step(last)
        for group in reversed(others):
            out = ir.IfThenElse(ir.as_expr(ctx.tid < (group + 1) * WARPGROUP), step(group), out, self.span)
        return out


@tile_op("tl.turn_wait")
@dataclass(frozen=True, eq=False)
class TurnWait(Turn):
    """Wait for one's turn."""

    op_name = "tl.turn_wait"

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        return self._each(ctx, self._wait)


@tile_op("tl.turn_pass")
@dataclass(frozen=True, eq=False)
class TurnPass(Turn):
    """It is the next warpgroup's turn."""

    op_name = "tl.turn_pass"

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        return self._each(ctx, lambda group: self._arrive((group + 1) % len(self.barriers)))


@tile_op("tl.turn_lend")
@dataclass(frozen=True, eq=False)
class TurnLend(Turn):
    """At the start: the first turn is the first warpgroup's."""

    op_name = "tl.turn_lend"

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        first = (len(self.barriers) - 1) * WARPGROUP
        return ir.IfThenElse(ir.as_expr(ctx.tid >= first), self._arrive(0), None, self.span)


@tile_op("tl.turn_return")
@dataclass(frozen=True, eq=False)
class TurnReturn(Turn):
    """At the end: nobody is left waiting, and no arrival is left over."""

    op_name = "tl.turn_return"

    def lower(self, ctx: LoweringContext) -> ir.Stmt:
        return ir.IfThenElse(ir.as_expr(ctx.tid < WARPGROUP), self._wait(0), None, self.span)
