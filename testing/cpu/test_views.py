"""Views of tiles, and variables of an iteration, on a CPU target."""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


def test_views_of_tiles():
    """Other shapes and other element types of fragments, shared tiles and tensors; a view of a view."""

    @T.prim_func
    def main(
        A: T.Tensor((16, 64), "float32"),
        R: T.Tensor((16, 8), "float32"),
        W: T.Tensor((64, 16), "int32"),
        F: T.Tensor((1024,), "float32"),
    ):
        with T.Kernel(1, threads=64):
            tile, shared = T.alloc_fragment((16, 64), "float32"), T.alloc_shared((16, 64), "float32")
            blocks = T.reshape(tile, (16, 8, 8))
            words = T.view(T.reshape(shared, (1024,)), (64, 16), "int32")
            flat = T.reshape(A, (1024,))
            largest = T.alloc_fragment((16, 8), "float32")
            T.copy(A, tile)
            T.copy(A, shared)
            T.reduce_max(blocks, largest, dim=2)
            T.copy(largest, R)
            T.copy(words, W)
            for i in T.Parallel(1024):
                F[i] = flat[1023 - i]

    a = torch.randn(16, 64)
    r, w, f = tilelang.compile(main, out_idx=[1, 2, 3], target="c")(a)
    assert torch.equal(r, a.view(16, 8, 8).amax(2))
    assert torch.equal(w, a.view(torch.int32).view(64, 16))
    assert torch.equal(f, a.view(-1).flip(0))


def test_views_in_a_loop():
    """A tile that is allocated anew in each iteration, and its view."""

    @T.prim_func
    def main(A: T.Tensor((4, 64), "float32"), B: T.Tensor((4, 8), "float32")):
        with T.Kernel(1, threads=32):
            for k in T.serial(4):
                tile, sums = T.alloc_fragment((64,), "float32"), T.alloc_fragment((8,), "float32")
                rows = T.reshape(tile, (8, 8))
                T.copy(A[k, :], tile)
                T.reduce_sum(rows, sums, dim=1)
                T.copy(sums, B[k, :])

    a = torch.randn(4, 64)
    torch.testing.assert_close(tilelang.compile(main, out_idx=-1, target="c")(a), a.view(4, 8, 8).sum(2))


def test_variables_of_an_iteration():
    """Arrays and scalars that are allocated inside T.Parallel are the iteration's, not the thread's."""

    @T.prim_func
    def main(A: T.Tensor((64, 8), "int32"), B: T.Tensor((64, 8), "int32"), C: T.Tensor((64,), "int32")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(64):
                row = T.alloc_local((8,), "int32")
                steps, n = T.alloc_var("int32", init=0), T.alloc_var("int32", init=A[i, 0])
                for j in T.vectorized(8):
                    row[j] = A[i, j]
                for j in T.serial(8):
                    row[j] = row[j] * row[7 - j]
                for j in T.vectorized(8):
                    B[i, j] = row[j]
                while n > 1:
                    n = T.if_then_else(n % 2 == 0, n // 2, 3 * n + 1)
                    steps += 1
                C[i] = steps

    def collatz(n: int) -> int:
        return 0 if n <= 1 else 1 + collatz(n // 2 if n % 2 == 0 else 3 * n + 1)

    a = torch.randint(1, 30, (64, 8), dtype=torch.int32)
    b, c = tilelang.compile(main, out_idx=[1, 2], target="c")(a)
    expected = a.clone()
    for j in range(8):
        expected[:, j] = expected[:, j] * expected[:, 7 - j]
    assert torch.equal(b, expected)
    assert c.tolist() == [collatz(n) for n in a[:, 0].tolist()]
