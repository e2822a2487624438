"""One compiled matrix multiply for every shape: M, N and K are symbols that each call determines.

Tiles keep their constant sizes; the grid, the loop and the guards at the edges are computed from the shapes. Empty tensors work.

    python examples/gemm/dynamic.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


@tilelang.jit(out_idx=[-1])
def matmul_dynamic(block_m=64, block_n=64, block_k=32, dtype="float16"):
    M, N, K = T.dynamic("M, N, K")

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((N, K), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_n), T.ceildiv(M, block_m), threads=128) as (bx, by):
            A_tile = T.alloc_shared((block_m, block_k), dtype)
            B_tile = T.alloc_shared((block_n, block_k), dtype)
            C_tile = T.alloc_fragment((block_m, block_n), "float32")
            T.clear(C_tile)
            for k in T.Pipelined(T.ceildiv(K, block_k), num_stages=3):
                T.copy(A[by * block_m, k * block_k], A_tile)
                T.copy(B[bx * block_n, k * block_k], B_tile)
                T.gemm(A_tile, B_tile, C_tile, transpose_B=True)
            T.copy(C_tile, C[by * block_m, bx * block_n])

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    kernel = matmul_dynamic()
    for M, N, K in [(128, 128, 64), (1, 100, 37), (130, 65, 200), (0, 64, 64), (64, 64, 0)]:
        a, b = torch.randn(M, K, device=device).half(), torch.randn(N, K, device=device).half()
        torch.testing.assert_close(kernel(a, b).double(), a.double() @ b.double().T, rtol=2e-3, atol=2e-3)
        print(f"dynamic matmul {M} x {N} x {K}: matches torch")


if __name__ == "__main__":
    main()
