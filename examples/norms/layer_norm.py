"""RMSNorm and layer norm of rows with weights, sharing a macro for the mean of a row.

python examples/norms/layer_norm.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T

EPS = 1e-5


@T.macro
def row_mean_of_squares(x, y, out, rows, columns):
    """out[i] = sum of x[i, :]**2, with `y` as scratch."""
    for i, j in T.Parallel(rows, columns):
        y[i, j] = x[i, j] * x[i, j]
    T.reduce_sum(y, out, dim=1)
    for i in T.Parallel(rows):
        out[i] = out[i] / columns


@tilelang.jit(out_idx=[-1])
def rms_norm(M, N, rows=2, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), W: T.Tensor((N,), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, rows), threads=128) as bx:
            x = T.alloc_fragment((rows, N), "float32")
            y = T.alloc_fragment((rows, N), "float32")
            square = T.alloc_fragment((rows,), "float32")
            T.copy(A[bx * rows, 0], x)
            row_mean_of_squares(x, y, square, rows, N)
            for i, j in T.Parallel(rows, N):
                x[i, j] = x[i, j] * T.rsqrt(square[i] + EPS) * W[j]
            T.copy(x, B[bx * rows, 0])

    return main


@tilelang.jit(out_idx=[-1])
def layer_norm(M, N, rows=2, dtype="float16"):
    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), W: T.Tensor((N,), dtype), bias: T.Tensor((N,), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, rows), threads=128) as bx:
            x = T.alloc_fragment((rows, N), "float32")
            y = T.alloc_fragment((rows, N), "float32")
            mean = T.alloc_fragment((rows,), "float32")
            square = T.alloc_fragment((rows,), "float32")
            T.copy(A[bx * rows, 0], x)
            T.reduce_sum(x, mean, dim=1)
            for i, j in T.Parallel(rows, N):
                x[i, j] -= mean[i] / N
            row_mean_of_squares(x, y, square, rows, N)
            for i, j in T.Parallel(rows, N):
                x[i, j] = x[i, j] * T.rsqrt(square[i] + EPS) * W[j] + bias[j]
            T.copy(x, B[bx * rows, 0])

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for M, N in [(8, 256), (5, 777)]:
        a, w, b = (torch.randn(s, device=device).half() for s in [(M, N), (N,), (N,)])
        expected = torch.nn.functional.rms_norm(a.double(), (N,), w.double(), EPS)
        torch.testing.assert_close(rms_norm(M, N)(a, w).double(), expected, rtol=2e-3, atol=2e-3)
        expected = torch.nn.functional.layer_norm(a.double(), (N,), w.double(), b.double(), EPS)
        torch.testing.assert_close(layer_norm(M, N)(a, w, b).double(), expected, rtol=2e-3, atol=4e-3)
        print(f"rms_norm and layer_norm {M} x {N}: match torch")


if __name__ == "__main__":
    main()
