"""Multiply two fp16 matrices with a tile kernel and compare with torch: on a GPU, or in the simulator where there is none."""

from __future__ import annotations

import argparse
import time

import torch

import tilelang
import tilelang.language as T


@tilelang.jit(out_idx=[-1])
def matmul(M, N, K, block_M=128, block_N=128, block_K=32, dtype="float16", accum_dtype="float32"):
    @T.prim_func
    def gemm(A: T.Tensor((M, K), dtype), B: T.Tensor((K, N), dtype), C: T.Tensor((M, N), dtype)):
        with T.Kernel(T.ceildiv(N, block_N), T.ceildiv(M, block_M), threads=128) as (bx, by):
            A_shared = T.alloc_shared((block_M, block_K), dtype)
            B_shared = T.alloc_shared((block_K, block_N), dtype)
            C_local = T.alloc_fragment((block_M, block_N), accum_dtype)
            T.clear(C_local)
            for k in T.Pipelined(T.ceildiv(K, block_K), num_stages=3):
                T.copy(A[by * block_M, k * block_K], A_shared)
                T.copy(B[k * block_K, bx * block_N], B_shared)
                T.gemm(A_shared, B_shared, C_local)
            T.copy(C_local, C[by * block_M, bx * block_N])

    return gemm


def main(M: int = 512, N: int = 512, K: int = 512) -> None:
    """Compile, run, compare, report."""
    started = time.perf_counter()
    kernel = matmul(M, N, K)
    compiled = time.perf_counter() - started

    device = "cpu" if kernel.target.simulated else "cuda"
    a = torch.randn(M, K, device=device, dtype=torch.float16)
    b = torch.randn(K, N, device=device, dtype=torch.float16)
    c = kernel(a, b)
    milliseconds = kernel.get_profiler().do_bench(input_tensors=[a, b])

    torch.testing.assert_close(c.float(), a.float() @ b.float(), rtol=1e-2, atol=1e-2)
    print(f"{M} x {N} x {K} fp16 GEMM: the result matches torch")
    print(f"target:  {kernel.target}")
    print(f"compile: {compiled:.2f} s (from the cache when it was compiled before)")
    print(f"run:     {milliseconds:.3f} ms a call")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shape", type=int, nargs="*", default=[512, 512, 512], help="M N K")
    main(*parser.parse_args().shape)
