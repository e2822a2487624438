"""Shared elements that a thread's loops read side by side are loaded at once."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T

from .test_tma import HOPPER

ROWS, COLUMNS = 64, 32


def program(order, guarded=False, writes=False):
    """A wgmma operand from a tile whose elements stand in the order of registers: lane by lane, or not."""

    @T.prim_func
    def main(P: T.Tensor((ROWS, COLUMNS), "float16"), B: T.Tensor((8, COLUMNS), "float16"), C: T.Tensor((ROWS, 8), "float32")):
        with T.Kernel(1, threads=128):
            S, B_s = T.alloc_shared((ROWS // 16, 16 * COLUMNS), "float16"), T.alloc_shared((8, COLUMNS), "float16")
            A, O = T.alloc_fragment((ROWS, COLUMNS), "float16"), T.alloc_fragment((ROWS, 8), "float32")
            T.copy(B, B_s)
            for i, j in T.Parallel(ROWS // 16, 16 * COLUMNS):
                S[i, j] = P[i * 16 + j // COLUMNS, j % COLUMNS]
            for i, j in T.Parallel(ROWS, COLUMNS):
                lane = i % 8 * 4 + j % 8 // 2
                place = (j // 8 * 2 + i % 16 // 8) * 2 + j % 2 if order == "registers" else j // 8 * 32 + i % 16 // 8 * 2 + j % 2
                at = lane * 16 + place if order == "registers" else lane * 4 % 16 + lane * 4 // 16 * 64 % 512
                if guarded:
                    A[i, j] = T.if_then_else(j < 20, S[i // 16, at], 0)
                else:
                    A[i, j] = S[i // 16, at]
            T.gemm(A, B_s, O, transpose_B=True, clear_accum=True)
            T.copy(O, C)

    return main


def expected(order, p, b, guarded):
    flat = p.reshape(ROWS // 16, 16 * COLUMNS)
    i, j = torch.meshgrid(torch.arange(ROWS), torch.arange(COLUMNS), indexing="ij")
    lane = i % 8 * 4 + j % 8 // 2
    at = lane * 16 + (j // 8 * 2 + i % 16 // 8) * 2 + j % 2 if order == "registers" else lane * 4 % 16 + lane * 4 // 16 * 64 % 512
    a = flat[i // 16, at].float()
    if guarded:
        a = torch.where(j < 20, a, torch.zeros(()))
    return a @ b.float().T


@pytest.mark.parametrize(
    "order, guarded, wide", [("registers", False, True), ("registers", True, False), ("other", False, False)]
)
def test_operands_in_the_order_of_registers(order, guarded, wide):
    p, b = torch.randn(ROWS, COLUMNS).half(), torch.randn(8, COLUMNS).half()
    c = torch.full((ROWS, 8), float("nan"))
    kernel = tilelang.compile(program(order, guarded), target=HOPPER, execution_backend="simulator")
    kernel(p, b, c)
    torch.testing.assert_close(c, expected(order, p, b, guarded), rtol=1e-3, atol=1e-3)
    assert ("S_run" in kernel.get_kernel_source()) == wide
    report = kernel.check(p, b, c, schedules=1)
    assert not report.findings, report


def packed(scaled):
    """64 x 32 codes of 4 bits in the order of registers, unpacked where wgmma reads them; `scaled` by rows."""

    @T.prim_func
    def main(
        P: T.Tensor((ROWS // 16, 256), "uint8"),
        S: T.Tensor((ROWS,), "float16"),
        B: T.Tensor((8, COLUMNS), "float16"),
        C: T.Tensor((ROWS, 8), "float32"),
    ):
        with T.Kernel(1, threads=128):
            P_s, B_s = T.alloc_shared((ROWS // 16, 256), "uint8"), T.alloc_shared((8, COLUMNS), "float16")
            A, O = T.alloc_fragment((ROWS, COLUMNS), "float16"), T.alloc_fragment((ROWS, 8), "float32")
            T.copy(P, P_s)
            T.copy(B, B_s)
            for i, j in T.Parallel(ROWS, COLUMNS):
                lane, place = i % 8 * 4 + j % 8 // 2, j // 8 * 2 + i % 16 // 8
                byte = T.cast(P_s[i // 16, lane * 8 + place], "int32")
                code = T.cast((byte >> (j % 2 * 4)) & 15, "float16") - T.float16(8)
                A[i, j] = code * S[i] if scaled else code
            T.gemm(A, B_s, O, transpose_B=True, clear_accum=True)
            T.copy(O, C)

    return main


@pytest.mark.parametrize("scaled", (False, True))
def test_codes_of_a_run_are_unpacked_at_once(scaled):
    codes = torch.randint(0, 16, (ROWS, COLUMNS), dtype=torch.uint8)
    s, b = torch.rand(ROWS).half(), torch.randn(8, COLUMNS).half()
    i, j = torch.meshgrid(torch.arange(ROWS), torch.arange(0, COLUMNS, 2), indexing="ij")
    p = torch.zeros(ROWS // 16, 256, dtype=torch.uint8)
    p[i // 16, (i % 8 * 4 + j % 8 // 2) * 8 + j // 8 * 2 + i % 16 // 8] = codes[:, ::2] | codes[:, 1::2] << 4
    c = torch.full((ROWS, 8), float("nan"))
    kernel = tilelang.compile(packed(scaled), target=HOPPER, execution_backend="simulator")
    kernel(p, s, b, c)
    a = (codes.half() - 8) * (s[:, None] if scaled else 1)
    torch.testing.assert_close(c, a.float() @ b.float().T, rtol=1e-3, atol=1e-2)
    assert f"tl::unpack<4, 16, 0, -8>({'codes' if scaled else 'A'}, P_s_run)" in kernel.get_kernel_source()
