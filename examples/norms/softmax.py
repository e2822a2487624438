"""Softmax of rows: a maximum and a sum across the threads of a block, everything else in registers.

python examples/norms/softmax.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T

LOG2E = 1.4426950408889634  # exp(x) is exp2(x * log2(e)), and exp2 is the instruction that hardware has


@tilelang.jit(out_idx=[-1])
def softmax(M, N, rows=4, dtype="float16"):
    """`rows` rows of N columns a block."""

    @T.prim_func
    def main(A: T.Tensor((M, N), dtype), B: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(M, rows), threads=128) as bx:
            x = T.alloc_fragment((rows, N), "float32")
            top = T.alloc_fragment((rows,), "float32")
            total = T.alloc_fragment((rows,), "float32")
            T.copy(A[bx * rows, 0], x)
            T.reduce_max(x, top, dim=1)
            for i, j in T.Parallel(rows, N):
                x[i, j] = T.exp2((x[i, j] - top[i]) * LOG2E)
            T.reduce_sum(x, total, dim=1)
            for i, j in T.Parallel(rows, N):
                x[i, j] /= total[i]
            T.copy(x, B[bx * rows, 0])

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for M, N in [(16, 512), (7, 1000)]:
        a = torch.randn(M, N, device=device).half() * 4
        torch.testing.assert_close(softmax(M, N)(a).double(), torch.softmax(a.double(), -1), rtol=2e-3, atol=1e-6)
        print(f"softmax {M} x {N}: matches torch")


if __name__ == "__main__":
    main()
