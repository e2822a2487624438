"""tilelang.quantize: expressions and device functions that decode packed weights, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import random
from tilelang import quantize
from tilelang.errors import DTypeError, UnsupportedError

ROWS = 24


def decoder(group, n, bits, dtype, extra=0):
    """Row by row, 16 values a thread."""

    @T.prim_func
    def main(Q: T.Tensor((ROWS, n * bits // 8), "int8"), S: T.Tensor((2,), "float16"), O: T.Tensor((ROWS, n), dtype)):
        with T.Kernel(ROWS, threads=n // 16, prelude=group["c_source"]) as row:
            t = T.get_thread_binding()
            packed, values, more = T.alloc_local((2 * bits,), "int8"), T.alloc_local((16,), dtype), T.alloc_local((2,), "float16")
            for v in T.serial(2 * bits):
                packed[v] = Q[row, t * 2 * bits + v]
            for v in T.serial(2):
                more[v] = S[v]
            arguments = [T.address_of(more[k]) for k in range(extra)]
            T.call_extern("handle", group["func_name"], T.address_of(packed[0]), T.address_of(values[0]), *arguments, 16)
            for v in T.vectorized(16):
                O[row, t * 16 + v] = values[v]

    return main


def interleaved(codes, bits, target):
    packed = quantize.interleave_weight(quantize.general_compress(codes, bits), bits, target)
    return torch.from_numpy(packed.reshape(ROWS, -1))


@pytest.mark.parametrize(("bits", "signed"), [(1, False), (2, False), (2, True), (4, False), (4, True)])
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8"])
def test_integer_codes(dtype, bits, signed, device):
    codes = np.random.randint(0, 1 << bits, (ROWS, 96)).astype(np.int8)
    group = quantize.get_lop3_intrin_group(dtype, "int" if signed else "uint", bits)
    packed = interleaved(codes, bits, "int8" if dtype == "int8" else "float16").to(device)
    out = run(
        decoder(group, 96, bits, dtype),
        [packed, torch.ones(2, dtype=torch.float16, device=device)],
        ((ROWS, 96), dtype),
        device=device,
    )
    expected = codes.astype(np.int32) - (1 << (bits - 1) if signed else 0)
    assert (out.float().cpu().numpy() == expected).all()


@pytest.mark.parametrize("zeros", [None, "original", "rescale"])
def test_scales_and_zeros(zeros, device):
    codes = np.random.randint(0, 16, (ROWS, 64)).astype(np.int8)
    group = quantize.get_lop3_intrin_group(T.float16, T.int32, 4, "int8", True, zeros is not None, zeros or "original")
    s = torch.tensor([0.5, 3.0], dtype=torch.float16, device=device)
    program = decoder(group, 64, 4, "float16", extra=1 if zeros is None else 2)
    out = run(program, [interleaved(codes, 4, "float16").to(device), s], ((ROWS, 64), "float16"), device=device)
    values = torch.from_numpy(codes.astype(np.float64)) - 8
    expected = {None: values * 0.5, "original": (values - 3) * 0.5, "rescale": values * 0.5 - 3}[zeros]
    assert torch.equal(out.double().cpu(), expected)


FLOAT4 = np.array([0, 0.5, 1, 1.5, 2, 3, 4, 6])


@pytest.mark.parametrize("twiddled", [False, True])
def test_floats_of_four_bits(twiddled, device):
    codes = np.random.randint(0, 16, (ROWS, 64))
    group = quantize.get_mxfp_intrin_group("bfloat16", T.uint, 4, "uint8", use_twiddling=twiddled)
    if twiddled:  # sign, exponent and mantissa of four codes, each where the docstring has it in two bytes
        sign, exponent, mantissa = codes >> 3 << 15, (codes >> 1 & 3) << 7, (codes & 1) << 6
        word = np.zeros((ROWS, 16), np.int64)
        for k in range(3):
            word |= (sign | exponent | mantissa)[:, k::4] >> 3 * k
        word |= (sign >> 1)[:, 3::4] | (exponent << 3)[:, 3::4] | (mantissa << 7)[:, 3::4]
        packed = np.stack([word >> 8, word & 255], -1).astype(np.uint8).reshape(ROWS, -1)
    else:
        packed = (codes[:, ::2] | codes[:, 1::2] << 4).astype(np.uint8)

    @T.prim_func
    def main(Q: T.Tensor((ROWS, 32), "uint8"), O: T.Tensor((ROWS, 64), "bfloat16")):
        with T.Kernel(1, threads=ROWS * 4):
            T.import_source(group["c_source"])
            t = T.get_thread_binding()
            words, values = T.alloc_local((8,), "uint8"), T.alloc_local((16,), "bfloat16")
            for v in T.vectorized(8):
                words[v] = Q[t // 4, t % 4 * 8 + v]
            T.call_extern(group["func_name"], T.access_ptr(words, "r"), T.access_ptr(values, "w"), 2, dtype="bfloat16")
            for v in T.vectorized(16):
                O[t // 4, t % 4 * 16 + v] = values[v]

    out = run(main, [torch.from_numpy(packed).to(device)], ((ROWS, 64), "bfloat16"), device=device)
    assert (out.float().cpu().numpy() == FLOAT4[codes & 7] * np.where(codes > 7, -1, 1)).all()


def converted(convert, of, dtype, n=ROWS):
    @T.prim_func
    def main(Q: T.Tensor((n,), of), O: T.Tensor((n, 2), dtype)):
        with T.Kernel(1, threads=32):
            for i, j in T.Parallel(n, 2):
                O[i, j] = convert(Q[i], j)

    return main


@pytest.mark.parametrize("of", ["uint8", "int8"])
def test_expressions(of, device):
    words = torch.randint(0, 256, (ROWS,), dtype=torch.uint8, device=device)
    codes = torch.stack([words & 15, words >> 4], 1).int().cpu()
    signed = quantize._tir_packed_to_signed_convert(of[:-1], 8)
    unsigned = quantize._tir_packed_to_unsigned_convert(of[:-1], 8)
    complement = quantize._tir_packed_int_to_int_convert(of[:-1], 8)
    zeros = quantize._tir_packed_to_unsigned_convert_with_zeros(of[:-1], 8)
    exponent = quantize._tir_packed_to_fp4_to_f16(of[:-1], 8)
    for convert, dtype, expected in [
        (lambda w, k: signed(4, w, k, "float16"), "float16", codes - 8),
        (lambda w, k: unsigned(4, w, k, "float16"), "float16", codes),
        (lambda w, k: complement(4, w, k, "int8"), "int8", (codes ^ 8) - 8),
        (lambda w, k: zeros(4, w, k, 5, "int8"), "int8", codes - 5),
        (
            lambda w, k: exponent(4, w, k, "float16"),
            "float16",
            torch.where(codes % 8 == 0, 0.0, 2.0 ** (codes % 8 - 7)) * torch.where(codes > 7, -1, 1),
        ),
        (
            lambda w, k: quantize._tir_u8_to_f4_to_bf16(4, w, k, 3, "bfloat16"),
            "bfloat16",
            8 * torch.where(codes > 7, -1, 1) * 2.0 ** ((codes % 8) // 2 - 1) * (1 + codes % 2 / 2),
        ),
    ]:
        out = run(converted(convert, of, dtype), [words.view(getattr(torch, of))], ((ROWS, 2), dtype), device=device)
        assert torch.equal(out.float().cpu(), expected.float())
    bytes_ = words.clone()
    bytes_[bytes_ % 128 == 127] = 0  # no NaN
    program = converted(lambda w, k: quantize._tir_u8_to_f8_e4m3_to_f16(8, w, "float16"), "uint8", "float16")
    out = run(program, [bytes_], ((ROWS, 2), "float16"), device=device)
    assert torch.equal(out[:, 1].cpu(), bytes_.cpu().view(torch.float8_e4m3fn).half())


def test_a_product_with_packed_weights_is_pipelined(device):
    N, K, M, bk = 64, 192, 70, 64
    group = quantize.get_lop3_intrin_group("float16", "int", 4)

    @T.prim_func
    def main(A: T.Tensor((M, K), "float16"), B: T.Tensor((N, K // 2), "int8"), C: T.Tensor((M, N), "float32")):
        with T.Kernel(T.ceildiv(M, 64), threads=128, prelude=group["c_source"]) as bx:
            As, Bs = T.alloc_shared((64, bk), "float16"), T.alloc_shared((N, bk // 2), "int8")
            Bd, Cl = T.alloc_shared((N, bk), "float16"), T.alloc_fragment((64, N), "float32")
            packed, values = T.alloc_local((4,), "int8"), T.alloc_local((8,), "float16")
            t = T.get_thread_binding()
            T.clear(Cl)
            for k in T.Pipelined(K // bk, num_stages=2):
                T.copy(A[bx * 64, k * bk], As)
                T.copy(B[0, k * bk // 2], Bs)
                for i in T.serial(N * bk // 8 // 128):
                    at = (i * 128 + t) * 8
                    for v in T.vectorized(4):
                        packed[v] = Bs[at // bk, at % bk // 2 + v]
                    T.call_extern("handle", group["func_name"], T.address_of(packed[0]), T.address_of(values[0]))
                    for v in T.vectorized(8):
                        Bd[at // bk, at % bk + v] = values[v]
                T.gemm(As, Bd, Cl, transpose_B=True)
            T.copy(Cl, C[bx * 64, 0])

    codes = np.random.randint(0, 16, (N, K)).astype(np.int8)
    b = torch.from_numpy(quantize.interleave_weight(quantize.general_compress(codes), 4, "float16")).to(device)
    a = random((M, K), "float16", device)
    kernel = tilelang.compile(main, **({"target": {"kind": "cuda", "arch": "sm_90a"}} if device == "cpu" else {}))
    out = run(kernel, [a, b], ((M, N), "float32"), device=device)
    expected = a.double() @ (torch.from_numpy(codes).to(device).double() - 8).T
    torch.testing.assert_close(out.double(), expected, rtol=1e-3, atol=1e-2)
    if device == "cpu":
        assert "copies As by tma load" in str(kernel.remarks)


def test_refusals():
    with pytest.raises(UnsupportedError, match="decoding of int1 to float16"):
        quantize.get_lop3_intrin_group("float16", "int", 1)
    with pytest.raises(UnsupportedError, match="4-bit floats to float16"):
        quantize.get_mxfp_intrin_group("float16")
    with pytest.raises(DTypeError, match="codes of 3 bits"):
        quantize.general_compress(np.zeros((4, 8)), 3)
