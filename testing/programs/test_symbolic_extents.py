"""Copies, fills and atomics of regions whose extents are read on the device: ragged batches, cached sequences."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import poisoned, random
from tilelang.errors import ShapeError, UnsupportedError

STARTS = [0, 7, 7, 40, 64, 100]


def starts_on(device):
    return torch.tensor(STARTS, dtype=torch.int32, device=device)


@pytest.mark.parametrize("target", ["auto", "c"])
@pytest.mark.parametrize("written", ["both", "source", "whole tile"])
def test_pad(written, target, device):
    """Sequences of different lengths become rows of a padded batch; a longer one than the tile is cut."""
    rows = 32

    @T.prim_func
    def pad(X: T.Tensor((100, 24), "float16"), starts: T.Tensor((6,), "int32"), Y: T.Tensor((5, rows, 24), "float16")):
        with T.Kernel(5, threads=64) as b:
            tile = T.alloc_shared((rows, 24), "float16")
            first, last = starts[b], T.min(starts[b + 1], starts[b] + rows)
            T.fill(tile, -1)
            if written == "both":
                T.copy(X[first:last, :], tile[0 : last - first, :])
            elif written == "source":
                T.copy(X[first:last, :], tile[0, 0])
            else:
                T.copy(X[first : starts[b + 1], :], tile)
            T.copy(tile, Y[b, :, :])

    x = random((100, 24), "float16", device)
    out = tilelang.compile(pad, out_idx=-1, target="auto" if device == "cuda" else target)(x, starts_on(device))
    for b, (first, last) in enumerate(zip(STARTS, STARTS[1:])):
        length = min(last - first, rows)
        assert torch.equal(out[b, :length], x[first : first + length])
        assert (out[b, length:] == -1).all()


def test_unpad(device):
    """From registers, with a conversion, into a tensor of which nothing else may change."""

    @T.prim_func
    def unpad(X: T.Tensor((5, 40, 24), "float32"), starts: T.Tensor((6,), "int32"), Y: T.Tensor((100, 24), "float16")):
        with T.Kernel(5, threads=64) as b:
            tile = T.alloc_fragment((40, 24), "float32")
            T.copy(X[b, :, :], tile)
            T.copy(tile[0 : starts[b + 1] - starts[b], :], Y[starts[b] : starts[b + 1], :])

    x, out = random((5, 40, 24), "float32", device), poisoned((100, 24), "float16", device)
    tilelang.compile(unpad)(x, starts_on(device), out.tensor)
    out.assert_guards()
    for b, (first, last) in enumerate(zip(STARTS, STARTS[1:])):
        assert torch.equal(out.tensor[first:last], x[b, : last - first].half())


def test_fill_and_atomics(device):
    @T.prim_func
    def ragged(X: T.Tensor((64, 8), "float32"), n: T.int32, Y: T.Tensor((64, 8), "float32"), C: T.Tensor((64,), "int32")):
        with T.Kernel(3, threads=64):
            tile = T.alloc_shared((64, 8), "float32")
            T.copy(X, tile)
            T.fill(tile[n : n + n // 2, 2:4], 5)
            T.clear(tile[0:n, 0])
            T.atomic_add(Y[0 : 2 * n, :], tile[0 : 2 * n, :])
            T.atomic_add(C[n : 2 * n], 2)

    x = random((64, 8), "float32", device)
    for n in (0, 1, 20):
        y, c = torch.zeros_like(x), torch.zeros(64, dtype=torch.int32, device=device)
        tilelang.compile(ragged)(x, n, y, c)
        tile = x.clone()
        tile[n : n + n // 2, 2:4], tile[:n, 0] = 5, 0
        tile[2 * n :] = 0
        torch.testing.assert_close(y, 3 * tile)
        assert c.tolist() == [6 if n <= i < 2 * n else 0 for i in range(64)]


def test_reduce_of_a_region(device):
    """`dim` counts the dimensions that are not indexed by one value, as in NumPy."""

    @T.prim_func
    def sums(A: T.Tensor((4, 16, 40), "float32"), B: T.Tensor((4, 16), "float32"), C: T.Tensor((4, 40), "float32")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((4, 16, 40), "float32")
            rows, columns = T.alloc_fragment((16,), "float32"), T.alloc_fragment((40,), "float32")
            T.copy(A, tile)
            for i in T.serial(4):
                T.reduce_sum(tile[i, :, :], rows, dim=1)
                T.reduce_max(tile[i, :, :], columns, dim=0)
                T.copy(rows, B[i, :])
                T.copy(columns, C[i, :])

    a = random((4, 16, 40), "float32", device)
    b, c = tilelang.compile(sums, out_idx=[1, 2])(a)
    torch.testing.assert_close(b, a.sum(2))
    torch.testing.assert_close(c, a.amax(1))


def test_refusals():
    @T.prim_func
    def other(X: T.Tensor((64, 8), "float32"), n: T.int32):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((16, 4), "float32")
            T.copy(X[0:n, :], tile)

    @T.prim_func
    def tma(X: T.Tensor((64, 8), "float32"), n: T.int32):
        with T.Kernel(1, threads=64):
            tile = T.alloc_shared((16, 8), "float32")
            T.copy(X[0:n, :], tile, prefer_instruction="tma")

    with pytest.raises(ShapeError, match=r"X\[0:n, 0:8\] is n x 8 and tile is 16 x 4"):
        tilelang.compile(other)
    with pytest.raises(UnsupportedError, match="prefer_instruction of T.copy with an extent that only the device knows"):
        tilelang.compile(tma)
