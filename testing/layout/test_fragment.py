"""Fragments: every element has one place, digits invert, derived layouts hold what they claim."""

from itertools import product
from math import prod

import pytest

from tilelang.errors import LayoutError
from tilelang.layout import Fragment, agree, covers, fragment_from_function, local, thread

MMA_C = Fragment((16, 8), ((local(2, 2), thread(8, 4)), (thread(4, 1), local(2, 1))))


def points(shape):
    return product(*map(range, shape))


@pytest.mark.parametrize(
    "shape, threads, vector",
    [
        ((64,), 128, 1),
        ((1, 8192), 256, 8),
        ((100, 3), 128, 1),
        ((48, 80), 128, 8),
        ((7, 5, 9), 96, 1),
        ((112, 96), 256, 4),
        ((1,), 32, 1),
    ],
)
def test_blocked_places_every_element_once(shape, threads, vector):
    layout = Fragment.blocked(shape, threads, vector)
    places = {(layout.thread_of(p), layout.local_of(p)) for p in points(shape)}
    assert len(places) == prod(shape)
    assert max(t for t, _ in places) < threads
    assert max(r for _, r in places) < layout.local_size


def test_index_of_inverts_digits():
    layout = Fragment.blocked((48, 80), 128, 8)
    for point in points(layout.shape):
        for dim, index in enumerate(point):
            digits = dict(zip(map(id, layout.dims[dim]), layout.digits(dim, index)))
            assert layout.index_of(dim, lambda f, digits=digits: digits[id(f)]) == index


def test_mma_accumulator_follows_the_isa_table():
    # PTX ISA, "Matrix Fragments for mma.m16n8k16": row = groupID (+ 8 for c2, c3), col = threadID_in_group * 2 + (i & 1)
    for lane, register in product(range(32), range(4)):
        row = lane // 4 + 8 * (register // 2)
        column = lane % 4 * 2 + register % 2
        assert (MMA_C.thread_of((row, column)), MMA_C.local_of((row, column))) == (lane, register)


def test_reduce_keeps_rows_with_their_threads():
    rows = MMA_C.reduce(1)
    assert rows.shape == (16,)
    holders = {t for f in rows.replication for t in range(0, f.extent * f.stride, f.stride)}
    assert holders == {0, 1, 2, 3}
    for row in range(16):
        threads = {MMA_C.thread_of((row, c)) for c in range(8)}
        assert threads == {rows.thread_of((row,)) + h for h in holders}


def test_agree_ignores_register_order_and_factor_splits():
    split = (local(8, 4), local(2, 2), thread(4, 1), local(2, 1))
    merged = (local(16, 2), thread(4, 1), local(2, 1))
    assert agree(split, merged)
    assert agree((thread(8, 4), thread(4, 1)), (thread(32, 1),))
    assert not agree(split, (local(16, 2), thread(2, 1), local(4, 1)))


def test_covers_compares_thread_sets():
    assert covers((thread(8, 4), thread(4, 1)), (thread(16, 2),))
    assert not covers((thread(4, 1),), (thread(2, 4),))


def test_idle_conditions_single_out_the_holders():
    layout = Fragment((3, 5), ((thread(3, 10),), (thread(5, 1),)))
    holders = {layout.thread_of(p) for p in points(layout.shape)}
    active = {t for t in range(64) if all(layout.idle_conditions(t, 64))}
    assert active == holders


def test_functions_become_digits():
    layout = fragment_from_function((16, 8), lambda i, j: (i % 8 * 4 + j // 2, i // 8 * 2 + j % 2))
    assert all(layout.thread_of(p) == MMA_C.thread_of(p) and layout.local_of(p) == MMA_C.local_of(p) for p in points(MMA_C.shape))
    copies = fragment_from_function((8,), lambda i, rep: (i + 8 * rep, 0), replicate=4)
    assert copies.replication == (thread(4, 8),)


def test_functions_that_are_no_digits_are_refused():
    with pytest.raises(LayoutError, match="digits|overlap|at once"):
        fragment_from_function((16, 8), lambda i, j: ((i ^ j) * 2, j % 2))


def test_overlapping_thread_factors_are_refused():
    with pytest.raises(LayoutError, match="overlap"):
        Fragment((4, 4), ((thread(4, 2),), (thread(4, 1),)))
