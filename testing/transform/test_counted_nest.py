"""In-place steps in shared memory whose indices no proof reaches: counted out, and refused only where iterations meet."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import random
from tilelang.errors import SemanticError

LEVELS = 6
SIZE = 1 << LEVELS


def test_butterflies(device):
    """The Hadamard transform, in place."""

    @T.prim_func
    def hadamard(A: T.Tensor((SIZE,), "float32"), B: T.Tensor((SIZE,), "float32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_shared((SIZE,), "float32")
            T.copy(A, x)
            for level in T.serial(LEVELS):
                for i in T.Parallel(SIZE // 2):
                    p = i // (1 << level) * (2 << level) + i % (1 << level)
                    low, high = x[p], x[p + (1 << level)]
                    x[p] = low + high
                    x[p + (1 << level)] = low - high
            T.copy(x, B)

    a = random((SIZE,), "float32", device)
    matrix = torch.ones(1, 1, dtype=torch.float64, device=device)
    while len(matrix) < SIZE:
        matrix = torch.cat([torch.cat([matrix, matrix], 1), torch.cat([matrix, -matrix], 1)], 0)
    torch.testing.assert_close(tilelang.compile(hadamard, out_idx=-1)(a).double(), matrix @ a.double(), rtol=1e-5, atol=1e-5)


def test_exchanges(device):
    """A bitonic sort: the lower of two partners exchanges both."""

    @T.prim_func
    def sort(A: T.Tensor((SIZE,), "int32"), B: T.Tensor((SIZE,), "int32")):
        with T.Kernel(1, threads=32):
            x = T.alloc_shared((SIZE,), "int32")
            T.copy(A, x)
            for run in T.serial(1, LEVELS + 1):
                for step in T.serial(run):
                    for i in T.Parallel(SIZE):
                        partner = i ^ (1 << (run - 1 - step))
                        if partner > i:
                            mine, other = x[i], x[partner]
                            if (mine > other) == ((i >> run) % 2 == 0):
                                x[i] = other
                                x[partner] = mine
            T.copy(x, B)

    a = random((SIZE,), "int32", device)
    assert torch.equal(tilelang.compile(sort, out_idx=-1)(a), a.sort().values)


@pytest.mark.parametrize("case", ["next", "both", "halves", "late", "unknown", "shape", "too many"])
def test_iterations_that_meet(case):
    n = T.dynamic("n")

    @T.prim_func
    def racing(N: T.Tensor((n,), "int32"), A: T.Tensor((SIZE,), "int32"), B: T.Tensor((SIZE,), "int32")):
        with T.Kernel(1, threads=32):
            x, big = T.alloc_shared((SIZE,), "int32"), T.alloc_shared((1024,), "int8")
            T.copy(A, x)
            for level in T.serial(LEVELS):
                if case == "next":
                    for i in T.Parallel(SIZE - 8):
                        x[i // (1 << level) * (1 << level)] = x[i + 1]
                elif case == "both":  # both partners exchange
                    for i in T.Parallel(SIZE):
                        x[i] = x[i ^ (1 << level)]
                elif case == "halves":
                    for i in T.Parallel(SIZE):
                        x[i % (SIZE >> level)] += 1
                elif case == "late":  # in the last iteration of the loop around only
                    for i in T.Parallel(SIZE // 2):
                        x[i] = x[(i + level // (LEVELS - 1)) % SIZE] + 1
                elif case == "shape":
                    for i in T.Parallel(SIZE // 2):
                        x[i] = x[(i + n // 64) % SIZE] + 1
                elif case == "unknown":
                    for i in T.Parallel(SIZE // 2):
                        x[i] = x[i + A[0]]
                else:
                    for i, j in T.Parallel(1024, 512):
                        big[(i >> level) % 1024] += T.cast(j, "int8")
            T.copy(x, B)

    with pytest.raises(SemanticError, match="order is not defined"):
        tilelang.compile(racing)
