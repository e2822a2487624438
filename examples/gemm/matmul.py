"""Matrix multiply C = A @ B, the kernel that the others in this folder vary.

Each block computes one tile of C. Tiles of A and B pass through shared memory; `T.Pipelined` lets the copies of the next
steps run while `T.gemm` multiplies the tiles of this one.

    python examples/gemm/matmul.py [M N K]
"""

from __future__ import annotations

import sys

import torch

import tilelang
import tilelang.language as T


@tilelang.jit(out_idx=[-1])
def matmul(M, N, K, block_m=128, block_n=128, block_k=32, stages=3, dtype="float16"):
    """The kernel for one problem size. `out_idx=[-1]`: a call allocates and returns the last parameter."""

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_n), T.ceildiv(M, block_m), threads=128) as (bx, by):
            A_tile = T.alloc_shared((block_m, block_k), dtype)
            B_tile = T.alloc_shared((block_k, block_n), dtype)
            C_tile = T.alloc_fragment((block_m, block_n), "float32")
            T.use_swizzle(panel_size=8)  # neighbouring blocks share rows of A and columns of B: keep them in L2
            T.clear(C_tile)
            for k in T.Pipelined(T.ceildiv(K, block_k), num_stages=stages):
                T.copy(A[by * block_m, k * block_k], A_tile)
                T.copy(B[k * block_k, bx * block_n], B_tile)
                T.gemm(A_tile, B_tile, C_tile)
            T.copy(C_tile, C[by * block_m, bx * block_n])

    return main


def main(M: int = 256, N: int = 256, K: int = 128) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kernel = matmul(M, N, K)
    a, b = torch.randn(M, K, device=device).half(), torch.randn(K, N, device=device).half()
    torch.testing.assert_close(kernel(a, b).double(), a.double() @ b.double(), rtol=2e-3, atol=2e-3)
    print(f"matmul {M} x {N} x {K}: matches torch")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
