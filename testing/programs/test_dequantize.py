"""Packed codes of 1 to 8 bits to elements, in the spellings that authors use; every code, bit for bit."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import torch_dtype

ROWS, BYTES = 16, 128


def shift_and_mask(q, j, bits, dtype):
    pack = 8 // bits
    return T.cast((T.cast(q, "int32") >> ((j % pack) * bits)) & ((1 << bits) - 1), dtype)


def in_bytes(q, j, bits, dtype):
    return T.cast((q >> T.cast((j % (8 // bits)) * bits, "uint8")) & T.uint8((1 << bits) - 1), dtype)


def divide(q, j, bits, dtype):
    pack = 8 // bits
    high = T.cast(q, "int32") // 16 if bits == 4 else T.cast(q, "int32") >> ((j % pack) * bits)
    return T.cast((T.if_then_else(j % 2 == 0, T.cast(q, "int32"), high) if bits == 4 else high) % (1 << bits), dtype)


def zero_point(q, j, bits, dtype):
    return shift_and_mask(q, j, bits, dtype) - T.cast(1 << (bits - 1), dtype)


def sign_extended(q, j, bits, dtype):
    code = (T.cast(q, "int32") >> ((j % (8 // bits)) * bits)) & ((1 << bits) - 1)
    return T.cast(((code << (32 - bits)) >> (32 - bits)), dtype)


def conditional_sign(q, j, bits, dtype):
    code = (T.cast(q, "int32") >> ((j % (8 // bits)) * bits)) & ((1 << bits) - 1)
    return T.cast(T.if_then_else(code >= 1 << (bits - 1), code - (1 << bits), code), dtype)


def squared(q, j, bits, dtype):
    code = (T.cast(q, "int32") >> ((j % (8 // bits)) * bits)) & ((1 << bits) - 1)
    return T.cast(code * code - 3, dtype)


def codes_of(q: torch.Tensor, bits: int) -> torch.Tensor:
    shifts = torch.arange(0, 8, bits)
    return ((q.int()[..., None] >> shifts) & ((1 << bits) - 1)).reshape(q.shape[0], -1)


def signed(c, bits):
    return torch.where(c >= 1 << (bits - 1), c - (1 << bits), c)


SPELLINGS = {
    "shift_and_mask": (shift_and_mask, lambda c, bits: c),
    "in_bytes": (in_bytes, lambda c, bits: c),
    "divide": (divide, lambda c, bits: c),
    "zero_point": (zero_point, lambda c, bits: c - (1 << (bits - 1))),
    "sign_extended": (sign_extended, signed),
    "conditional_sign": (conditional_sign, signed),
    "squared": (squared, lambda c, bits: c * c - 3),
}


def unpack_rows(spelling, bits, dtype, threads=64):
    pack = 8 // bits

    @T.prim_func
    def main(Q: T.Tensor((ROWS, BYTES), "uint8"), C: T.Tensor((ROWS, BYTES * pack), dtype)):
        with T.Kernel(ROWS // 4, threads=threads) as bx:
            Qs = T.alloc_shared((4, BYTES), "uint8")
            Cl = T.alloc_fragment((4, BYTES * pack), dtype)
            T.copy(Q[bx * 4, 0], Qs)
            for i, j in T.Parallel(4, BYTES * pack):
                Cl[i, j] = spelling(Qs[i, j // pack], j, bits, dtype)
            T.copy(Cl, C[bx * 4, 0])

    return main


def spellings_at_once(names, bits, dtype):
    """All in one program: what costs is the compilation."""
    pack, count = 8 // bits, len(names)

    @T.macro
    def spell(name, n, bx, Qs, C):
        for i, j in T.Parallel(4, BYTES * pack):
            C[n, bx * 4 + i, j] = SPELLINGS[name][0](Qs[i, j // pack], j, bits, dtype)

    @T.prim_func
    def main(Q: T.Tensor((ROWS, BYTES), "uint8"), C: T.Tensor((count, ROWS, BYTES * pack), dtype)):
        with T.Kernel(ROWS // 4, threads=64) as bx:
            Qs = T.alloc_shared((4, BYTES), "uint8")
            T.copy(Q[bx * 4, 0], Qs)
            spell(names[0], 0, bx, Qs, C)
            if count > 1:
                spell(names[1], 1, bx, Qs, C)
            if count > 2:
                spell(names[2], 2, bx, Qs, C)
                spell(names[3], 3, bx, Qs, C)
                spell(names[4], 4, bx, Qs, C)
                spell(names[5], 5, bx, Qs, C)
                spell(names[6], 6, bx, Qs, C)

    return main


def every_byte() -> torch.Tensor:
    rows = [torch.randperm(256)[:BYTES] if r % 2 else torch.arange(BYTES) + r // 2 % 2 * BYTES for r in range(ROWS)]
    return torch.stack(rows).to(torch.uint8)


def check(got: torch.Tensor, wanted: torch.Tensor, dtype: str) -> None:
    wanted = wanted.to(torch_dtype(dtype))
    assert torch.equal(got.cpu().view(torch.uint8), wanted.view(torch.uint8))


CASES = [
    *[(tuple(SPELLINGS), bits, dtype) for bits in (1, 2, 4) for dtype in ("float16", "bfloat16")],
    *[(("shift_and_mask", "sign_extended"), bits, "int8") for bits in (1, 2, 4)],
    (("shift_and_mask", "conditional_sign"), 4, "float8_e4m3fn"),
    (("shift_and_mask", "conditional_sign"), 2, "float8_e5m2"),
    (("zero_point",), 4, "float32"),
]


@pytest.mark.parametrize("names, bits, dtype", CASES, ids=lambda v: str(v) if not isinstance(v, tuple) else "")
def test_spellings(names, bits, dtype, device):
    q, wide = every_byte(), (len(names), ROWS, BYTES * 8 // bits)
    kernel = tilelang.compile(spellings_at_once(names, bits, dtype))
    results = run(kernel, [q.to(device)], (wide, dtype), device=device)
    for name, got in zip(names, results):
        check(got, SPELLINGS[name][1](codes_of(q, bits), bits), dtype)
    source = kernel.get_kernel_source()
    assert source.count("tl::unpack<") + source.count("tl::look_up<") == (0 if dtype == "float32" else len(names))


@pytest.mark.parametrize("src", ["int8", "uint8"])
@pytest.mark.parametrize("dst", ["float16", "bfloat16"])
def test_bytes(src, dst, device):
    @T.prim_func
    def main(Q: T.Tensor((512,), src), C: T.Tensor((512,), dst)):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(512):
                C[i] = T.cast(Q[i], dst)

    q = torch.cat([torch.arange(256), torch.randperm(256)]).to(torch.uint8).view(torch_dtype(src))
    kernel = tilelang.compile(main)
    check(run(kernel, [q.to(device)], ((512,), dst), device=device), q, dst)
    assert "tl::unpack<8, " in kernel.get_kernel_source()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_scales_of_groups_and_zero_points_of_rows(dtype, device):
    """Only the codes are a table; scale and zero point are read while running."""
    K, group = 256, 32

    @T.prim_func
    def main(
        Q: T.Tensor((8, K // 2), "uint8"),
        S: T.Tensor((8, K // group), dtype),
        Z: T.Tensor((8,), dtype),
        C: T.Tensor((8, K), dtype),
    ):
        with T.Kernel(1, threads=64):
            Qs = T.alloc_shared((8, K // 2), "uint8")
            Cl = T.alloc_fragment((8, K), dtype)
            T.copy(Q, Qs)
            for i, j in T.Parallel(8, K):
                Cl[i, j] = (shift_and_mask(Qs[i, j // 2], j, 4, dtype) - Z[i]) * S[i, j // group]
            T.copy(Cl, C)

    q = torch.randint(0, 256, (8, K // 2)).to(torch.uint8)
    s, z = torch.rand(8, K // group).to(torch_dtype(dtype)), torch.randint(0, 16, (8,)).to(torch_dtype(dtype))
    kernel = tilelang.compile(main)
    got = run(kernel, [x.to(device) for x in (q, s, z)], ((8, K), dtype), device=device)
    difference = (codes_of(q, 4).to(torch_dtype(dtype)) - z[:, None]).double()
    check(got, difference * s.double().repeat_interleave(group, 1), dtype)
    assert "tl::unpack<4, 32, 0, 0>" in kernel.get_kernel_source()


def test_four_bit_floats(device):
    """The bits of a bfloat16 put together from those of a 4-bit float, with a scale: a table of 16 values."""

    def decode(q, j):
        f4 = (q >> T.cast((j % 2) * 4, "uint8")) & T.uint8(15)
        sign, exponent, mantissa = f4 >> T.uint8(3), (f4 & T.uint8(6)) >> T.uint8(1), f4 & T.uint8(1)
        e16 = T.cast(exponent, "uint16") + T.uint16(126)
        return T.reinterpret(
            (((T.cast(sign, "uint16") << T.uint16(8)) | e16) << T.uint16(7)) | (T.cast(mantissa, "uint16") << T.uint16(6)),
            "bfloat16",
        )

    kernel = tilelang.compile(unpack_rows(lambda q, j, bits, dtype: decode(q, j), 4, "bfloat16"))
    q = every_byte()
    got = run(kernel, [q.to(device)], ((ROWS, BYTES * 2), "bfloat16"), device=device)
    c = codes_of(q, 4)
    check(got, (1 - 2 * (c >> 3)) * 2.0 ** ((c >> 1 & 3) - 1.0) * (1 + (c & 1) / 2), "bfloat16")
    assert "tl::look_up<4, " in kernel.get_kernel_source()


@pytest.mark.parametrize("storage", ["uint32", "int32", "int16"])
def test_codes_in_wider_words(storage, device):
    bits = int(storage.removeprefix("u").removeprefix("int"))
    pack, words = bits // 4, 64

    @T.prim_func
    def main(Q: T.Tensor((words,), storage), C: T.Tensor((words * pack,), "float16")):
        with T.Kernel(1, threads=32):
            for i in T.Parallel(words * pack):
                code = (Q[i // pack] >> T.cast((i % pack) * 4, storage)) & T.cast(15, storage)
                C[i] = T.cast(code, "float16") - T.cast(8, "float16")

    q = torch.randint(0, 256, (words * bits // 8,), dtype=torch.uint8)
    kernel = tilelang.compile(main)
    got = run(kernel, [q.view(torch_dtype(storage)).to(device)], ((words * pack,), "float16"), device=device)
    check(got[None], codes_of(q[None], 4) - 8, "float16")
    assert "tl::unpack<4, " in kernel.get_kernel_source()


def test_ragged_rows(device):
    """A row of 100 codes: the tail of the last vector stays inside."""

    @T.prim_func
    def main(Q: T.Tensor((10, 50), "uint8"), C: T.Tensor((10, 100), "float16")):
        with T.Kernel(2, threads=32) as bx:
            Qs = T.alloc_shared((8, 64), "uint8")
            Cl = T.alloc_fragment((8, 128), "float16")
            T.copy(Q[bx * 8, 0], Qs)
            for i, j in T.Parallel(8, 128):
                Cl[i, j] = zero_point(Qs[i, j // 2], j, 4, "float16")
            T.copy(Cl, C[bx * 8, 0])

    q = torch.randint(0, 256, (10, 50)).to(torch.uint8)
    got = run(tilelang.compile(main), [q.to(device)], ((10, 100), "float16"), device=device)
    check(got, codes_of(q, 4) - 8, "float16")


@pytest.mark.parametrize("direct", [True, False], ids=["from_global", "from_shared"])
@pytest.mark.parametrize("bits", [2, 4])
def test_codes_in_fragments(bits, direct, device):
    """The packed tile is in registers: its owner unpacks it, nothing goes through shared memory."""
    pack = 8 // bits

    @T.prim_func
    def main(Q: T.Tensor((16, 32), "uint8"), S: T.Tensor((16,), "float16"), C: T.Tensor((16, 32 * pack), "float16")):
        with T.Kernel(1, threads=32):
            Qs = T.alloc_shared((16, 32), "uint8")
            Ql = T.alloc_fragment((16, 32), "uint8")
            Cl = T.alloc_fragment((16, 32 * pack), "float16")
            Cs = T.alloc_shared((16, 32 * pack), "float16")
            if direct:
                T.copy(Q, Ql)
            else:
                T.copy(Q, Qs)
                T.copy(Qs, Ql)
            for i, j in T.Parallel(16, 32 * pack):
                Cl[i, j] = zero_point(Ql[i, j // pack], j, bits, "float16") * S[i]
            T.copy(Cl, Cs)
            T.copy(Cs, C)

    q, s = torch.randint(0, 256, (16, 32)).to(torch.uint8), 2.0 ** torch.randint(-3, 3, (16,))
    kernel = tilelang.compile(main)
    got = run(kernel, [q.to(device), s.half().to(device)], ((16, 32 * pack), "float16"), device=device)
    check(got, (codes_of(q, bits) - (1 << (bits - 1))) * s[:, None], "float16")
    assert "tl::unpack<" in kernel.get_kernel_source() and not kernel.remarks.of("missed")
