"""What units read and write, and proofs about regions."""

from __future__ import annotations

import pytest
from tile_program import copy, loop, parallel, part, shared, store, tensor

from tilelang import ir
from tilelang.transform import region as rg
from tilelang.transform.effects import unit_accesses, unit_effects

A, S = tensor("A", 64, 8), shared("S", 64, 8)
x, y = ir.var("x"), ir.var("y")


def bounds(region):
    return [(ir.const_int(ir.simplify(r.min)), ir.const_int(ir.simplify(r.extent))) for r in region.region]


def test_nest_is_widened_over_its_loops():
    nest = parallel((16, 4), lambda i, j: store(S, (i * 2 + 3, 7 - j), ir.load(A, (i, 0))))
    effects = unit_effects(nest)
    assert [bounds(r) for r in effects.writes] == [[(3, 31), (4, 4)]]
    assert [bounds(r) for r in effects.reads] == [[(0, 16), (0, 1)]]


def test_unknown_indices_take_the_dimension():
    nest = parallel((16,), lambda i: store(S, (ir.Cast("int32", ir.load(A, (i, 0))), i // 2), 1.0))
    assert [bounds(r) for r in unit_effects(nest).writes] == [[(0, 64), (0, 8)]]


def test_pointers_and_atomics():
    pointer = ir.evaluate(ir.call("tl.helper", [ir.address_of(ir.load(S, (1, 2)))]))
    assert {(a.write, a.atomic) for a in unit_accesses(pointer)} == {(False, False), (True, False)}
    assert bounds(unit_effects(pointer).writes[0]) == [(0, 64), (0, 8)]
    atomic = ir.evaluate(ir.call("tl.atomic_add", [ir.address_of(ir.load(S, (1, 2))), ir.load(A, (3, 4))]))
    assert {(a.buffer, a.write, a.atomic) for a in unit_accesses(atomic)} == {
        (S, False, True),
        (S, True, True),
        (A, False, False),
    }
    assert bounds(unit_effects(atomic).writes[0]) == [(1, 1), (2, 1)]


def test_operators_answer_for_themselves_and_binds_are_inlined():
    (read, write) = unit_accesses(copy(part(A, (y, 4), (0, 8)), part(S, (0, 4), (0, 8))), {y: x + 1})
    assert (read.write, write.write) == (False, True)
    assert ir.structural_equal(ir.simplify(read.ranges[0][0]), ir.simplify(x + 1))
    assert unit_effects(copy(A, S, async_group=True)).asynchronous


def test_serial_loop_inside_a_nest():
    nest = parallel((4,), lambda i: loop(y, 0, 8, store(S, (i, y), 0.0)))
    assert [bounds(r) for r in unit_effects(nest).writes] == [[(0, 4), (0, 8)]]


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((0, 4), (4, 4), True),
        ((0, 4), (3, 4), False),
        ((x * 4, 4), (x * 4 + 4, 4), True),
        ((x * 4, 5), (x * 4 + 4, 4), False),
        ((x, 1), (y, 1), False),
        ((x * 4, 4), (x * 4 - 4 - y * 4, 4), True),
        ((ir.FloorMod(x + 2, ir.const(3)), 1), (ir.FloorMod(x, ir.const(3)), 1), True),
        ((ir.FloorMod(x + 3, ir.const(3)), 1), (ir.FloorMod(x, ir.const(3)), 1), False),
        ((ir.FloorMod(x, ir.const(2)), 1), (ir.FloorMod(x + 1, ir.const(4)), 1), False),
        ((ir.FloorMod((x - y) // 2 + 1, ir.const(3)), 1), (ir.FloorMod((x - 2 - y) // 2, ir.const(3)), 1), True),
    ],
)
def test_disjoint(a, b, expected):
    analyzer = ir.analyzer_for({x: (0, 100), y: (0, 100)})
    assert rg.disjoint((a,), (b,), analyzer) is expected
    assert rg.disjoint((b,), (a,), analyzer) is expected


def test_pinned_variables():
    tx, ty = ir.var("tx"), ir.var("ty")
    extents = {tx: 32, ty: 4}

    def pinned(index, width=1):
        ranges = ((index, ir.const(width)),)
        return rg.pinned_variables(ranges, ranges, [tx, ty], extents)

    assert pinned(tx + 5) == {tx}
    assert pinned(tx * 4, 4) == {tx}
    assert pinned(tx * 4, 5) == set()
    assert pinned(ty * 32 + tx) == {tx, ty}
    assert pinned(ty * 31 + tx) == set()
    assert pinned(tx // 2) == set()
