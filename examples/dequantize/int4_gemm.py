"""C = A @ dequantise(B).T with 4-bit weights: two to a byte, a scale and a zero point for each group of a row.

The weights cross memory in 4 bits each; they are widened in registers, inside of the pipeline, right before the matrix
instruction.

    python examples/dequantize/int4_gemm.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


@tilelang.jit(out_idx=[-1])
def int4_matmul(M, N, K, group=64, block_m=64, block_n=64, block_k=64, stages=3):
    """`group` weights along K share a scale and a zero point; it is a multiple of block_k."""
    assert group % block_k == 0

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        packed: T.Tensor((N, K // 2), "uint8"),
        scale: T.Tensor((N, K // group), "float16"),
        zero: T.Tensor((N, K // group), "uint8"),
        C: T.Tensor((M, N), "float16"),
    ):
        with T.Kernel(T.ceildiv(N, block_n), T.ceildiv(M, block_m), threads=128) as (bx, by):
            A_tile = T.alloc_shared((block_m, block_k), "float16")
            bytes_tile = T.alloc_shared((block_n, block_k // 2), "uint8")
            widened = T.alloc_fragment((block_n, block_k), "float16")
            B_tile = T.alloc_shared((block_n, block_k), "float16")
            C_tile = T.alloc_fragment((block_m, block_n), "float32")
            T.clear(C_tile)
            for k in T.Pipelined(K // block_k, num_stages=stages):
                T.copy(A[by * block_m, k * block_k], A_tile)
                T.copy(packed[bx * block_n, k * (block_k // 2)], bytes_tile)
                for i, j in T.Parallel(block_n, block_k):
                    row, of = bx * block_n + i, k * block_k // group
                    nibble = (T.cast(bytes_tile[i, j // 2], "int32") >> (j % 2 * 4)) & 15
                    widened[i, j] = T.cast(nibble - T.cast(zero[row, of], "int32"), "float16") * scale[row, of]
                T.copy(widened, B_tile)
                T.gemm(A_tile, B_tile, C_tile, transpose_B=True)
            T.copy(C_tile, C[by * block_m, bx * block_n])

    return main


def dequantise(packed: torch.Tensor, scale: torch.Tensor, zero: torch.Tensor, group: int) -> torch.Tensor:
    """The same weights by torch, in the precision of the kernel."""
    nibbles = torch.stack([packed & 15, packed >> 4], -1).flatten(1).int()
    shifted = nibbles - zero.int().repeat_interleave(group, 1)
    return shifted.half() * scale.repeat_interleave(group, 1)


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for M, N, K, group in [(64, 128, 256, 64), (33, 100, 384, 128)]:
        a = torch.randn(M, K, device=device).half()
        packed = torch.randint(0, 256, (N, K // 2), device=device, dtype=torch.uint8)
        scale = (torch.rand(N, K // group, device=device) * 0.1 + 0.01).half()
        zero = torch.randint(0, 16, (N, K // group), device=device, dtype=torch.uint8)
        expected = a.double() @ dequantise(packed, scale, zero, group).double().T
        result = int4_matmul(M, N, K, group)(a, packed, scale, zero)
        torch.testing.assert_close(result.double(), expected, rtol=2e-3, atol=1e-2)
        print(f"int4 matmul {M} x {N} x {K}, groups of {group}: matches torch")


if __name__ == "__main__":
    main()
