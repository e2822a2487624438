"""Launches by hand, blocks of another size, and the limits of both."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.errors import ArgumentError, FrontendError, LaunchConfigError, ShapeError
from tilelang.jit import InterpreterJit, LaunchGrid

TILE = 16


def lower_triangle(n, threads=64):
    """Only the tiles on and below the diagonal are visited: block b is tile (row, column) with b = row (row + 1) / 2 + column."""

    @T.prim_func
    def main(A: T.Tensor((n, n), "float32"), B: T.Tensor((n, n), "float32")):
        with T.Kernel(launch="manual", threads=threads) as b:
            row = T.alloc_var("int32", init=0)
            while (row + 1) * (row + 2) // 2 <= b:
                row += 1
            column = b - row * (row + 1) // 2
            for i, j in T.Parallel(TILE, TILE):
                B[row * TILE + i, column * TILE + j] = A[row * TILE + i, column * TILE + j] + 1.0

    return main


@pytest.mark.parametrize("compiler", [None, InterpreterJit()], ids=["compiled", "interpreted"])
def test_a_triangle(compiler):
    n = 4 * TILE
    kernel = tilelang.compile(lower_triangle(n), execution_backend="simulator", jit=compiler)
    a, b = torch.randn(n, n), torch.zeros(n, n)
    assert kernel.launch_config.manual and kernel.launch_config.grid is None and [p.name for p in kernel.params] == ["A", "B"]
    with pytest.raises(LaunchConfigError, match="nothing says with how many blocks"):
        kernel(a, b)
    kernel.launch_config.grid = 3  # two rows of tiles
    kernel(a, B=b)
    tiles = torch.arange(n) // TILE
    below = tiles[:, None] >= tiles[None, :]
    top = below & (tiles[:, None] < 2)
    torch.testing.assert_close(b, torch.where(top, a + 1, 0))
    kernel.launch_config.grid = (10,)  # another for the next call
    kernel(a, b)
    torch.testing.assert_close(b, torch.where(below, a + 1, 0))
    with pytest.raises(ArgumentError, match="misses argument `B`"):
        kernel(a)
    with pytest.raises(ArgumentError, match="expected 2 inputs, but 3"):
        kernel(a, b, 3)


def test_evaluating_and_binding():
    kernel = tilelang.compile(lower_triangle(32), execution_backend="simulator")
    kernel.launch_config.grid = [3]
    assert kernel.launch_config.evaluate() == LaunchGrid((3, 1, 1), (64, 1, 1))
    a, b = torch.randn(32, 32), torch.zeros(32, 32)
    step = kernel.bind(a, b)
    kernel.launch_config.grid = 0  # what is bound keeps its grid; a grid of no blocks computes nothing
    step()
    torch.testing.assert_close(b[16:], a[16:] + 1)
    b.zero_()
    kernel(a, b)
    assert not b.any()


def test_outputs_are_counted_without_the_grid():
    @T.prim_func
    def main(A: T.Tensor((40,), "float32"), B: T.Tensor((40,), "float32")):
        with T.Kernel(launch="manual", threads=32) as (bx, by):
            for i in T.Parallel(8):
                B[by * 8 + i] = A[by * 8 + i] + bx

    kernel = tilelang.compile(main, out_idx=-1, execution_backend="simulator")
    kernel.launch_config.grid = (1, 5)
    a = torch.randn(40)
    torch.testing.assert_close(kernel(a), a)
    with pytest.raises(ArgumentError, match="has 2 parameters"):
        tilelang.compile(main, out_idx=2)


def test_limits():
    @T.prim_func
    def planes(A: T.Tensor((1,), "float32")):
        with T.Kernel(launch="manual", threads=32) as (bx, by, bz):
            if bx + by + bz == 0:
                A[0] = 1.0

    config = tilelang.compile(planes, execution_backend="simulator").launch_config
    config.grid = (2**31 - 1, 65535, 65535)
    for grid, axis in [((2**31, 1, 1), "x"), ((1, 65536, 1), "y"), ((1, 1, 65536), "z"), ((1, -1, 1), "y"), ((1, 1, 1.5), "z")]:
        with pytest.raises(LaunchConfigError, match=f"along {axis}; at most"):
            config.grid = grid
    with pytest.raises(LaunchConfigError, match="3 block indices"):
        config.grid = (1, 1)
    assert config.grid == (2**31 - 1, 65535, 65535)  # what was refused changed nothing
    with pytest.raises(LaunchConfigError, match="fixes its layouts"):
        config.block = (64, 1, 1)


def rows(threads):
    @T.prim_func
    def main(A: T.Tensor((3, 48), "float32"), B: T.Tensor((3, 48), "float32")):
        with T.Kernel(3, threads=threads) as row:
            x = T.alloc_fragment((48,), "float32")
            T.copy(A[row, 0], x)
            for i in T.Parallel(48):
                B[row, i] = x[i] * 2.0

    return main


@pytest.mark.parametrize(("before", "wanted", "after"), [(128, 256, 256), (40, "fit", 64), (256, "trim", 64), (32, "trim", 32)])
def test_blocks_of_another_size(before, wanted, after):
    kernel = tilelang.compile(rows(before), out_idx=-1, execution_backend="simulator")
    other = kernel.with_block(threads=wanted)
    assert other.launch_config.block == (after, 1, 1) and kernel.launch_config.block == (before, 1, 1)
    a = torch.randn(3, 48)
    torch.testing.assert_close(other(a), a * 2)
    assert np.array_equal(kernel(a), other(a))


def test_misuse():
    kernel = tilelang.compile(rows(64), out_idx=-1, execution_backend="simulator")
    with pytest.raises(LaunchConfigError, match="what its T.Kernel says"):
        kernel.launch_config.grid = (4,)
    assert kernel.launch_config.grid == (3, 1, 1)
    with pytest.raises(LaunchConfigError, match="'half'"):
        kernel.with_block(threads="half")

    @T.prim_func
    def extents(A: T.Tensor((1,), "float32")):
        with T.Kernel(4, launch="manual"):
            A[0] = 1.0

    with pytest.raises(ShapeError, match="manual launch has 1 grid extents"):
        extents.get()

    @T.prim_func
    def unknown(A: T.Tensor((1,), "float32")):
        with T.Kernel(4, launch="both"):
            A[0] = 1.0

    with pytest.raises(FrontendError, match="launch='both'"):
        unknown.get()
