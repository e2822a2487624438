"""Causal linear attention by chunks: out_t = scale * q_t @ sum over s <= t of k_s v_s^T.

The sum over earlier chunks is a matrix that stays in registers while the block walks over the sequence; inside a chunk the
scores are masked as in ordinary attention. Blocks of the key dimension add to the output atomically.

    python examples/linear_attention/chunked.py
"""

from __future__ import annotations

import torch

import tilelang
import tilelang.language as T


@tilelang.jit
def linear_attention(batch, length, heads, dim, chunk=64, block_k=64, block_v=64, dtype="float16"):
    scale = dim**-0.5
    shape = (batch, length, heads, dim)

    @T.prim_func
    def main(
        Q: T.Tensor(shape, dtype),
        K: T.Tensor(shape, dtype),
        V: T.Tensor(shape, dtype),
        O: T.Tensor(shape, "float32"),
    ):
        with T.Kernel(T.ceildiv(dim, block_v), T.ceildiv(dim, block_k), batch * heads, threads=128) as (bv, bk, both):
            b, head = both // heads, both % heads
            q = T.alloc_shared((chunk, block_k), dtype)
            k = T.alloc_shared((chunk, block_k), dtype)
            v = T.alloc_shared((chunk, block_v), dtype)
            state = T.alloc_fragment((block_k, block_v), "float32")
            state_tile = T.alloc_shared((block_k, block_v), dtype)
            scores = T.alloc_fragment((chunk, chunk), "float32")
            scores_tile = T.alloc_shared((chunk, chunk), dtype)
            out = T.alloc_fragment((chunk, block_v), "float32")
            T.clear(state)
            for c in T.Pipelined(T.ceildiv(length, chunk), num_stages=1):
                T.copy(Q[b, c * chunk : (c + 1) * chunk, head, bk * block_k : (bk + 1) * block_k], q)
                T.copy(K[b, c * chunk : (c + 1) * chunk, head, bk * block_k : (bk + 1) * block_k], k)
                T.copy(V[b, c * chunk : (c + 1) * chunk, head, bv * block_v : (bv + 1) * block_v], v)
                T.gemm(q, k, scores, clear_accum=True, transpose_B=True)
                for i, j in T.Parallel(chunk, chunk):
                    scores_tile[i, j] = T.if_then_else(i >= j, scores[i, j], 0)
                T.copy(state, state_tile)  # of the chunks before this one
                T.gemm(scores_tile, v, out, clear_accum=True)
                T.gemm(q, state_tile, out)
                T.gemm(k, v, state, transpose_A=True)
                for i, j in T.Parallel(chunk, block_v):
                    out[i, j] *= scale
                T.atomic_add(O[b, c * chunk : (c + 1) * chunk, head, bv * block_v : (bv + 1) * block_v], out)

    return main


def main() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    for batch, length, heads, dim in [(1, 128, 2, 64), (2, 150, 1, 128)]:
        q, k, v = (torch.rand(batch, length, heads, dim, device=device).half() - 0.5 for _ in range(3))
        out = torch.zeros(batch, length, heads, dim, device=device)
        linear_attention(batch, length, heads, dim)(q, k, v, out)
        qd, kd, vd = (x.double().transpose(1, 2) for x in (q, k, v))
        expected = ((qd @ kd.mT).tril() * dim**-0.5 @ vd).transpose(1, 2)
        torch.testing.assert_close(out.double(), expected, rtol=5e-3, atol=5e-3)
        print(f"linear attention of {batch} x {length} x {heads} x {dim}: matches torch")


if __name__ == "__main__":
    main()
