"""Block scales of sm_120a against float64, in the simulator and through NVRTC and ptxas. No such GPU was at hand."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.tileop.test_tcgen05 import clean
from tilelang.errors import DTypeError, ResourceError, SemanticError, ShapeError, UnsupportedError
from tilelang.toolchain.nvrtc import compile_text

FLOAT4, E4M3, E5M2, E8M0 = "float4_e2m1fn", "float8_e4m3fn", "float8_e5m2", "float8_e8m0fnu"
TORCH = {E4M3: torch.float8_e4m3fn, E5M2: torch.float8_e5m2, E8M0: torch.float8_e8m0fnu}
VALUES = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6], dtype=torch.float64)


def compiled(func, arch="sm_120a"):
    return tilelang.compile(func, target={"kind": "cuda", "arch": arch}, execution_backend="simulator")


def assembles(kernel):
    cubin, log = compile_text(kernel.get_kernel_source(), "sm_120a", form="cubin", name="main", options=[], verbose=False)
    assert cubin and "for 'sm_120a'" in log


def scaled(
    shape, tiles, types, granularity, trans=(False, True), codes=E4M3, held="tile", layout="row_major", shared_c=False, policy=0,
    threads=128, multiply=T.mma_gemm_blockscaled,
):  # fmt: skip
    """C = (A SFA) (B SFB). A tile of scales holds those of the step ("tile"), or of all K ("all"); words hold four."""
    (m, n, k), (bm, bn, bk), (per_a, per_b) = shape, tiles, granularity
    whole, per = held == "all", 4 if codes == "uint32" else 1
    count_a, count_b = (-(-(k if whole else bk) // g // per) for g in granularity)
    total_a, total_b = (-(-k // g // per) for g in granularity)
    more = {} if layout == "row_major" else {"sf_layout": layout}

    def placed(rows, columns):
        return (rows, columns) if layout == "row_major" else (columns, rows)

    @T.prim_func
    def main(
        A: T.Tensor((k, m) if trans[0] else (m, k), types[0]),
        B: T.Tensor((n, k) if trans[1] else (k, n), types[1]),
        SA: T.Tensor(placed(m, total_a), codes),
        SB: T.Tensor(placed(n, total_b), codes),
        C: T.Tensor((m, n), "float32"),
    ):
        with T.Kernel(T.ceildiv(n, bn), T.ceildiv(m, bm), threads=threads) as (bx, by):
            A_s = T.alloc_shared((bk, bm) if trans[0] else (bm, bk), types[0])
            B_s = T.alloc_shared((bn, bk) if trans[1] else (bk, bn), types[1])
            SA_s, SB_s = T.alloc_shared(placed(bm, count_a), codes), T.alloc_shared(placed(bn, count_b), codes)
            acc = T.alloc_shared((bm, bn), "float32") if shared_c else T.alloc_fragment((bm, bn), "float32")
            for i in T.Pipelined(T.ceildiv(k, bk), num_stages=2):
                if trans[0]:
                    T.copy(A[i * bk, by * bm], A_s)
                else:
                    T.copy(A[by * bm, i * bk], A_s)
                if trans[1]:
                    T.copy(B[bx * bn, i * bk], B_s)
                else:
                    T.copy(B[i * bk, bx * bn], B_s)
                ka, kb = 0 if whole else i * bk // per_a // per, 0 if whole else i * bk // per_b // per
                if layout == "row_major":
                    T.copy(SA[by * bm, ka], SA_s)
                    T.copy(SB[bx * bn, kb], SB_s)
                else:
                    T.copy(SA[ka, by * bm], SA_s)
                    T.copy(SB[kb, bx * bn], SB_s)
                multiply(
                    A_s, B_s, acc, SA_s, SB_s, transpose_A=trans[0], transpose_B=trans[1], policy=policy, clear_accum=i == 0,
                    k_start=i * bk, sf_a_granularity_k=per_a, sf_b_granularity_k=per_b, **more,
                )  # fmt: skip
            T.copy(acc, C[by * bm, bx * bn])

    return main


def operand(rows, k, dtype, transposed):
    """Values in float64, [row, k], and the tensor that a kernel takes."""
    if dtype == FLOAT4:
        codes = torch.randint(0, 16, (rows, k), dtype=torch.uint8)
        return VALUES[codes.long()], codes[:, ::2] | codes[:, 1::2] << 4
    tensor = torch.randn(rows, k).to(TORCH[dtype])
    return tensor.double(), tensor.T.contiguous() if transposed else tensor


def scales(rows, blocks, kind, codes, layout):
    """Values in float64, [row, block], and the tensor that a kernel takes."""
    if kind == E4M3:
        bits = torch.randint(0, 0x7F, (rows, blocks), dtype=torch.uint8)
    else:
        bits = torch.randint(117, 137, (rows, blocks), dtype=torch.uint8)
    values = bits.view(TORCH[kind]).double()
    if codes == "uint32":
        padded = torch.zeros(rows, -(-blocks // 4) * 4, dtype=torch.uint8)
        padded[:, :blocks] = bits
        bits = padded.view(torch.int32)
    bits = bits if layout == "row_major" else bits.T.contiguous()
    return values, bits.view(getattr(torch, codes))


def check(shape, tiles, types, granularity, kind, trans=(False, True), codes=None, layout="row_major", findings=False, **how):
    m, n, k = shape
    codes = codes or kind
    kernel = compiled(scaled(shape, tiles, types, granularity, trans, codes, layout=layout, **how))
    a, a_in = operand(m, k, types[0], trans[0])
    b, b_in = operand(n, k, types[1], not trans[1])
    sa, sa_in = scales(m, -(-k // granularity[0]), kind, codes, layout)
    sb, sb_in = scales(n, -(-k // granularity[1]), kind, codes, layout)
    left = a * sa.repeat_interleave(granularity[0], 1)[:, :k]
    right = b * sb.repeat_interleave(granularity[1], 1)[:, :k]
    c = torch.full((m, n), float("nan"))
    inputs = (a_in, b_in, sa_in, sb_in, c)
    kernel(*inputs)
    assert bool(((c.double() - left @ right.T).abs() <= 2.0**-21 * (left.abs() @ right.T.abs())).all())
    if findings:
        clean(kernel, *inputs)
    assembles(kernel)
    return kernel


@pytest.mark.parametrize(
    "shape, tiles, granularity, kind, how",
    [
        ((128, 128, 256), (64, 64, 128), (16, 16), E4M3, {"findings": True}),
        ((100, 72, 320), (64, 64, 64), (16, 16), E4M3, {"codes": "uint32"}),
        ((64, 64, 192), (64, 64, 64), (16, 16), E4M3, {"codes": "uint8", "held": "all"}),
        ((64, 96, 256), (64, 96, 128), (16, 32), E4M3, {"codes": "uint8", "layout": "column_major"}),
        ((64, 64, 256), (64, 64, 128), (32, 32), E8M0, {"shared_c": True}),
        ((40, 24, 256), (48, 24, 64), (32, 64), E8M0, {"codes": "uint32", "held": "all", "threads": 96}),
        ((16, 8, 128), (16, 8, 64), (16, 16), E4M3, {}),  # one warp works
        ((48, 40, 192), (48, 40, 192), (48, 16), E4M3, {"codes": "uint8", "threads": 256}),
        ((32, 64, 512), (32, 64, 256), (128, 32), E8M0, {"policy": T.GemmWarpPolicy.FullCol}),
    ],
)
def test_float4(shape, tiles, granularity, kind, how):
    check(shape, tiles, (FLOAT4, FLOAT4), granularity, kind, **how)


@pytest.mark.parametrize(
    "shape, tiles, types, granularity, trans, how",
    [
        ((64, 64, 128), (64, 64, 64), (E4M3, E4M3), (32, 32), (False, True), {"findings": True}),
        ((72, 40, 256), (64, 32, 64), (E4M3, E5M2), (64, 32), (False, False), {"codes": "uint8"}),
        ((64, 64, 256), (64, 64, 128), (E5M2, E4M3), (128, 128), (True, True), {"codes": "uint32", "held": "all"}),
        ((64, 64, 64), (64, 64, 64), (E5M2, E5M2), (32, 32), (True, False), {"multiply": T.gemm_blockscaled}),
    ],
)
def test_float8(shape, tiles, types, granularity, trans, how):
    check(shape, tiles, types, granularity, E8M0, trans, **how)


@pytest.mark.parametrize(
    "error, text, change",
    [
        (UnsupportedError, "are of sm_120a; the target is sm_90a", {"arch": "sm_90a"}),
        (UnsupportedError, "4-bit elements that are neighbours along M", {"trans": (True, True)}),
        (UnsupportedError, "4-bit elements that are neighbours along N", {"trans": (False, False)}),
        (DTypeError, "of float8_e4m3fn by float8_e4m3fn into float32, with scales of float8_e4m3fn", {"types": (E4M3, E4M3)}),
        (DTypeError, "of float16 by float16 into float32", {"types": ("float16", "float16"), "codes": "uint8"}),
        (DTypeError, "SFA of T.mma_gemm_blockscaled, SA_s, is float32", {"codes": "float32"}),
        (ShapeError, "of 40 x 64 x 128", {"tiles": (40, 64, 128)}),
        (ShapeError, "of 64 x 64 x 32", {"tiles": (64, 64, 32)}),
        (ShapeError, "8 elements along K share a scale of SFB", {"granularity": (16, 8)}),
        (ShapeError, "16 elements along K share a scale of SFA", {"codes": E8M0}),
        (SemanticError, "sf_layout='blocked'", {"layout": "blocked"}),
        (UnsupportedError, "by 48 threads", {"threads": 48}),
    ],
)
def test_refusals(error, text, change):
    given = {"tiles": (64, 64, 128), "types": (FLOAT4, FLOAT4), "granularity": (16, 16), **change}
    arch = given.pop("arch", "sm_120a")
    with pytest.raises(error, match=text):
        compiled(scaled((64, 64, 128), **given), arch)


def test_scales_of_too_few_blocks():
    @T.prim_func
    def main(A: T.Tensor((64, 128), FLOAT4)):
        with T.Kernel(1, threads=128):
            A_s, acc = T.alloc_shared((64, 128), FLOAT4), T.alloc_fragment((64, 64), "float32")
            S = T.alloc_shared((64, 4), E4M3)
            T.copy(A, A_s)
            T.mma_gemm_blockscaled(A_s, A_s, acc, S, S, False, True, k_start=0, sf_a_granularity_k=16, sf_b_granularity_k=16)

    with pytest.raises(ShapeError, match=r"(?s)SFA .* has scales of 64 x 4 float8_e4m3fn, row_major\n.*\(64, 8\) bytes at least"):
        compiled(main)


def test_operands_elsewhere():
    @T.prim_func
    def fragment(A: T.Tensor((64, 64), E4M3)):
        with T.Kernel(1, threads=128):
            A_s, A_f = T.alloc_shared((64, 64), E4M3), T.alloc_fragment((64, 64), E4M3)
            S, acc = T.alloc_shared((64, 2), E8M0), T.alloc_fragment((64, 64), "float32")
            T.copy(A, A_f)
            T.gemm_blockscaled(A_f, A_s, acc, S, S, False, True, k_start=0, sf_a_granularity_k=32, sf_b_granularity_k=32)

    with pytest.raises(UnsupportedError, match="A_f, is in local.fragment memory"):
        compiled(fragment)

    @T.prim_func
    def barrier(A: T.Tensor((64, 64), E4M3)):
        with T.Kernel(1, threads=128):
            A_s, S = T.alloc_shared((64, 64), E4M3), T.alloc_shared((64, 2), E8M0)
            acc, done = T.alloc_fragment((64, 64), "float32"), T.alloc_barrier(1)
            T.gemm_blockscaled(A_s, A_s, acc, S, S, k_start=0, sf_a_granularity_k=32, sf_b_granularity_k=32, mbar=done)

    with pytest.raises(UnsupportedError, match="C, acc, is in local.fragment"):
        compiled(barrier)


def test_words_of_stages_by_hand():
    """A word of four scales for each row: a vector, and a row of a tile of stages."""
    m, n, k = 64, 64, 256

    @T.prim_func
    def main(
        A: T.Tensor((m, k), FLOAT4), B: T.Tensor((n, k), FLOAT4),
        SA: T.Tensor((k // 64, m), "uint32"), SB: T.Tensor((k // 64, n), "uint32"), C: T.Tensor((m, n), "float32"),
    ):  # fmt: skip
        with T.Kernel(1, threads=128):
            A_s, B_s = T.alloc_shared((2, m, 64), FLOAT4), T.alloc_shared((n, 64), FLOAT4)
            SA_s, SB_s = T.alloc_shared((m,), "uint32"), T.alloc_shared((2, n), "uint32")
            acc = T.alloc_fragment((m, n), "float32")
            T.clear(acc)
            for i in T.serial(k // 64):
                T.copy(A[0, i * 64], A_s[i % 2, :, :])
                T.copy(B[0, i * 64], B_s)
                T.copy(SA[i, 0], SA_s)
                T.copy(SB[i, :], SB_s[i % 2, :])
                T.mma_gemm_blockscaled(
                    A_s[i % 2, :, :], B_s, acc, SA_s, SB_s[i % 2, :], False, True,
                    k_start=i * 64, sf_a_granularity_k=16, sf_b_granularity_k=16,
                )  # fmt: skip
            T.copy(acc, C)

    kernel = compiled(main)
    (a, a_in), (b, b_in) = (operand(rows, k, FLOAT4, False) for rows in (m, n))
    (sa, sa_in), (sb, sb_in) = (scales(rows, k // 16, E4M3, "uint32", "row_major") for rows in (m, n))
    sa_in, sb_in = (s.view(torch.int32).T.contiguous().view(torch.uint32) for s in (sa_in, sb_in))
    left, right = (x * s.repeat_interleave(16, 1) for x, s in ((a, sa), (b, sb)))
    c = torch.full((m, n), float("nan"))
    kernel(a_in, b_in, sa_in, sb_in, c)
    assert bool(((c.double() - left @ right.T).abs() <= 2.0**-20 * (left.abs() @ right.abs().T)).all())
    clean(kernel, a_in, b_in, sa_in, sb_in, c)


def test_operands_that_the_kernel_computes():
    """Quantised on the way: the scales too are written by threads."""
    m, n, k = 64, 64, 256

    @T.prim_func
    def main(
        A: T.Tensor((m, k), "float16"),
        B: T.Tensor((n, k), E4M3),
        SB: T.Tensor((n, k // 32), E8M0),
        C: T.Tensor((m, n), "float32"),
    ):
        with T.Kernel(1, threads=128):
            A_s, A_8, B_s = T.alloc_shared((m, 64), "float16"), T.alloc_shared((m, 64), E4M3), T.alloc_shared((n, 64), E4M3)
            SA_s, SB_s = T.alloc_shared((m, 2), "uint8"), T.alloc_shared((n, k // 32), E8M0)
            acc = T.alloc_fragment((m, n), "float32")
            T.copy(SB, SB_s)
            T.clear(acc)
            for i in T.Pipelined(k // 64, num_stages=2):
                T.copy(A[0, i * 64], A_s)
                T.copy(B[0, i * 64], B_s)
                for r, c in T.Parallel(m, 64):
                    A_8[r, c] = T.cast(A_s[r, c] * T.float16(2), E4M3)
                for r, c in T.Parallel(m, 2):
                    SA_s[r, c] = T.cast(126, "uint8")
                T.mma_gemm_blockscaled(
                    A_8, B_s, acc, SA_s, SB_s, False, True, k_start=i * 64, sf_a_granularity_k=32, sf_b_granularity_k=32
                )
            T.copy(acc, C)

    kernel = compiled(main)
    a, (b, b_in), (sb, sb_in) = torch.randn(m, k).half(), operand(n, k, E4M3, False), scales(n, k // 32, E8M0, E8M0, "row_major")
    c = torch.full((m, n), float("nan"))
    kernel(a, b_in, sb_in, c)
    left, right = (a * 2).to(TORCH[E4M3]).double() / 2, b * sb.repeat_interleave(32, 1)
    assert bool(((c.double() - left @ right.T).abs() <= 2.0**-20 * (left.abs() @ right.abs().T)).all())
    clean(kernel, a, b_in, sb_in, c)


@pytest.mark.parametrize("dtype", ["float16", E4M3])
def test_products_without_scales(dtype):
    """What sm_120a has of sm_90: mma.sync, TMA and mbarriers; no wgmma, no tensor memory, 99 KB of shared memory."""

    def product(stages):
        @T.prim_func
        def main(A: T.Tensor((128, 512), dtype), B: T.Tensor((128, 512), dtype), C: T.Tensor((128, 128), "float32")):
            with T.Kernel(1, threads=128):
                A_s, B_s = T.alloc_shared((128, 128), dtype), T.alloc_shared((128, 128), dtype)
                acc = T.alloc_fragment((128, 128), "float32")
                T.clear(acc)
                for i in T.Pipelined(4, num_stages=stages):
                    T.copy(A[0, i * 128], A_s)
                    T.copy(B[0, i * 128], B_s)
                    T.gemm(A_s, B_s, acc, transpose_B=True)
                T.copy(acc, C)

        return main

    kernel = compiled(product(1), "sm_120")
    source = kernel.get_kernel_source()
    assert "tl::mma_m16n8k" in source and "wgmma" not in source
    a, b = (torch.randn(128, 512).to(TORCH.get(dtype, torch.float16)) for _ in range(2))
    c = torch.full((128, 128), float("nan"))
    kernel(a, b, c)
    torch.testing.assert_close(c.double(), a.double() @ b.double().T, rtol=1e-4, atol=1e-2)
    assembles(kernel)
    with pytest.raises(ResourceError, match="sm_120a"):
        compiled(product(8), "sm_120")
