"""Values that functions of TVM make, among those of the language: `tirx.const`, `tirx.reinterpret`, `tirx.Select`."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang.errors import DTypeError

tir = tilelang.tvm.tirx


def float4(val, pos, scale):
    """A code of four bits as a bfloat16 times 2^scale, written with TVM's constructors."""
    of = T.uint16
    code = (val >> (pos.astype(of) * tir.const(4, of))) & tir.const(15, of)
    exponent = T.min(((code & tir.const(6, of)) >> tir.const(1, of)) + tir.const(126, of) + scale, tir.const(255, of))
    sign, mantissa = code >> tir.const(3, of), tir.const(1, of) & code
    bits = (((sign << tir.const(8, of)) | exponent) << tir.const(7, of)) | (mantissa << tir.const(6, of))
    return tir.reinterpret(T.bfloat16, bits.astype(of))


def test_a_decoder(device):
    @T.prim_func
    def main(A: T.Tensor((40,), "uint8"), S: T.Tensor((40,), "uint8"), B: T.Tensor((40, 2), "bfloat16")):
        with T.Kernel(1, threads=64):
            for i, j in T.Parallel(40, 2):
                B[i, j] = float4(A[i], j, S[i])

    a, s = (torch.randint(0, n, (40,), dtype=torch.uint8, device=device) for n in (256, 9))
    out = run(main, [a, s], ((40, 2), "bfloat16"), device=device)
    codes = torch.stack([a & 15, a >> 4], 1).int()
    expected = (1 - 2 * (codes >> 3)) * 2.0 ** (((codes & 6) >> 1) - 1 + s.int()[:, None]) * (1 + (codes & 1) / 2)
    assert torch.equal(out.float(), expected)


def test_assignment_binds_what_memory_holds(device):
    @T.prim_func
    def main(A: T.Tensor((64,), "int32"), B: T.Tensor((64,), "int32"), C: T.Tensor((64,), "int32")):
        with T.Kernel(1, threads=64):
            t = T.get_thread_binding()
            own = T.alloc_local((1,), "int32")
            own[0] = A[t]
            before = tir.Cast("int32", own[0] + 1)
            own[0] = 0
            if tir.all(t > 3, t < 9):
                B[t] = before
            else:
                B[t] = tir.Select(t > 20, tir.const(2, "int32") * t, tir.max(t, 7))
            C[tir.Cast("int32", 63 - t)] = tir.IntImm("int32", 5) + own[0] + t

    a = random((64,), "int32", device, -1000, 1000)
    b, c = run(main, [a], ((64,), "int32"), ((64,), "int32"), device=device)
    t = torch.arange(64, device=device, dtype=torch.int32)
    assert torch.equal(b, torch.where((t > 3) & (t < 9), a + 1, torch.where(t > 20, 2 * t, t.clamp(min=7))))
    assert torch.equal(c, 5 + t.flip(0))


def test_a_buffer_of_tvm_is_no_value():
    foreign = tir.decl_buffer((4,), "float32", "foreign")

    @T.prim_func
    def main(A: T.Tensor((4,), "float32")):
        with T.Kernel(1, threads=32):
            A[0] = A[1] + foreign

    with pytest.raises(DTypeError, match="must be a scalar value"):
        tilelang.compile(main)
