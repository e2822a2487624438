"""Tiles that stay while a pipelined loop runs, inside an outer loop (the queries of attention): the producer brings them, too.

A ring of two slots where shared memory has room, else of one: the consumers wait for the tile where the program copied it, and
give it back after its last reader. With a second slot the producer never waits for their work on this tile before it goes on to
the next: neither its held tile nor, behind that in the producer's order, the first tiles of its loop.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ... import ir
from ...tileop.copy import Copy
from .. import region as rg
from ..effects import accesses_within
from ..occupancy import tile_bytes
from ..ring import BARRIER_SCOPE, Ring
from .loops import add_version
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
    """Both roles' barriers of a held tile, with a counter of its slots and their phases for each role."""

    def __init__(self, held: HeldTile, slots: int, tile: ir.Var, suffix: str) -> None:
        self.held, self.tile, self.span = held, tile, held.copy.span
        full, empty = (ir.buffer((slots,), "uint64", f"{name}{suffix}", BARRIER_SCOPE) for name in ("full", "empty"))
        self.ring = Ring(full, empty, slots)
        self.count = {role: ir.buffer((1,), "int32", "turn", "local.var") for role in ("consumer", "producer")}
        self.slot = {role: ir.var(f"{held.tile.name}_slot") for role in self.count}

    def reset(self, role: str) -> list[ir.Stmt]:
        """The counter, before the launch's first statement."""
        count = self.count[role]
        return [ir.alloc(count, self.span), ir.BufferStore(count, ir.const(0), [ir.const(0)], self.span)]

    def wait(self) -> list[ir.Stmt]:
        """Instead of the copy, in the consumers' program."""
        slot, parity = self._enter("consumer")
        return [*slot, self._call("tl.ring_wait", self._element(self.ring.full, "consumer"), parity)]

    def read(self, stmt: ir.Stmt) -> ir.Stmt:
        """A statement of the consumers that reads the tile."""
        return stmt if self.ring.slots == 1 else add_version(stmt, {self.held.tile: self.tile}, self._slot("consumer"))

    def release(self) -> list[ir.Stmt]:
        """After the tile's last reader."""
        return [self._call("tl.ring_release", self._element(self.ring.empty, "consumer")), self._leave("consumer")]

    def fill(self) -> list[ir.Stmt]:
        """Instead of the copy, in the producer's program."""
        copy, role = self.held.copy, "producer"
        slot, parity = self._enter(role)
        full, empty = (ir.address_of(ir.load(b, [self._slot(role)])) for b in (self.ring.full, self.ring.empty))
        target = copy.dst
        if self.ring.slots > 1:
            target = add_version(target, {self.held.tile: self.tile}, self._slot(role))
        return [
            *slot,
            self._call("tl.mbarrier_wait", empty, ir.simplify(ir.const(1) - parity)),
            self._call("tl.mbarrier_arrive_expect_tx", full, ir.const(tile_bytes(self.held.tile))),
            self._call("tl.tensor_load", copy.src, target, self._element(self.ring.full, role)),
            self._leave(role),
        ]

    def _enter(self, role: str) -> tuple[list[ir.Stmt], Any]:
        """The slot of this turn as a scalar, and its phase."""
        count, slots = ir.load(self.count[role], [0]), ir.const(self.ring.slots)
        if self.ring.slots == 1:
            return [], count
        return [ir.Bind(self.slot[role], ir.FloorMod(count, slots), self.span)], ir.FloorDiv(count, slots)

    def _slot(self, role: str) -> Any:
        return ir.const(0) if self.ring.slots == 1 else self.slot[role]

    def _element(self, barriers: ir.Var, role: str) -> ir.BufferRegion:
        return ir.region(barriers, [(self._slot(role), ir.const(1))])

    def _leave(self, role: str) -> ir.Stmt:
        """Count the turn: modulo a lap of both phases."""
        after = ir.FloorMod(ir.load(self.count[role], [0]) + 1, ir.const(2 * self.ring.slots))
        return ir.BufferStore(self.count[role], after, [ir.const(0)], self.span)

    def _call(self, name: str, *args: Any) -> ir.Stmt:
        return ir.evaluate(ir.call(name, list(args), span=self.span), self.span)
