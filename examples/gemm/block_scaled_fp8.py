"""C = A @ B.T in float8 with a scale for each 1 x 128 piece of A and each 128 x 128 block of B.

The matrix units keep few bits of a float8 sum, and scales change every 128 elements of K: so each block of K is summed on its
own, scaled, and added to a second accumulator in float32.

    python examples/gemm/block_scaled_fp8.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T

GROUP = 128
FP8_MAX = 448.0


@tilelang.jit(out_idx=[-1])
def scaled_matmul(M, N, K, block_m=64, block_n=128, stages=3, out_dtype="bfloat16"):
    assert GROUP % block_n == 0, "a tile of B has one scale"

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float8_e4m3fn"),
        B: T.Tensor((N, K), "float8_e4m3fn"),
        scale_a: T.Tensor((M, T.ceildiv(K, GROUP)), "float32"),
        scale_b: T.Tensor((T.ceildiv(N, GROUP), T.ceildiv(K, GROUP)), "float32"),
        C: T.Tensor((M, N), out_dtype),
    ):
        with T.Kernel(T.ceildiv(N, block_n), T.ceildiv(M, block_m), threads=128) as (bx, by):
            A_tile = T.alloc_shared((block_m, GROUP), "float8_e4m3fn")
            B_tile = T.alloc_shared((block_n, GROUP), "float8_e4m3fn")
            scale = T.alloc_shared((block_m,), "float32")
            block = T.alloc_fragment((block_m, block_n), "float32")
            total = T.alloc_fragment((block_m, block_n), "float32")
            T.use_swizzle(panel_size=10)
            T.clear(total)
            for k in T.Pipelined(T.ceildiv(K, GROUP), num_stages=stages):
                T.copy(A[by * block_m, k * GROUP], A_tile)
                T.copy(B[bx * block_n, k * GROUP], B_tile)
                of_b = scale_b[bx * block_n // GROUP, k]
                for i in T.Parallel(block_m):
                    scale[i] = scale_a[by * block_m + i, k] * of_b
                T.gemm(A_tile, B_tile, block, transpose_B=True, clear_accum=True)
                for i, j in T.Parallel(block_m, block_n):
                    total[i, j] += block[i, j] * scale[i]
            T.copy(total, C[by * block_m, bx * block_n])

    return main


def quantise(x: torch.Tensor, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """float8 values and their scales, one for each `rows` x 128 block."""
    M, K = x.shape
    padded = torch.nn.functional.pad(x, (0, -K % GROUP, 0, -M % rows))
    blocks = padded.view(padded.shape[0] // rows, rows, -1, GROUP)
    scale = blocks.abs().amax((1, 3)).clamp(min=1e-4) / FP8_MAX
    values = (blocks / scale[:, None, :, None]).to(torch.float8_e4m3fn)
    return values.view(padded.shape)[:M, :K].contiguous(), scale


def widen(values: torch.Tensor, scale: torch.Tensor, rows: int) -> torch.Tensor:
    """The numbers that values and scales stand for."""
    M, K = values.shape
    return values.double() * scale.double().repeat_interleave(rows, 0)[:M].repeat_interleave(GROUP, 1)[:, :K]


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for M, N, K in [(64, 128, 256), (70, 200, 384)]:
        a, scale_a = quantise(torch.randn(M, K, device=device), 1)
        b, scale_b = quantise(torch.randn(N, K, device=device), GROUP)
        expected = widen(a, scale_a, 1) @ widen(b, scale_b, GROUP).T
        result = scaled_matmul(M, N, K)(a, b, scale_a, scale_b)
        torch.testing.assert_close(result.double(), expected, rtol=1e-2, atol=5e-2)
        print(f"block-scaled float8 matmul {M} x {N} x {K}: matches torch")


if __name__ == "__main__":
    main()
