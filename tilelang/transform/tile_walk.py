"""Which tiles a persistent block computes, and in which order.

Equal tiles are dealt out one after the other: block w of W computes the tiles w, w + W, w + 2 W and so on (`EvenWalk`).

Where the work grows along one axis of the grid (causal attention: a row of queries has as many steps as its number), a block
takes pairs of a short and a long tile, one from each end of the axis, of which all are equally much work (`PairedWalk`). Seldom
are the pairs a multiple of the blocks: with 15.5 pairs a block, half of them idle for the time of one. So the last layers (heads)
are dealt out tile by tile, the longest first, there and back, which evens out within the length of a step:

    tiles 0 .. W - 1 to blocks 0 .. W - 1, tiles W .. 2 W - 1 to blocks W - 1 .. 0, ...
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from .. import ir
from .rasterize_blocks import Scalars, panels

# What a tile costs beside its steps (its first loads, its epilogue), in steps; and what the last layers must save of the whole.
OVERHEAD, WORTH = 1, 0.99


@dataclass(frozen=True)
class EvenWalk:
    """Tiles of equal work; with a `panel` those of x and y follow each other in panels of so many rows (`tile_order`)."""

    grid: tuple[int, ...]
    workers: int
    panel: int | None = None

    @property
    def blocks(self) -> int:
        return min(self.workers, prod(self.grid))

    @property
    def text(self) -> str:
        return "" if self.panel is None else f", in panels of {self.panel} rows of tiles"

    def count(self, worker: ir.Var) -> Any:
        """ceildiv(tiles - worker, workers): every worker has at least one."""
        return ir.FloorDiv(ir.const(prod(self.grid) + self.blocks - 1) - worker, ir.const(self.blocks))

    def place(self, worker: ir.Var, wave: ir.Var, scalars: Scalars) -> list[Any]:
        """The indices of a block's tile number `wave`."""
        return self.indices(wave * self.blocks + worker, scalars)

    def indices(self, number: Any, scalars: Scalars) -> list[Any]:
        """Those of a tile by its number in the order of the walk."""
        tile = scalars.bind("tile", number, 0, prod(self.grid))
        found = _mixed_radix(tile, self.grid)
        if self.panel is not None:
            columns, rows, layers = self.grid
            inside = tile if layers == 1 else scalars.bind("layer_tile", tile % (columns * rows), 0, columns * rows)
            if self.panel >= rows:
                found[:2] = inside // rows, inside % rows
            else:
                row, column = panels(scalars, inside, rows, columns, self.panel)
                found[:2] = column, row
        return found


@dataclass(frozen=True)
class PairedWalk:
    """Tiles whose work grows along `axis` (`rising`) or falls; `costs` are those of its tiles, in steps, if they are known.

    A layer is one index of all other axes. The last `tail` layers are dealt out tile by tile.
    """

    grid: tuple[int, ...]
    workers: int
    axis: int
    rising: bool
    costs: tuple[int, ...] | None = None
    tail: int = 0

    @property
    def length(self) -> int:
        """Tiles of a layer."""
        return self.grid[self.axis]

    @property
    def layers(self) -> int:
        return prod(self.grid) // self.length

    @property
    def pairs(self) -> int:
        """Those of the layers that are dealt out in pairs."""
        return (self.layers - self.tail) * (self.length // 2)

    @property
    def blocks(self) -> int:
        return min(self.workers, self.layers * (self.length // 2))

    @property
    def text(self) -> str:
        if not self.pairs:
            return ", the longest first, there and back"
        last = f"; the last {self.tail} layers tile by tile" if self.tail else ""
        return f", in pairs of equal work{last}"

    def balanced(self) -> PairedWalk:
        """The walk with the tail that takes the least time, if one is worth it."""
        if self.costs is None:
            return self
        best, least = self, WORTH * self.makespan()
        for tail in range(1, self.layers + 1):
            walk = PairedWalk(self.grid, self.workers, self.axis, self.rising, self.costs, tail)
            if walk.pairs % walk.blocks == 0:
                return walk if walk.makespan() <= least else best  # longer tails come to the same, over more of memory
        return best

    def makespan(self) -> int:
        """Steps of the block that has most."""
        assert self.costs is not None
        falling = sorted((c + OVERHEAD for c in self.costs), reverse=True)
        pair = falling[0] + falling[-1]
        loads = [len(range(worker, self.pairs, self.blocks)) * pair for worker in range(self.blocks)]
        for place in range(self.tail * self.length):
            row, worker = divmod(place, self.blocks)
            loads[worker if row % 2 == 0 else self.blocks - 1 - worker] += falling[place // self.tail]
        return max(loads)

    def count(self, worker: ir.Var) -> Any:
        """Tiles of a block: two of each of its pairs, and those of the tail."""
        blocks = ir.const(self.blocks)
        pairs = ir.FloorDiv(ir.const(self.pairs + self.blocks - 1) - worker, blocks) * 2
        if not self.tail:
            return pairs
        rows, rest = divmod(self.tail * self.length, self.blocks)
        last = ir.FloorDiv(rest + worker if rows % 2 else ir.const(rest + self.blocks - 1) - worker, blocks)
        return 2 * (self.pairs // self.blocks) + rows + last

    def place(self, worker: ir.Var, wave: ir.Var, scalars: Scalars) -> list[Any]:
        """The indices of a block's tile number `wave`."""
        waves = 2 * -(-self.pairs // self.blocks)  # those of pairs
        rows = -(-self.tail * self.length // self.blocks)  # and those behind them
        half = self.length // 2
        if not waves:
            index, layer = self._dealt(worker, wave, scalars, 0, rows)
        else:
            pair = scalars.bind("pair", wave // 2 * self.blocks + worker, 0, (waves + rows + 1) // 2 * self.blocks)
            if not self.tail:  # in the order of the grid
                found = _mixed_radix(pair, [half if a == self.axis else e for a, e in enumerate(self.grid)])
                found[self.axis] = self._end(wave, found[self.axis])
                return found
            in_pairs = ir.as_expr(wave < waves)
            last = self._dealt(worker, wave - waves, scalars, -waves, waves + rows)
            index, layer = (ir.Select(in_pairs, *both) for both in zip((self._end(wave, pair % half), pair // half), last))
        number = scalars.bind("layer", layer, 0, self.layers)
        found = _mixed_radix(number, [e for a, e in enumerate(self.grid) if a != self.axis])
        found.insert(self.axis, index)
        return found

    def _dealt(self, worker: ir.Var, row: Any, scalars: Scalars, first: int, rows: int) -> tuple[Any, Any]:
        """(index along the axis, layer) of what a block is dealt in a row, one of `rows` from `first` on."""
        there = ir.as_expr(row % 2 == 0)
        number = row * self.blocks + ir.Select(there, worker, self.blocks - 1 - worker)
        dealt = scalars.bind("dealt", number, first * self.blocks, rows * self.blocks)
        level = dealt // self.tail
        return self.length - 1 - level if self.rising else level, self.layers - self.tail + dealt % self.tail

    def _end(self, wave: ir.Var, place: Any) -> Any:
        """From one end of the axis for the first tile of a pair, from the other for its second."""
        return ir.Select(ir.as_expr(wave % 2 == 0), ir.as_expr(place), self.length - 1 - place)


Walk = EvenWalk | PairedWalk


def _mixed_radix(number: Any, extents: Sequence[int]) -> list[Any]:
    """The digits of a number, the first one fastest."""
    found: list[Any] = []
    rest = number
    for axis, extent in enumerate(extents):
        found.append(ir.const(0) if extent == 1 else rest if extent == prod(extents[axis:]) else rest % extent)
        rest = rest // extent if extent > 1 else rest
    return found
