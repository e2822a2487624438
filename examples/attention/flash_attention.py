"""Flash attention, forward: softmax(Q @ K.T / sqrt(D)) @ V without ever storing the scores.

A block owns `block_m` queries and walks over the keys. For each query it keeps the largest score so far, the sum of the
exponentials relative to it, and the unnormalised output; when the maximum grows, both are scaled down.

    python examples/attention/flash_attention.py
"""

from __future__ import annotations

import math

import torch

import tilelang
import tilelang.language as T


@tilelang.jit(out_idx=[-1])
def flash_attention(batch, heads, length, dim, causal, block_m=64, block_n=64, stages=2, dtype="float16"):
    shape = (batch, heads, length, dim)
    scale = math.log2(math.e) / math.sqrt(dim)  # exponentials are powers of two, the base of the hardware's instruction

    @T.prim_func
    def main(Q: T.Tensor(shape, dtype), K: T.Tensor(shape, dtype), V: T.Tensor(shape, dtype), O: T.Tensor(shape, dtype)):
        with T.Kernel(T.ceildiv(length, block_m), heads, batch, threads=128) as (bx, head, b):
            q = T.alloc_shared((block_m, dim), dtype)
            k = T.alloc_shared((block_n, dim), dtype)
            v = T.alloc_shared((block_n, dim), dtype)
            scores = T.alloc_fragment((block_m, block_n), "float32")
            weights = T.alloc_fragment((block_m, block_n), dtype)
            out = T.alloc_fragment((block_m, dim), "float32")
            top = T.alloc_fragment((block_m,), "float32")
            previous = T.alloc_fragment((block_m,), "float32")
            shrink = T.alloc_fragment((block_m,), "float32")
            part = T.alloc_fragment((block_m,), "float32")
            total = T.alloc_fragment((block_m,), "float32")

            T.copy(Q[b, head, bx * block_m : (bx + 1) * block_m, :], q)
            T.clear(out)
            T.clear(total)
            T.fill(top, -T.infinity("float32"))
            # Keys after the last query of the block are masked out altogether: a causal block stops there.
            last = T.min(length, (bx + 1) * block_m) if causal else length
            for step in T.Pipelined(T.ceildiv(last, block_n), num_stages=stages):
                T.copy(K[b, head, step * block_n : (step + 1) * block_n, :], k)
                for i, j in T.Parallel(block_m, block_n):
                    key = step * block_n + j
                    seen = (key <= bx * block_m + i and key < length) if causal else key < length
                    scores[i, j] = T.if_then_else(seen, 0, -T.infinity("float32"))
                T.gemm(q, k, scores, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
                T.copy(top, previous)
                T.reduce_max(scores, top, dim=1, clear=False)
                for i in T.Parallel(block_m):
                    shrink[i] = T.exp2((previous[i] - top[i]) * scale)
                for i, j in T.Parallel(block_m, block_n):
                    scores[i, j] = T.exp2((scores[i, j] - top[i]) * scale)
                T.reduce_sum(scores, part, dim=1)
                for i in T.Parallel(block_m):
                    total[i] = total[i] * shrink[i] + part[i]
                for i, j in T.Parallel(block_m, dim):
                    out[i, j] *= shrink[i]
                T.copy(scores, weights)
                T.copy(V[b, head, step * block_n : (step + 1) * block_n, :], v)
                T.gemm(weights, v, out, policy=T.GemmWarpPolicy.FullRow)
            for i, j in T.Parallel(block_m, dim):
                out[i, j] /= total[i]
            T.copy(out, O[b, head, bx * block_m : (bx + 1) * block_m, :])

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for dim, causal in [(64, False), (64, True), (128, True)]:
        batch, heads, length = 1, 2, 150
        q, k, v = (torch.randn(batch, heads, length, dim, device=device).half() for _ in range(3))
        expected = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double(), is_causal=causal)
        result = flash_attention(batch, heads, length, dim, causal)(q, k, v)
        torch.testing.assert_close(result.double(), expected, rtol=5e-3, atol=5e-3)
        print(f"flash attention, head dimension {dim}, {'causal' if causal else 'full'}: matches torch")


if __name__ == "__main__":
    main()
