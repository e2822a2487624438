"""Shared layouts: bijective, swizzled as the ISA says, free of bank conflicts where they claim to be."""

from itertools import product
from math import prod

import pytest

from tilelang.errors import LayoutError
from tilelang.layout import Layout, SharedLayout


@pytest.mark.parametrize("shape", [(128, 64), (64, 48), (64, 40), (16, 96), (3, 16, 32), (5, 7), (9, 24), (100,)])
@pytest.mark.parametrize("bits", [8, 16, 32, 64])
def test_offsets_are_distinct_and_inside(shape, bits):
    for layout in {SharedLayout.for_matrix(shape, bits), SharedLayout.linear(shape, bits)}:
        offsets = {layout.offset(p) for p in product(*map(range, shape))}
        assert len(offsets) == prod(shape) and min(offsets) == 0 and max(offsets) < layout.size


@pytest.mark.parametrize("swizzle, bits_moved", [(128, 3), (64, 2), (32, 1)])
def test_swizzle_is_the_address_xor_of_tensor_copies(swizzle, bits_moved):
    # PTX ISA, "Swizzling modes": address bits 4.. are XORed with bits 7..
    layout = SharedLayout((32, swizzle // 2), 16, swizzle)
    for row, column in product(range(32), range(swizzle // 2)):
        address = row * swizzle + column * 2
        address ^= (address >> 7 & (1 << bits_moved) - 1) << 4
        assert layout.offset((row, column)) * 2 == address


@pytest.mark.parametrize("columns", [64, 48, 32, 128, 40])
def test_ldmatrix_rows_hit_distinct_banks(columns):
    layout = SharedLayout.for_matrix((64, columns), 16)
    for base, column in product(range(0, 64, 8), range(0, columns, 8)):
        groups = {layout.offset((base + r, column)) * 2 // 16 % 8 for r in range(8)}
        assert len(groups) == 8 or layout.swizzle == 32  # 32-byte rows: two rows share 128 bytes, a two-way conflict at most
        assert len(groups) >= 4


def test_chunks_stay_contiguous():
    layout = SharedLayout((16, 128), 16, 128)
    for row, start in product(range(16), range(0, 128, layout.chunk)):
        base = layout.offset((row, start))
        assert [layout.offset((row, start + k)) for k in range(layout.chunk)] == list(range(base, base + layout.chunk))


def test_rows_too_short_for_the_swizzle_are_refused():
    with pytest.raises(LayoutError, match="128"):
        SharedLayout((16, 48), 16, 128)


def test_mapped_layout_finds_its_extent_and_contiguity():
    layout = Layout((8, 16), lambda i, j: (j // 8, i, j % 8), 16)
    assert layout.size == 128 and layout.chunk == 8
    assert layout.offset((3, 9)) == 64 + 3 * 8 + 1
