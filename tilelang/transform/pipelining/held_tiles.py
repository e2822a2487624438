"""Tiles that stay while a pipelined loop runs, inside an outer loop (the queries of attention): the producer brings them, too.

A ring of one slot: the consumers wait for the tile where the program copied it, and give it back after its last reader; the
producer loads the next one while they finish their work on this one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from ... import ir
from ...tileop.base import dtype_bits
from ...tileop.copy import Copy
from .. import region as rg
from ..effects import accesses_within
from ..ring import BARRIER_SCOPE, Ring
from .plan_pipelines import global_load


@dataclass(frozen=True)
class HeldTile:
    """The copy at position `first` of a sequence of statements, and the position of the last statement that reads its tile."""

    copy: Copy
    first: int
    last: int

    @property
    def tile(self) -> ir.Var:
        return self.copy.dst.source


def held_tiles(parts: Sequence[ir.Stmt], body: ir.Stmt, can_load: Callable[[Copy], bool]) -> list[HeldTile]:
    """The copies among `parts` whose tiles the producer may fill: whole tiles, written nowhere else, read only behind the copy.

    `body` is the whole launch; `can_load` says whether TMA can do a copy, ahead of what the block does.
    """
    found = []
    for first, stmt in enumerate(parts):
        op = global_load(stmt)
        if not isinstance(op, Copy) or not rg.covers(op.dst.source, rg.ranges_of(op.dst)):
            continue
        readers = [i for i, s in enumerate(parts) if _mentions(s, op.dst.source)]
        inside = sum(_mentions(parts[i], op.dst.source) for i in readers)
        if readers[0] != first or len(readers) < 2 or inside != _mentions(body, op.dst.source):
            continue
        held = ir.seq(parts[first : readers[-1] + 1])
        if ir.collect(held, (ir.Break, ir.Continue, ir.Return)):
            continue  # who leaves early would not give the tile back
        later = [a for s in parts[first + 1 :] for a in accesses_within(s) if a.write]
        if not any(a.buffer.same_as(op.dst.source) for a in later) and can_load(op):
            found.append(HeldTile(op, first, readers[-1]))
    return found


def _mentions(stmt: ir.Stmt, buf: ir.Var) -> int:
    nodes = ir.collect(stmt, (ir.BufferLoad, ir.BufferStore, ir.BufferRegion))
    return sum((n.buffer if isinstance(n, ir.BufferStore) else n.source).same_as(buf) for n in nodes)


class HeldRing:
    """One role's barriers and phase of a held tile: `phase` is 0 and 1 by turns."""

    def __init__(self, held: HeldTile, suffix: str) -> None:
        self.held, self.span = held, held.copy.span
        full, empty = (ir.buffer((1,), "uint64", f"{name}{suffix}", BARRIER_SCOPE) for name in ("full", "empty"))
        self.ring = Ring(full, empty, 1)
        self.phase = {role: ir.buffer((1,), "int32", "phase", "local.var") for role in ("consumer", "producer")}

    def reset(self, role: str) -> list[ir.Stmt]:
        """The phase, before the launch's first statement."""
        phase = self.phase[role]
        return [ir.alloc(phase, self.span), ir.BufferStore(phase, ir.const(0), [ir.const(0)], self.span)]

    def wait(self) -> ir.Stmt:
        """Instead of the copy, in the consumers' program."""
        return self._call("tl.ring_wait", ir.full_region(self.ring.full), self._turn("consumer"))

    def release(self) -> list[ir.Stmt]:
        """After the tile's last reader."""
        return [self._call("tl.ring_release", ir.full_region(self.ring.empty)), self._flip("consumer")]

    def fill(self) -> list[ir.Stmt]:
        """Instead of the copy, in the producer's program."""
        tile = self.held.tile
        full, empty = (ir.address_of(ir.load(b, [0])) for b in (self.ring.full, self.ring.empty))
        size = prod(ir.static_shape(tile)) * dtype_bits(ir.buffer_dtype(tile)) // 8
        copy = self.held.copy
        return [
            self._call("tl.mbarrier_wait", empty, ir.const(1) - self._turn("producer")),
            self._call("tl.mbarrier_arrive_expect_tx", full, ir.const(size)),
            self._call("tl.tensor_load", copy.src, copy.dst, ir.full_region(self.ring.full)),
            self._flip("producer"),
        ]

    def _turn(self, role: str) -> Any:
        return ir.load(self.phase[role], [0])

    def _flip(self, role: str) -> ir.Stmt:
        return ir.BufferStore(self.phase[role], ir.const(1) - self._turn(role), [ir.const(0)], self.span)

    def _call(self, name: str, *args: Any) -> ir.Stmt:
        return ir.evaluate(ir.call(name, list(args), span=self.span), self.span)
