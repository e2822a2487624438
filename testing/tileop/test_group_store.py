"""Persistent blocks whose warpgroups store their rows apart: the same numbers, no race, and where it is not done."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

HOPPER = {"kind": "cuda", "arch": "sm_90a"}


def product(M, N, K, bm, bn, threads, out="float16", policy=T.GemmWarpPolicy.FullRow, scaled=False):
    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K), "float16"), C: T.Tensor((M, N), out)):
        with T.Kernel(T.ceildiv(N, bn), T.ceildiv(M, bm), threads=threads) as (bx, by):
            A_s, B_s = T.alloc_shared((bm, 64), "float16"), T.alloc_shared((bn, 64), "float16")
            C_l, C_s = T.alloc_fragment((bm, bn), "float32"), T.alloc_shared((bm, bn), out)
            T.clear(C_l)
            for k in T.Pipelined(T.ceildiv(K, 64), num_stages=3):
                T.copy(A[by * bm, k * 64], A_s)
                T.copy(B[bx * bn, k * 64], B_s)
                T.gemm(A_s, B_s, C_l, transpose_B=True, policy=policy)
            if scaled:
                for i, j in T.Parallel(bm, bn):
                    C_l[i, j] *= 0.5
            T.copy(C_l, C_s)
            T.copy(C_s, C[by * bm, bx * bn])

    return main


def compiled(*args, configs=None, **options):
    program = product(*args, **options)
    kernel = tilelang.compile(program, target=HOPPER, execution_backend="simulator", pass_configs=configs or {})
    return kernel, any("apart from each other" in str(r) for r in kernel.remarks)


@pytest.mark.parametrize(
    "M, N, K, bm, bn, threads, options",
    [
        (128 * 12 - 40, 256 * 12 - 24, 136, 128, 256, 256, {}),  # ragged in all three; 144 tiles
        (128 * 12, 256 * 12 - 8, 64, 128, 256, 256, {"out": "bfloat16", "scaled": True}),
        (192 * 12 - 8, 192 * 12, 128, 192, 192, 384, {}),  # three warpgroups
        (256 * 12 - 72, 128 * 12, 64, 256, 128, 256, {}),  # two pieces of rows a warpgroup
    ],
)
def test_products(M, N, K, bm, bn, threads, options):
    kernel, apart = compiled(M, N, K, bm, bn, threads, **options)
    # Two instructions of 64 rows a warpgroup: rows 0-63 and 128-191 are the first one's, and the block stores together.
    assert apart == (bm == 64 * threads // 128)
    a, b = torch.randn(M, K).half(), torch.randn(N, K).half()
    c = torch.full((M, N), float("nan"), dtype=getattr(torch, options.get("out", "float16")))
    kernel(a, b, c)
    expected = a.double() @ b.double().T * (0.5 if options.get("scaled") else 1.0)
    torch.testing.assert_close(c.double(), expected, rtol=1e-2, atol=0.06)


def test_no_race_is_found():
    M, N, K = 128 * 12, 256 * 11 + 8, 128
    kernel, apart = compiled(M, N, K, 128, 256, 256)
    assert apart
    report = kernel.check(torch.randn(M, K).half(), torch.randn(N, K).half(), torch.empty(M, N).half(), schedules=3)
    assert not report.findings, report


def test_where_the_block_stores_together():
    """Warpgroups side by side along columns, or the pass switched off."""
    shape = 128 * 12, 256 * 12, 64, 128, 256, 256
    _, apart = compiled(*shape, policy=T.GemmWarpPolicy.FullCol)
    assert not apart
    _, apart = compiled(*shape, configs={"tl.disable_group_stores": True})
    assert not apart
