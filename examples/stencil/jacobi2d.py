"""One Jacobi sweep of the 2-D Laplace equation: every inner point becomes the mean of its four neighbours.

The condition around the update is written once; a CPU target turns it into the bounds of its vector loops, a GPU into predicates.
With target="c" give a block whole rows (a wide tile of few rows); on a GPU a tile of 16 x 128 or so.

    python examples/stencil/jacobi2d.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


def jacobi2d(rows: int, columns: int, dtype: str = "float64"):
    """`B[y, x] = (A[y - 1, x] + A[y + 1, x] + A[y, x - 1] + A[y, x + 1]) / 4` inside M x N, a block doing rows x columns."""
    M, N = T.dynamic("M, N")

    @T.prim_func
    def sweep(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N - 2, columns), T.ceildiv(M - 2, rows), threads=128) as (bx, by):
            for i, j in T.Parallel(rows, columns):
                y = by * rows + i + 1
                x = bx * columns + j + 1
                if y < M - 1 and x < N - 1:
                    B[y, x] = 0.25 * (A[y - 1, x] + A[y + 1, x] + A[y, x - 1] + A[y, x + 1])

    return sweep


def reference(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The same sweep in torch; the border keeps what `b` held."""
    out = b.clone()
    out[1:-1, 1:-1] = 0.25 * (a[:-2, 1:-1] + a[2:, 1:-1] + a[1:-1, :-2] + a[1:-1, 2:])
    return out


def main() -> None:
    for target, tile in (("c", (8, 1024)), *((("cuda", (16, 128)),) if torch.cuda.is_available() else ())):
        kernel = tilelang.compile(jacobi2d(*tile, dtype="float32"), target=target)
        device = "cuda" if target == "cuda" else "cpu"
        for shape in [(67, 130), (3, 3), (512, 1029)]:
            a, b = torch.randn(shape, device=device), torch.full(shape, torch.nan, device=device)
            expected = reference(a, b)
            kernel(a, b)
            torch.testing.assert_close(b, expected, equal_nan=True)
        print(f"jacobi2d on {target}: matches torch")


if __name__ == "__main__":
    main()
