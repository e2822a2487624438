"""Permuted tensors in global memory."""

from __future__ import annotations

from itertools import product

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import LayoutError
from tilelang.layout import TensorLayout


def rows_of_eight(b, l, h, d):
    return [b, l // 8, h, d // 8, d % 2, 4 * (l % 8) + d % 8 // 2]


def test_permutation():
    layout = TensorLayout((2, 16, 3, 16), rows_of_eight)
    assert layout.physical_shape == (2, 2, 3, 2, 2, 32)
    offsets = [layout.offset(point) for point in product(range(2), range(16), range(3), range(16))]
    assert sorted(offsets) == list(range(2 * 16 * 3 * 16))


@pytest.mark.parametrize(
    "forward, chunk",
    [
        (lambda i, j: [j, i], 1),
        (lambda i, j: [i, j], 16),
        (lambda i, j: [j // 4, i, j % 4], 4),
        (lambda i, j: [i, j % 2, j // 2], 1),
    ],
)
def test_adjacent_elements(forward, chunk):
    assert TensorLayout((8, 32), forward).chunk == chunk


def test_a_layout_larger_than_the_tensor_is_refused():
    with pytest.raises(LayoutError, match="1152 elements for 1088"):
        TensorLayout((17, 64), lambda i, j: [i // 2, i % 2, j])


def test_kernels_agree_on_a_layout():
    """One kernel stores through the layout, another loads through it; outside the elements are permuted."""
    shape, forward = (16, 32), lambda i, j: [j // 4, i, j % 4]

    @T.prim_func
    def main(A: T.Tensor(shape, "float32"), B: T.Tensor(shape, "float32"), C: T.Tensor(shape, "float32")):
        with T.Kernel(1, threads=32):
            T.annotate_layout({B: T.Layout(shape, forward)})
            T.copy(A, B)
        with T.Kernel(1, threads=32):
            T.annotate_layout({B: forward})
            for i, j in T.Parallel(*shape):
                C[i, j] = B[i, j] + 1

    a = torch.randn(shape)
    b, c = torch.full(shape, torch.nan), torch.full(shape, torch.nan)
    tilelang.compile(main, target={"kind": "cuda", "arch": "sm_90a"})(a, b, c)
    assert torch.equal(c, a + 1)
    assert torch.equal(b.view(8, 16, 4).transpose(0, 1).reshape(shape), a)


def test_refused_where_the_tile_is_no_permutation():
    @T.prim_func
    def main(A: T.Tensor((17, 64), "float32"), B: T.Tensor((17, 64), "float32")):
        with T.Kernel(1, threads=32):
            T.annotate_layout({B: T.Layout((17, 64), lambda i, j: [i // 2, i % 2, j])})
            T.copy(A, B)

    with pytest.raises(LayoutError, match="can only be permuted"):
        tilelang.compile(main)
