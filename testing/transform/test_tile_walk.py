"""Every tile is computed once, by the block that the estimate counts it for."""

from __future__ import annotations

from math import prod

import pytest

from testing.transform.walks import bound, value
from tilelang import ir
from tilelang.transform.rasterize_blocks import Scalars
from tilelang.transform.tile_walk import OVERHEAD, EvenWalk, PairedWalk


def tiles(walk):
    """For each block the places of its tiles, evaluated from what a kernel gets; all scalars are within their ranges."""
    worker, wave, scalars = ir.var("worker"), ir.var("wave"), Scalars({}, None)
    place, count = walk.place(worker, wave, scalars), walk.count(worker)
    for w in range(walk.blocks):
        found = []
        for n in range(value(count, {worker: ir.const(w)})):
            known = bound(scalars, {worker: w, wave: n})
            found.append(tuple(value(index, known) for index in place))
        yield found


def assert_each_once(walk):
    found = [place for block in tiles(walk) for place in block]
    assert len(found) == len(set(found)) == prod(walk.grid)
    assert all(0 <= i < extent for place in found for i, extent in zip(place, walk.grid))


@pytest.mark.parametrize(
    "grid, panel", [((7, 5, 1), None), ((7, 5, 1), 2), ((4, 6, 3), 3), ((4, 6, 2), 4), ((5, 4, 1), 4), ((1, 9, 2), None)]
)
@pytest.mark.parametrize("workers", [4, 11])
def test_even(grid, panel, workers):
    assert_each_once(EvenWalk(grid, workers, panel))


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("rising", [True, False])
@pytest.mark.parametrize("length, layers, workers", [(4, 5, 8), (8, 9, 6), (6, 7, 9), (2, 11, 4), (4, 6, 5), (8, 3, 4)])
def test_pairs(length, layers, workers, axis, rising):
    grid = [1, layers, 1]
    grid[axis], grid[(axis + 1) % 3], grid[(axis + 2) % 3] = length, layers, 1
    costs = tuple(range(1, length + 1)) if rising else tuple(range(length, 0, -1))
    plain = PairedWalk(tuple(grid), workers, axis, rising, costs)
    for walk in (plain, plain.balanced()):
        assert_each_once(walk)
        assert walk.makespan() == max(sum(costs[p[axis]] + OVERHEAD for p in block) for block in tiles(walk))
    assert plain.balanced().makespan() <= plain.makespan()


def test_the_last_layers_even_out():
    """Heads of causal attention on an H100: 128 of 32 tiles have 15.5 pairs a block; 66 of 4 make 132 pairs and need no tail."""
    walk = PairedWalk((32, 128, 1), 132, 0, False, tuple(range(32, 0, -1)))
    whole = sum(walk.costs) + OVERHEAD * 32
    assert walk.makespan() == 16 * 35
    balanced = walk.balanced()
    assert balanced.tail == 29 and balanced.makespan() <= 128 * whole / 132 + 3
    few = PairedWalk((128, 32, 1), 132, 0, True, tuple(range(1, 129))).balanced()  # no number of heads makes whole rounds
    assert few.tail == 32 and few.makespan() <= 32 * (sum(few.costs) + OVERHEAD * 128) / 132 * 1.01
    fitting = PairedWalk((4, 66, 1), 132, 0, True, (1, 2, 3, 4))
    assert fitting.balanced().tail == 0
    assert PairedWalk((32, 128, 1), 132, 0, False).balanced().tail == 0  # nobody knows the costs
