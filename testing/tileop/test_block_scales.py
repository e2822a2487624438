"""Block scales of sm_100a against float64, in the simulator and through NVRTC and ptxas. No such GPU was at hand."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import assembles, clean, compiled
from tilelang.errors import DTypeError, SemanticError, ShapeError

BYTE = {"float8_e4m3fn": torch.float8_e4m3fn, "float8_e5m2": torch.float8_e5m2}


def scaled(shape, tiles, types, granularity=(128, 128), trans_b=True, waits="itself", words="uint32"):
    """C = (A SFA) (B SFB); a word of scales holds four blocks along k."""
    (m, n, k), (bm, bn, bk) = shape, tiles
    per_a, per_b = granularity
    words_a, words_b = -(-k // per_a // 4), -(-k // per_b // 4)
    columns = -(-bn // 128) * 128

    @T.prim_func
    def main(
        A: T.Tensor((m, k), types[0]),
        B: T.Tensor((n, k) if trans_b else (k, n), types[1]),
        SA: T.Tensor((words_a, m), words),
        SB: T.Tensor((words_b, n), words),
        C: T.Tensor((m, n), "float32"),
    ):
        with T.Kernel(T.ceildiv(n, bn), T.ceildiv(m, bm), threads=128) as (bx, by):
            A_s = T.alloc_shared((bm, bk), types[0])
            B_s = T.alloc_shared((bn, bk) if trans_b else (bk, bn), types[1])
            SA_s, SB_s = T.alloc_shared((bm,), words), T.alloc_shared((columns,), words)
            SA_t, SB_t = T.alloc_tmem((128, bm // 32), words), T.alloc_tmem((128, columns // 32), words)
            C_t = T.alloc_tmem((bm, bn), "float32")
            done = T.alloc_barrier(1) if waits == "author" else None
            for i in T.Pipelined(k // bk, num_stages=2):
                T.copy(A[by * bm, i * bk], A_s)
                if trans_b:
                    T.copy(B[bx * bn, i * bk], B_s)
                else:
                    T.copy(B[i * bk, bx * bn], B_s)
                T.copy(SA[i * bk // per_a // 4, by * bm], SA_s)
                for j in T.Parallel(columns):
                    SB_s[j] = T.if_then_else(j < bn, SB[i * bk // per_b // 4, bx * bn + j], T.cast(0, words))
                T.tcgen05_sf_warp_transpose(SA_s)
                T.tcgen05_sf_warp_transpose(SB_s)
                T.tcgen05_cp_warpx4(SA_s, SA_t)
                T.tcgen05_cp_warpx4(SB_s, SB_t)
                multiply = T.tcgen05_gemm_blockscaled if waits == "author" else T.gemm_blockscaled
                multiply(
                    A_s, B_s, C_t, SA_t, SB_t, transpose_B=trans_b, clear_accum=i == 0, wg_wait=0 if waits == "itself" else -1,
                    mbar=done, k_start=i * bk, sf_a_granularity_k=per_a, sf_b_granularity_k=per_b,
                )  # fmt: skip
                if waits == "author":
                    T.mbarrier_wait_parity(done, i % 2)
            T.copy(C_t, C[by * bm, bx * bn])

    return main


def packed(scales):
    """Bytes [row, block] as words [block / 4, row], the first block in the lowest byte."""
    rows, blocks = scales.shape
    padded = torch.zeros(rows, -(-blocks // 4) * 4, dtype=torch.uint8)
    padded[:, :blocks] = scales
    return padded.view(torch.int32).T.contiguous().view(torch.uint32)


@pytest.mark.parametrize(
    "shape, tiles, types, granularity, trans_b, waits",
    [
        ((256, 256, 512), (128, 128, 128), ("float8_e4m3fn", "float8_e4m3fn"), (128, 128), True, "itself"),
        ((128, 64, 1024), (128, 64, 128), ("float8_e4m3fn", "float8_e5m2"), (128, 128), True, "author"),
        ((256, 256, 256), (256, 128, 128), ("float8_e5m2", "float8_e4m3fn"), (32, 64), True, "itself"),
        ((128, 128, 256), (128, 128, 64), ("float8_e4m3fn", "float8_e4m3fn"), (64, 32), False, "author"),
        ((128, 256, 128), (128, 256, 128), ("float8_e4m3fn", "float8_e4m3fn"), (32, 32), True, "itself"),
    ],
)
def test_scales(shape, tiles, types, granularity, trans_b, waits):
    m, n, k = shape
    kernel = compiled(scaled(shape, tiles, types, granularity, trans_b, waits))
    a, b = torch.randn(m, k).to(BYTE[types[0]]), torch.randn(n, k).to(BYTE[types[1]])
    sa = torch.randint(120, 134, (m, k // granularity[0])).to(torch.uint8)
    sb = torch.randint(120, 134, (n, k // granularity[1])).to(torch.uint8)
    left = a.double() * torch.exp2(sa.double() - 127).repeat_interleave(granularity[0], 1)
    right = b.double() * torch.exp2(sb.double() - 127).repeat_interleave(granularity[1], 1)
    c = torch.full((m, n), float("nan"))
    inputs = (a, b if trans_b else b.T.contiguous(), packed(sa), packed(sb), c)
    kernel(*inputs)
    assert bool(((c.double() - left @ right.T).abs() <= 2.0**-20 * (left.abs() @ right.T.abs())).all())
    clean(kernel, *inputs)
    assembles(kernel)


def test_refusals():
    fine = ((128, 128, 128), (128, 128, 128))
    with pytest.raises(DTypeError, match="block scales of float16"):
        compiled(scaled(*fine, ("float16", "float16")))
    with pytest.raises(ShapeError, match="scales of 48 elements"):
        compiled(scaled(*fine, ("float8_e4m3fn", "float8_e4m3fn"), (48, 128)))
    with pytest.raises(SemanticError, match="C of T.tcgen05_gemm_blockscaled is not in tensor memory"):

        @T.prim_func
        def main(A: T.Tensor((128, 128), "float8_e4m3fn")):
            with T.Kernel(1, threads=128) as _:
                A_s, C_f = T.alloc_shared((128, 128), "float8_e4m3fn"), T.alloc_fragment((128, 128), "float32")
                S = T.alloc_tmem((128, 4), "uint32")
                T.tcgen05_gemm_blockscaled(A_s, A_s, C_f, S, S, k_start=0, sf_a_granularity_k=32, sf_b_granularity_k=32)

        compiled(main)
