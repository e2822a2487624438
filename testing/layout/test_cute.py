"""CuTe's layouts are functions: each operation is compared with its definition."""

from __future__ import annotations

import random

import pytest

import tilelang.language as T
from tilelang.errors import LayoutError
from tilelang.layout import cute
from tilelang.layout.cute import E, Swizzle, make_layout


def values(layout):
    return [layout(i) for i in range(cute.size(layout))]


def random_layout(rng):
    """Compact modes in a random order, some of them nested."""
    extents = [rng.choice([1, 2, 3, 4]) for _ in range(rng.randint(1, 4))]
    order = rng.sample(range(len(extents)), len(extents))
    strides, step = [0] * len(extents), 1
    for mode in order:
        strides[mode], step = step, step * extents[mode]
    if len(extents) > 2:
        return make_layout((extents[0], tuple(extents[1:])), (strides[0], tuple(strides[1:])))
    return make_layout(tuple(extents), tuple(strides))


def test_coordinates():
    layout = make_layout((4, (2, 2)))
    assert str(layout) == "(4,(2,2)):(1,(4,8))" and cute.rank(layout) == 2 and cute.size(layout) == 16
    assert layout((3, (1, 0))) == layout(3, (1, 0)) == layout(3, 1) == layout(7) == 7
    rows = cute.make_row_major_layout((4, 8))
    assert str(rows) == "(4,8):(8,1)" and rows(2, 3) == 19 and rows(14) == rows(2, 3)
    assert values(cute.flatten(layout)) == values(layout) and cute.flatten(layout).shape == (4, 2, 2)
    assert cute.flatten_to_tuple(layout.shape) == (4, 2, 2) and cute.product(((2, 3), 4)) == 24 and layout.cosize() == 16
    assert cute.to_python(cute.from_python([[1, 2], 3])) == ((1, 2), 3) and str(layout[1]) == "(2,2):(4,8)"
    for wrong in ((4, 0), "4", (4, 2.0)):
        with pytest.raises(LayoutError):
            make_layout(wrong)
    with pytest.raises(LayoutError, match="nested alike"):
        make_layout((4, 8), (1, (2, 3)))
    with pytest.raises(LayoutError, match="coordinate"):
        rows((1, 2, 3))


def test_identity():
    identity = cute.make_identity_layout((4, (2, 3)))
    assert str(identity) == "(4,(2,3)):(1@0,(1@0@1,1@1@1))" and identity(2, (1, 2)) == (2, (1, 2)) and identity(22) == (2, (1, 2))
    assert make_layout((2, 2), (E(1), 3 * E(0)))(1, 1) == (3, 1)


@pytest.mark.parametrize("seed", range(20))
def test_coalesce_and_right_inverse(seed):
    layout = random_layout(random.Random(seed))
    short = cute.coalesce(layout)
    assert values(short) == values(layout) and len(short.modes) <= len(layout.modes)
    inverse = cute.right_inverse(layout)
    assert cute.size(inverse) == cute.size(layout)  # it is compact
    assert [layout(inverse(i)) for i in range(cute.size(inverse))] == list(range(cute.size(layout)))


def test_examples_of_the_documentation():
    assert str(cute.coalesce(make_layout((2, (1, 6)), (1, (6, 2))))) == "12:1"
    assert str(cute.coalesce(make_layout((256, 4)), max_extent=256)) == "(256,4):(1,256)"
    assert str(cute.composition(make_layout((6, 2), (8, 2)), make_layout((4, 3), (3, 1)))) == "((2,2),3):((24,2),8)"
    assert str(cute.composition(make_layout(20, 2), make_layout((5, 4), (4, 1)))) == "(5,4):(8,2)"
    assert str(cute.right_inverse(make_layout((4, 8), (1, 5)))) == "4:1"  # no integer beyond 3 is reached one by one


@pytest.mark.parametrize("seed", range(20))
def test_composition(seed):
    rng = random.Random(seed)
    a = make_layout((4, 2, 8), tuple(rng.sample([1, 8, 64], 3)))
    extents = [rng.choice([2, 4]), 2, 4]
    strides, step = [0, 0, 0], 1
    for mode in rng.sample(range(3), 3):
        strides[mode], step = step, step * extents[mode]
    b = make_layout((extents[0], (2, 4)), (strides[0], tuple(strides[1:])))
    found = cute.composition(a, b)
    assert values(found) == [a(b(i)) for i in range(cute.size(b))] and cute.size(found[0]) == cute.size(b[0])


def test_no_layout():
    large = cute.composition(cute.make_row_major_layout((1024, 1024)), make_layout((512, (2, 1024)), (1, (512, 1024))))
    assert str(large) == "(512,(2,1024)):(1024,(524288,1))"
    with pytest.raises(LayoutError, match="integers"):
        cute.composition(cute.make_identity_layout((4, 4)), make_layout(4))
    carried = cute.composition(
        make_layout((4, 4), (1, 4)), make_layout((3, 2), (1, 2))
    )  # which a contiguous layout does not mind
    assert str(carried) == "(3,2):(1,2)"
    with pytest.raises(LayoutError, match="is no layout"):
        cute.composition(make_layout((4, 2), (1, 100)), make_layout(6))
    with pytest.raises(LayoutError, match="is no layout"):
        cute.composition(make_layout((4, 4), (1, 100)), make_layout((3, 2), (1, 2)))  # 2 + 2 carries


def test_swizzle():
    swizzle = Swizzle(3, 3, 3)
    found = [swizzle(i) for i in range(512)]
    assert sorted(found) == list(range(512)) and swizzle.is_swizzled and not Swizzle(0, 3, 3).is_swizzled
    assert all(swizzle(64 * row + 8 * chunk) == 64 * row + 8 * (row ^ chunk) for row in range(8) for chunk in range(8))
    composed = cute.composition(swizzle, cute.make_row_major_layout((8, 64)))
    assert composed(3, 17) == swizzle(3 * 64 + 17) and composed.shape == (8, 64) and "(8,64)" in str(composed)
    wide, narrow = swizzle.recast(16, 32), swizzle.recast(16, 8)
    assert all(wide(i // 2) == swizzle(i) // 2 and narrow(2 * i) == 2 * swizzle(i) for i in range(0, 512, 2))
    assert Swizzle(2, 0, -3)(1) == 9
    for wrong in (lambda: Swizzle(3, 0, 2), lambda: swizzle.recast(16, 48), lambda: Swizzle(1, 0, 1).recast(8, 16)):
        with pytest.raises(LayoutError):
            wrong()


@pytest.mark.parametrize(
    "layout", [make_layout((16, 32), (1, 16)), cute.composition(Swizzle(2, 3, 3), cute.make_row_major_layout((16, 32)))], ids=str
)
def test_in_a_kernel(layout):
    """A tile with a CuTe layout holds what it would without one."""
    import torch

    import tilelang

    @T.prim_func
    def transposed(A: T.Tensor((16, 32), "float32"), B: T.Tensor((32, 16), "float32")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((16, 32), "float32")
            T.annotate_layout({tile: layout})
            T.copy(A, tile)
            for i, j in T.Parallel(32, 16):
                B[i, j] = tile[j, i]

    kernel = tilelang.compile(transposed, target="cuda", execution_backend="simulator", out_idx=1)
    a = torch.randn(16, 32)
    assert torch.equal(kernel(a), a.T)
    assert [layout.index_map().offset((3, j)) for j in range(32)] == [layout(3, j) for j in range(32)]
