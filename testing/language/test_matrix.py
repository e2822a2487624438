"""Matrix instructions that programs issue one by one: ldmatrix, mma, mma.sp, and what surrounds them."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close
from tilelang.errors import DTypeError, SemanticError, UnsupportedError
from tilelang.utils.sparse import compress, randint_semi_sparse, randn_semi_sparse

SM80 = {"kind": "cuda", "arch": "sm_80"}
SM89 = {"kind": "cuda", "arch": "sm_89"}
_SHORT = {
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "int8": "int8",
    "float8_e4m3fn": "e4m3",
    "float8_e5m2": "e5m2",
}


def tile(dtype, accum, trans_B):
    """One warp: C (16 x 16) = A (16 x k) @ B, through ldmatrix and two instructions."""
    k = 256 // T.dtype(dtype).bits
    half, out = 128 // T.dtype(dtype).bits, {"int32": "int32"}.get(accum, _SHORT.get(accum))
    name = "tf32" if dtype == "float32" else _SHORT[dtype]
    types = (accum, f"m16n8k{k}", "row", "col", name, name, out)

    @T.prim_func
    def main(A: T.Tensor((16, k), dtype), B: T.Tensor((16, k) if trans_B else (k, 16), dtype), C: T.Tensor((16, 16), accum)):
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            A_s, B_s = T.alloc_shared(A.shape, dtype), T.alloc_shared(B.shape, dtype)
            C_s = T.alloc_shared((16, 16), accum)
            a, b = T.alloc_local((k // 2,), dtype), T.alloc_local((k // 2,), dtype)
            c = T.alloc_local((8,), accum)
            T.copy(A, A_s)
            T.copy(B, B_s)
            T.mma_fill(accum, 8, c.data, 0)
            T.ptx_ldmatrix(dtype, False, 4, ".b16", a.data, 0, A_s.data, T.get_ldmatrix_offset("A", tx, 0, k, dtype))
            if trans_B:
                T.ptx_ldmatrix(dtype, False, 2, ".b16", b, 0, T.address_of(B_s[tx % 8, tx // 8 % 2 * half]), 0)
                T.ptx_ldmatrix(dtype, False, 2, ".b16", b, k // 4, T.address_of(B_s[tx % 8, tx // 8 % 2 * half]), 8 * k)
            else:
                T.ptx_ldmatrix(dtype, True, 4, ".b16", b.data, 0, T.access_ptr(B_s, "r"), tx % 16 * 16 + tx // 16 * 8)
            T.ptx_mma(*types, a.data, 0, b.data, 0, c.data, 0, False)
            T.ptx_mma(*types, a.data, 0, b.data, k // 4, c.data, 4, T.bool(False))
            T.mma_store(accum, 16, 16, C_s.data, c.data, 0, 16)
            T.copy(C_s, C)

    return main


@pytest.mark.parametrize(
    "dtype, accum, trans_B",
    [
        ("float16", "float32", True),
        ("float16", "float16", False),
        ("bfloat16", "float32", False),
        ("float32", "float32", True),
        ("int8", "int32", True),
        ("float8_e5m2", "float32", True),
    ],
)
def test_one_tile(dtype, accum, trans_B, device):
    k, kind = 256 // T.dtype(dtype).bits, getattr(torch, dtype)
    a, b = (torch.randn(16, k, device=device).mul(8 if dtype == "int8" else 1).to(kind) for _ in range(2))
    out = run(
        tile(dtype, accum, trans_B), [a, b if trans_B else b.t().contiguous()], ((16, 16), accum), device=device, target=SM89
    )
    exact = a.double() @ b.double().t()
    if dtype == "int8":
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=5e-2)
    else:
        assert_close(out, exact, terms=k, scale=a.double().abs() @ b.double().abs().t())


def sparse_tile(dtype, accum, code, selector):
    """One warp: C (16 x 8) = A (16 x k, sparse) @ B, fragments element by element from the figures of the PTX ISA."""
    bits = T.dtype(dtype).bits
    k, packed, words = 512 // bits, 32 // bits, 32 // T.dtype(code).bits
    per_row = k // (2 if bits == 32 else 4) * 4 // T.dtype(code).bits
    short = {"int32": "int32"}.get(accum, _SHORT.get(accum))

    @T.prim_func
    def main(
        A: T.Tensor((16, k // 2), dtype),
        E: T.Tensor((16, per_row), code),
        B: T.Tensor((k, 8), dtype),
        C: T.Tensor((16, 8), accum),
    ):
        with T.Kernel(1, threads=32):
            tx = T.get_thread_binding()
            a, b = T.alloc_local((4 * packed,), dtype), T.alloc_local((4 * packed,), dtype)
            c, e = T.alloc_local((4,), accum), T.alloc_local((words,), code)
            T.mma_fill(accum, 4, c, 0)
            for i in T.serial(4 * packed):
                a[i] = A[tx // 4 + i // packed % 2 * 8, i // (2 * packed) * 4 * packed + tx % 4 * packed + i % packed]
                b[i] = B[i // packed * 4 * packed + tx % 4 * packed + i % packed, tx // 4]
            for w in T.serial(words):
                if bits == 8:
                    e[w] = E[tx // 4 + tx % 2 * 8, tx % 4 // 2 * words + w]
                else:  # half of the words for row g, half for row g + 8
                    e[w] = E[tx // 4 + w // (words // 2) * 8, tx % 2 * (words // 2) + w % (words // 2)]
            T.ptx_mma_sp(
                accum, f"m16n8k{k}", "row", "col", _SHORT[dtype], _SHORT[dtype], short, a, 0, b, 0, c, 0, e, 0, selector, False
            )
            for i in T.serial(4):
                C[tx // 4 + i // 2 * 8, tx % 4 * 2 + i % 2] = c[i]

    return main


@pytest.mark.parametrize(
    "dtype, accum, code, selector",
    [
        ("float16", "float32", "int16", 0),
        ("float16", "float16", "int16", 1),
        ("float32", "float32", "uint8", 0),
        ("int8", "int32", "int32", 0),
        ("float8_e4m3fn", "float32", "uint8", 0),
    ],
)
def test_one_sparse_tile(dtype, accum, code, selector, device):
    k, kind = 512 // T.dtype(dtype).bits, getattr(torch, dtype)
    if dtype == "int8":
        a, b = randint_semi_sparse(16, k, -9, 9, device=device), torch.randint(-9, 9, (k, 8), device=device).to(kind)
    else:
        a, b = randn_semi_sparse(16, k, kind, device), torch.randn(k, 8, device=device).to(kind)
    kept, places = compress(a, metadata_dtype=getattr(torch, code))
    out = run(sparse_tile(dtype, accum, code, selector), [kept, places, b], ((16, 8), accum), device=device, target=SM89)
    exact = a.double() @ b.double()
    if dtype == "int8":
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=5e-2)
    else:
        assert_close(out, exact, terms=k, scale=a.double().abs() @ b.double().abs())


def test_a_barrier_stands_between_what_lanes_write_and_ldmatrix_reads(device):
    """Four warps read rows that the others wrote, over and over."""

    @T.prim_func
    def main(A: T.Tensor((4, 16, 16), "float16"), C: T.Tensor((4, 128, 8), "float16")):
        with T.Kernel(1, threads=128):
            tx = T.get_thread_binding()
            S = T.alloc_shared((16, 16), "float16")
            a = T.alloc_local((8,), "float16")
            for step in T.serial(4):
                T.copy(A[step, :, :], S)
                T.ptx_ldmatrix("float16", False, 4, ".b16", a.data, 0, S.data, tx % 16 * 16 + tx % 32 // 16 * 8)
                for i in T.serial(8):
                    C[step, tx, i] = a[i]

    a = torch.randn(4, 16, 16, device=device).half()
    out = run(main, [a], ((4, 128, 8), "float16"), device=device, target=SM80)
    lane, i = torch.meshgrid(torch.arange(128) % 32, torch.arange(8), indexing="ij")
    row, column = lane // 4 + i // 2 % 2 * 8, i // 4 * 8 + lane % 4 * 2 + i % 2
    assert torch.equal(out.cpu(), a.cpu()[:, row, column])


@pytest.mark.parametrize(
    "use, error, words",
    [
        (lambda S, h, f: T.ptx_ldmatrix("float16", False, 3, ".b16", h, 0, S, 0), SemanticError, "1, 2 or 4"),
        (lambda S, h, f: T.ptx_ldmatrix("float16", False, 4, ".b8", h, 0, S, 0), UnsupportedError, ".b16"),
        (lambda S, h, f: T.ptx_ldmatrix("float16", False, 4, ".b16", S, 0, S, 0), SemanticError, "memory of local"),
        (lambda S, h, f: T.ptx_ldmatrix("float16", False, 4, ".b16", f, 0, S, 0), DTypeError, "one dtype on both sides"),
        (lambda S, h, f: T.ptx_ldmatrix("float16", False, 4, ".b16", 5, 0, S, 0), DTypeError, "buffer.data"),
        (lambda S, h, f: mma("m16n8k8", "fp16", h, f), UnsupportedError, "no m16n8k8 of float16"),
        (lambda S, h, f: mma("m16n8k16", "int4", h, f), DTypeError, "T.ptx_mma of int4"),
        (lambda S, h, f: mma("m16n8k16", "fp16", f, f), DTypeError, "not float16"),
        (lambda S, h, f: mma("m16n8k16", "fp16", h, f, B_layout="row"), UnsupportedError, 'B_layout="col"'),
        (lambda S, h, f: mma("m16n8k16", "fp16", h, f, saturate=True), UnsupportedError, "saturate=False"),
        (lambda S, h, f: mma("m16n8k16", "fp16", h, f, operator="xor"), UnsupportedError, "1-bit"),
        (lambda S, h, f: T.mma_fill("float16", 4, f, 0), DTypeError, "which is float32"),
        (lambda S, h, f: T.mma_fill("float32", 0, f, 0), SemanticError, "positive int"),
        (lambda S, h, f: T.mma_store("float16", 8, 8, S, h, 0, 8), UnsupportedError, "16 x 16"),
        (lambda S, h, f: T.mma_store("float32", 16, 16, S, f, 0, 8), DTypeError, "which is float16"),
        (lambda S, h, f: sparse(h, f, 2), SemanticError, "sparse_selector=2"),
        (lambda S, h, f: sparse(h, f, 0, h), DTypeError, "int8, int16 or int32"),
    ],
)
def test_misuse(use, error, words):
    @T.prim_func
    def main(A: T.Tensor((16, 16), "float16")):
        with T.Kernel(1, threads=32):
            S = T.alloc_shared((16, 16), "float16")
            h, f = T.alloc_local((8,), "float16"), T.alloc_local((8,), "float32")
            use(S, h, f)

    with pytest.raises(error) as caught:
        main.get()
    assert words in str(caught.value)


def mma(shape, name, h, f, B_layout="col", **options):
    T.ptx_mma("float32", shape, "row", B_layout, name, name, "fp32", h, 0, h, 0, f, 0, **options)


def sparse(h, f, selector, code=None):
    code = T.alloc_local((1,), "uint32") if code is None else code
    T.ptx_mma_sp("float32", "m16n8k32", "row", "col", "fp16", "fp16", "fp32", h, 0, h, 0, f, 0, code, 0, selector, False)
