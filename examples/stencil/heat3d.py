"""One explicit step of the 3-D heat equation (7-point stencil).

python examples/stencil/heat3d.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


def heat3d(planes: int, rows: int, columns: int, dtype: str = "float64", alpha: float = 0.1):
    """`V = U + alpha * laplacian(U)` inside a box, a block doing planes x rows x columns."""
    D, H, W = T.dynamic("D, H, W")

    @T.prim_func
    def step(U: T.Tensor((D, H, W), dtype), V: T.Tensor((D, H, W), dtype)):
        with T.Kernel(T.ceildiv(W - 2, columns), T.ceildiv(H - 2, rows), T.ceildiv(D - 2, planes), threads=128) as (bx, by, bz):
            for i, j, k in T.Parallel(planes, rows, columns):
                z = bz * planes + i + 1
                y = by * rows + j + 1
                x = bx * columns + k + 1
                if z < D - 1 and y < H - 1 and x < W - 1:
                    neighbours = (
                        U[z - 1, y, x] + U[z + 1, y, x] + U[z, y - 1, x] + U[z, y + 1, x] + U[z, y, x - 1] + U[z, y, x + 1]
                    )
                    V[z, y, x] = U[z, y, x] + alpha * (neighbours - 6.0 * U[z, y, x])

    return step


def reference(u: torch.Tensor, v: torch.Tensor, alpha: float = 0.1) -> torch.Tensor:
    """The same step in torch; the border keeps what `v` held."""
    out = v.clone()
    inner = u[1:-1, 1:-1, 1:-1]
    neighbours = (
        u[:-2, 1:-1, 1:-1] + u[2:, 1:-1, 1:-1] + u[1:-1, :-2, 1:-1] + u[1:-1, 2:, 1:-1] + u[1:-1, 1:-1, :-2] + u[1:-1, 1:-1, 2:]
    )
    out[1:-1, 1:-1, 1:-1] = inner + alpha * (neighbours - 6 * inner)
    return out


def main() -> None:
    for target, tile in (("c", (2, 8, 256)), *((("cuda", (2, 4, 64)),) if torch.cuda.is_available() else ())):
        kernel = tilelang.compile(heat3d(*tile, dtype="float32"), target=target)
        device = "cuda" if target == "cuda" else "cpu"
        for shape in [(9, 20, 70), (3, 3, 3), (20, 33, 257)]:
            u, v = torch.randn(shape, device=device), torch.full(shape, torch.nan, device=device)
            expected = reference(u, v)
            kernel(u, v)
            torch.testing.assert_close(v, expected, equal_nan=True)
        print(f"heat3d on {target}: matches torch")


if __name__ == "__main__":
    main()
