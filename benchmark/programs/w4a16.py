"""fp16 activations by 4-bit weights, written for warpgroups: the product is transposed, so that the weights are the operand that
wgmma takes from registers. Once unpacked they do not go back to shared memory, and no barrier waits for them.

`pack` brings the codes once, offline, into the order in which threads hold them (PTX ISA, "wgmma.mma_async", register fragment of
A): of 16 rows by 64 columns each lane's 32 codes are 16 bytes in a row, one wide load.
"""

from __future__ import annotations

from typing import Any

import torch

import tilelang.language as T
from tilelang.layout import make_swizzled_layout

STEP = 64  # columns of one packed block
ROWS = 16  # and its rows: 512 bytes, four lines of 128
OFFSET = 8  # a code c stands for c - 8


def pack(codes: torch.Tensor) -> torch.Tensor:
    """(N, K) codes of 0 to 15 in uint8 -> (K / 64 * N / 4, 128) bytes: for each 64 columns the blocks of all rows."""
    N, K = codes.shape
    # n = 8 half_row + r; k = 16 step + 8 half + 2 q + pair. Lane 4 r + q; its bytes count step, half, half_row.
    parts = codes.reshape(N // ROWS, 2, 8, K // STEP, 4, 2, 4, 2)  # block, half_row, r, column, step, half, q, pair
    lanes = parts.permute(3, 0, 2, 6, 4, 5, 1, 7)  # column, block, r, q, step, half, half_row, pair
    return (lanes[..., 0] | lanes[..., 1] << 4).reshape(K // STEP * N // 4, 128).contiguous()


def w4a16(M: int, N: int, K: int, bm: int = 128, bn: int = 128, splits: int = 1, stages: int = 4, overlap: bool = False) -> Any:
    """C (M, N) = A (M, K) @ (codes - 8)^T in fp16.

    A warpgroup to 64 weight rows; `bm` activations are the instruction's columns, a multiple of 8 up to 256. The `splits` blocks
    along K of a tile are a cluster, which adds up its sums in its shared memories: each block those of bm / splits rows. With
    `overlap` launches of it in a row overlap (programmatic dependent launch), which pays for few rows; without, the compiler
    makes it persistent where there are more tiles than multiprocessors.
    """
    part = bm // splits

    @T.prim_func
    def w4a16(A: T.Tensor((M, K), "float16"), W: T.Tensor((K // STEP * N // 4, 128), "uint8"), C: T.Tensor((M, N), "float16")):
        with T.Kernel(N // bn, T.ceildiv(M, bm), splits, cluster_dims=(1, 1, splits), threads=bn * 2) as (bx, by, bz):
            A_s = T.alloc_shared((bm, STEP), "float16")
            W_s = T.alloc_shared((bn // 4, 128), "uint8")
            W_f = T.alloc_fragment((bn, STEP), "float16")
            C_f = T.alloc_fragment((bn, bm), "float32")
            C_s = T.alloc_shared((part, bn), "float16")
            if overlap:  # the next launch's blocks set up their barriers beside this one's last, and wait here
                T.pdl_sync()
                T.pdl_trigger()
            T.clear(C_f)
            steps = K // STEP // splits
            for k in T.Pipelined(steps, num_stages=stages):
                T.copy(A[by * bm, (bz * steps + k) * STEP], A_s)
                T.copy(W[(bz * steps + k) * (N // 4) + bx * (bn // 4), 0], W_s)
                for i, j in T.Parallel(bn, STEP):
                    place = j // 8 * 2 + i % 16 // 8
                    byte = T.cast(W_s[i // ROWS * 4 + i % 8 // 2, (i % 2 * 4 + j % 8 // 2) * 16 + place], "int32")
                    W_f[i, j] = T.cast((byte >> (j % 2 * 4)) & 15, "float16") - T.float16(OFFSET)
                T.gemm(W_f, A_s, C_f, transpose_B=True, policy=T.GemmWarpPolicy.FullRow)
            if splits == 1:
                for i, j in T.Parallel(bn, bm):
                    C_s[j, i] = C_f[i, j]
            else:
                own = T.alloc_shared((bm, bn), "float32")
                parts = T.alloc_shared((splits, part, bn), "float32")
                total = T.alloc_fragment((part, bn), "float32")
                T.annotate_layout({own: make_swizzled_layout(own)})
                for i, j in T.Parallel(bn, bm):
                    own[j, i] = C_f[i, j]
                T.cluster_sync()  # the others are done with the tiles whose place `parts` takes
                for r in T.unroll(splits):
                    T.copy_cluster(own[r * part : (r + 1) * part, :], parts[bz, :, :], dst_block=r)
                T.cluster_sync()
                T.clear(total)
                for s in T.serial(splits):
                    for i, j in T.Parallel(part, bn):
                        total[i, j] += parts[s, i, j]
                T.copy(total, C_s)
            T.copy(C_s, C[by * bm + bz * part, bx * bn])

    return w4a16
