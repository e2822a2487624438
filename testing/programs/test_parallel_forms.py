"""T.Parallel as programs write it: symbolic extents, nests in nests, continue."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.reference import assert_close, random
from tilelang.errors import FrontendError, SemanticError

TARGETS = ["auto", "c"]


def compiled(program, target, device, out_idx=-1):
    return tilelang.compile(program, out_idx=out_idx, target="auto" if device == "cuda" else target)


@pytest.mark.parametrize("target", TARGETS)
def test_a_symbolic_extent(target, device):
    n = T.dynamic("n")

    @T.prim_func
    def rows(A: T.Tensor((n, 24), "float16"), B: T.Tensor((n, 24), "float16")):
        with T.Kernel(1, threads=64):
            for i, j in T.Parallel(n, 24):
                B[i, j] = A[i, j] * 2

    kernel = compiled(rows, target, device)
    for count in (1, 7, 500):
        a = random((count, 24), "float16", device)
        torch.testing.assert_close(kernel(a), a * 2)


@pytest.mark.parametrize("target", TARGETS)
def test_both_extents(target, device):
    m, n = T.dynamic("m, n")

    @T.prim_func
    def transpose(A: T.Tensor((m, n), "float32"), B: T.Tensor((n, m), "float32")):
        with T.Kernel(1, threads=32):
            for j, i in T.Parallel(n, m):
                B[j, i] = A[i, j]

    kernel = compiled(transpose, target, device)
    for shape in ((3, 300), (65, 2), (1, 1)):
        a = random(shape, "float32", device)
        assert torch.equal(kernel(a), a.T)


@pytest.mark.parametrize("length", [0, 1, 40, 64])
def test_an_extent_from_memory(length, device):
    """The extent is read on the device; register and shared tiles, and a range that starts elsewhere."""

    @T.prim_func
    def halves(A: T.Tensor((64,), "float32"), length: T.Tensor((1,), "int32"), B: T.Tensor((64,), "float32")):
        with T.Kernel(1, threads=32):
            tile, total = T.alloc_shared((64,), "float32"), T.alloc_fragment((64,), "float32")
            count = length[0]
            T.clear(total)
            T.copy(A, tile)
            for i in T.Parallel(count):
                total[i] = tile[i] * 2
            for i in T.Parallel(64 - count):
                tile[count + i] = -1
            for i in T.Parallel(64):
                B[i] = total[i] + tile[i]

    a = random((64,), "float32", device)
    out = tilelang.compile(halves, out_idx=-1)(a, torch.tensor([length], dtype=torch.int32, device=device))
    inside = torch.arange(64, device=device) < length
    torch.testing.assert_close(out, torch.where(inside, 3 * a, torch.full_like(a, -1)))


def test_in_a_pipeline(device):
    """Ragged rows of each step, bounds that a minimum gives."""
    total = T.dynamic("total")

    @T.prim_func
    def sums(X: T.Tensor((total, 32), "float16"), starts: T.Tensor((5,), "int32"), Y: T.Tensor((4, 32), "float32")):
        with T.Kernel(4, threads=64) as group:
            tile, sum_ = T.alloc_shared((16, 32), "float16"), T.alloc_fragment((32,), "float32")
            part = T.alloc_fragment((16, 32), "float32")
            partial = T.alloc_fragment((32,), "float32")
            T.clear(sum_)
            first, count = starts[group], starts[group + 1] - starts[group]
            for step in T.Pipelined(T.ceildiv(count, 16), num_stages=2):
                T.copy(X[first + step * 16 : first + step * 16 + 16, :], tile)
                T.clear(part)
                for i, j in T.Parallel(T.min(16, count - step * 16), 32):
                    part[i, j] = tile[i, j]
                T.reduce_sum(part, partial, dim=0)
                for j in T.Parallel(32):
                    sum_[j] += partial[j]
            T.copy(sum_, Y[group, :])

    starts = [0, 5, 5, 38, 70]
    x = random((70, 32), "float16", device)
    out = tilelang.compile(sums, out_idx=-1)(x, torch.tensor(starts, dtype=torch.int32, device=device))
    expected = torch.stack([x[a:b].double().sum(0) for a, b in zip(starts, starts[1:])])
    torch.testing.assert_close(out.double(), expected, rtol=1e-4, atol=1e-4)


def test_nests_in_nests(device):
    m = T.dynamic("m")

    @T.prim_func
    def scaled(A: T.Tensor((m, 4, 40), "float32"), s: T.Tensor((40,), "float32"), B: T.Tensor((m, 4, 40), "float32")):
        with T.Kernel(1, threads=64):
            for i in T.Parallel(m):
                for j in T.Parallel(4):
                    for k in T.Parallel(40, coalesced_width=2):
                        B[i, j, k] = A[i, j, k] * s[k]

    a, s = random((9, 4, 40), "float32", device), random((40,), "float32", device)
    torch.testing.assert_close(tilelang.compile(scaled, out_idx=-1)(a, s), a * s)


@pytest.mark.parametrize("target", TARGETS)
def test_continue(target, device):
    @T.prim_func
    def classes(A: T.Tensor((64,), "int32"), B: T.Tensor((64,), "int32")):
        with T.Kernel(1, threads=64):
            for i in T.Parallel(64):
                B[i] = -1
                if A[i] < 0:
                    continue
                if A[i] % 2 == 0:
                    B[i] = 2
                    if A[i] % 4 == 0:
                        B[i] = 4
                        continue
                elif A[i] == 7:
                    continue
                else:
                    B[i] = 1
                B[i] += 10

    def expected(a: int) -> int:
        if a < 0 or a == 7:
            return -1
        return 4 if a % 4 == 0 else 12 if a % 2 == 0 else 11

    a = random((64,), "int32", device, -5, 20)
    assert compiled(classes, target, device)(a).tolist() == [expected(v) for v in a.tolist()]


def overrun(heads, rows, threads):
    """One value for every row of a tile, kept in a fragment that the author made as long as there are heads."""

    @T.prim_func
    def main(
        Sinks: T.Tensor((heads,), "float32"), A: T.Tensor((heads, rows, 24), "float32"), B: T.Tensor((heads, rows, 24), "float32")
    ):
        with T.Kernel(heads, threads=threads) as h:
            tile = T.alloc_fragment((rows, 24), "float32")
            total = T.alloc_fragment((rows,), "float32")
            sink = T.alloc_fragment((heads,), "float32")
            T.copy(A[h, 0, 0], tile)
            for i in T.Parallel(rows):
                sink[i] = Sinks[h]
            T.reduce_sum(tile, total, dim=1)
            for i in T.Parallel(rows):
                total[i] += sink[i]
            for i, j in T.Parallel(rows, 24):
                tile[i, j] = tile[i, j] + total[i] * sink[i]
            T.copy(tile, B[h, 0, 0])

    return main


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("heads", "rows", "threads"), [(4, 64, 128), (3, 40, 64), (5, 128, 32)])
def test_a_fragment_shorter_than_the_loop_that_fills_it(heads, rows, threads, target, device):
    sinks, a = random((heads,), "float32", device), random((heads, rows, 24), "float32", device)
    kernel = compiled(overrun(heads, rows, threads), target, device)
    sums = (a.double().sum(2) + sinks.double()[:, None]) * sinks.double()[:, None]
    assert_close(kernel(sinks, a), a.double() + sums[:, :, None], "float32", terms=64, scale=16.0)
    if target == "auto":
        assert f"sink has {heads} elements along axis 0 and T.Parallel stores {rows}" in str(kernel.remarks)


def test_a_condition_that_keeps_the_index_inside_keeps_the_fragment(device):
    @T.prim_func
    def main(A: T.Tensor((40,), "float32"), B: T.Tensor((40,), "float32")):
        with T.Kernel(1, threads=64):
            tile = T.alloc_fragment((40,), "float32")
            for i in T.Parallel(64):
                if i < 40:
                    tile[i] = A[i] + 1
            T.copy(tile, B)

    a = random((40,), "float32", device)
    kernel = compiled(main, "auto", device)
    assert torch.equal(kernel(a), a + 1) and "T.Parallel stores" not in str(kernel.remarks)


def test_refusals():
    @T.prim_func
    def triangle(A: T.Tensor((8, 8), "float32")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(8):
                for j in T.Parallel(i):
                    A[i, j] = 0

    @T.prim_func
    def layout(A: T.Tensor((T.dynamic("n"), 8), "float32")):
        with T.Kernel(1, threads=32):
            for i, j in T.Parallel(A.shape[0], 8, loop_layout=T.Fragment((8, 8), lambda i, j: (i, j))):
                A[i, j] = 0

    @T.prim_func
    def left(A: T.Tensor((8,), "float32")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(8):
                if A[i] > 0:
                    if A[i] > 1:
                        continue
                x = T.alloc_var("float32", init=A[i])
                A[i] = x * 2

    with pytest.raises(FrontendError, match="before statements that name values"):
        tilelang.compile(left)
    with pytest.raises(FrontendError, match="counts with another one"):
        tilelang.compile(triangle)
    with pytest.raises(SemanticError, match="loop_layout of a symbolic extent"):
        tilelang.compile(layout)
