"""Split-K matrix multiply: several blocks share one tile of C, each along a part of K, and add their sums atomically.

With a long K and a small C there are too few tiles to fill a GPU; splitting K makes more blocks. The price is that C must start
at zero and that the order of the additions, so the last bits of the result, differ from run to run.

    python examples/gemm/split_k.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


@tilelang.jit
def matmul_split_k(M, N, K, splits=4, block_m=64, block_n=64, block_k=32, dtype="float16"):
    part = T.ceildiv(T.ceildiv(K, splits), block_k) * block_k  # of K, in whole steps

    @T.prim_func
    def main(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(N, block_n), T.ceildiv(M, block_m), splits, threads=128) as (bx, by, bz):
            A_tile = T.alloc_shared((block_m, block_k), dtype)
            B_tile = T.alloc_shared((block_k, block_n), dtype)
            C_tile = T.alloc_fragment((block_m, block_n), "float32")
            T.clear(C_tile)
            for k in T.Pipelined(part // block_k, num_stages=3):
                T.copy(A[by * block_m, bz * part + k * block_k], A_tile)
                T.copy(B[bz * part + k * block_k, bx * block_n], B_tile)
                T.gemm(A_tile, B_tile, C_tile)
            T.atomic_add(C[by * block_m, bx * block_n], C_tile)

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for M, N, K in [(64, 64, 1024), (50, 90, 700)]:
        a, b = torch.randn(M, K, device=device).half(), torch.randn(K, N, device=device).half()
        c = torch.zeros(M, N, device=device)
        matmul_split_k(M, N, K)(a, b, c)
        torch.testing.assert_close(c.double(), a.double() @ b.double(), rtol=1e-4, atol=1e-3)
        print(f"split-K matmul {M} x {N} x {K}: matches torch")


if __name__ == "__main__":
    main()
