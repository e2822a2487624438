"""2:4 sparse products: T.gemm_sp against the dense product of the matrix that was compressed."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from testing.programs.launch import run
from testing.programs.reference import assert_close
from tilelang.errors import DTypeError, SemanticError, ShapeError
from tilelang.utils.sparse import compress, decompress, make_semi_sparse, randint_semi_sparse, randn_semi_sparse

SM80 = {"kind": "cuda", "arch": "sm_80"}
SM90 = {"kind": "cuda", "arch": "sm_90a"}


def matmul(
    M,
    N,
    K,
    block,
    dtype,
    code,
    accum,
    trans_A=False,
    trans_E=False,
    trans_B=False,
    stages=0,
    by_hand=False,
    annotated=False,
):
    m, n, k = block
    covered = torch.empty((), dtype=getattr(torch, code)).element_size() * (4 if dtype == "float32" else 8)
    e = k // covered

    def shape(rows, columns, swapped):
        return (columns, rows) if swapped else (rows, columns)

    def at(rows, columns, swapped):
        return (columns, rows) if swapped else (rows, columns)

    @T.prim_func
    def main(
        A: T.Tensor(shape(M, K // 2, trans_A), dtype),
        E: T.Tensor(shape(M, K // covered, trans_E), code),
        B: T.Tensor(shape(K, N, trans_B), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(T.ceildiv(N, n), T.ceildiv(M, m), threads=128) as (bx, by):
            A_s = T.alloc_shared(shape(m, k // 2, trans_A), dtype)
            E_s = T.alloc_shared(shape(m, e, trans_E), code)
            B_s = T.alloc_shared(shape(k, n, trans_B), dtype)
            acc = T.alloc_fragment((m, n), accum)
            if annotated:
                T.annotate_layout(
                    {
                        E: tilelang.layout.make_cutlass_metadata_layout(E, mma_dtype=dtype, arch="8.0"),
                        E_s: tilelang.layout.make_cutlass_metadata_layout(E_s, mma_dtype=dtype, arch="8.0"),
                    }
                )
            T.clear(acc)
            for ko in T.Pipelined(T.ceildiv(K, k), num_stages=stages):
                T.copy(A[at(by * m, ko * k // 2, trans_A)], A_s)
                T.copy(E[at(by * m, ko * e, trans_E)], E_s)
                T.copy(B[at(ko * k, bx * n, trans_B)], B_s)
                if by_hand:
                    T.wgmma_gemm_sp(A_s, E_s, B_s, acc, trans_A, trans_E, trans_B)
                    T.wait_wgmma(0)
                else:
                    T.gemm_sp(A_s, E_s, B_s, acc, trans_A, trans_E, trans_B, policy=T.GemmWarpPolicy.FullRow)
            T.copy(acc, C[by * m, bx * n])

    return main


CASES = [
    ("float16", "int16", "float32", dict(annotated=True), SM80),
    ("float16", "int16", "float32", dict(stages=2), SM90),
    ("float16", "int32", "float32", dict(trans_A=True, trans_B=True), SM80),
    ("bfloat16", "uint8", "float32", dict(trans_E=True, by_hand=True), SM90),
    ("float32", "int16", "float32", dict(trans_B=True), SM80),
    ("int8", "int32", "int32", dict(trans_B=True), SM80),
]


@pytest.mark.parametrize("dtype, code, accum, options, target", CASES)
def test_against_the_dense_product(dtype, code, accum, options, target, device):
    M, N, K = 100, 72, 192
    kind = getattr(torch, dtype)
    if dtype == "int8":
        a = randint_semi_sparse(M, K, -20, 20, device=device)
        b = torch.randint(-20, 20, (K, N), device=device).to(kind)
    else:
        a, b = randn_semi_sparse(M, K, kind, device), torch.randn(K, N, device=device).to(kind)
    kept, places = compress(a, metadata_dtype=getattr(torch, code))
    given = [
        kept.t().contiguous() if options.get("trans_A") else kept,
        places.t().contiguous() if options.get("trans_E") else places,
        b.t().contiguous() if options.get("trans_B") else b,
    ]
    out = run(matmul(M, N, K, (64, 64, 64), dtype, code, accum, **options), given, ((M, N), accum), device=device, target=target)
    exact = a.double() @ b.double()
    if dtype == "int8":
        assert torch.equal(out.double(), exact)
    elif dtype == "float32":  # tfloat32 products
        torch.testing.assert_close(out.double(), exact, rtol=1e-2, atol=5e-2)
    else:
        assert_close(out, exact, terms=K, scale=a.double().abs() @ b.double().abs())


@pytest.mark.parametrize("dtype, code", [("float16", "int16"), ("int8", "uint8"), ("float32", "int32")])
def test_compress_and_back(dtype, code):
    a = make_semi_sparse(torch.randint(-9, 9, (7, 128)).to(getattr(torch, dtype)))
    kept, places = compress(a, metadata_dtype=getattr(torch, code))
    assert kept.shape == (7, 64) and torch.equal(decompress(kept, places), a)
    across, same = compress(a.t().contiguous(), transposed=True, metadata_dtype=getattr(torch, code), arch="9.0")
    assert torch.equal(across.t(), kept) and torch.equal(same, places)
    with pytest.raises(ShapeError, match="are not zero"):
        compress(torch.ones(4, 64).half())
    with pytest.raises(ShapeError, match="multiple of 16"):
        compress(torch.zeros(4, 24).half())


@pytest.mark.parametrize(
    "shapes, code, options, error, words",
    [
        (((64, 32), (64, 8), (64, 64)), "int16", {}, ShapeError, "E is 64 x 4"),
        (((64, 16), (64, 4), (64, 64)), "int16", {}, ShapeError, "A_sparse is 64 x 32"),
        (((64, 32), (64, 4), (64, 64)), "float16", {}, DTypeError, "int8, int16, int32"),
        (((64, 32), (64, 4), (64, 64)), "int16", dict(wg_wait=2), SemanticError, "T.wait_wgmma"),
    ],
)
def test_misuse(shapes, code, options, error, words):
    @T.prim_func
    def main(A: T.Tensor((64, 64), "float32")):
        with T.Kernel(1, threads=128):
            a = T.alloc_shared(shapes[0], "float16")
            e = T.alloc_shared(shapes[1], code)
            b = T.alloc_shared(shapes[2], "float16")
            c = T.alloc_fragment((64, 64), "float32")
            T.gemm_sp(a, e, b, c, **options)

    with pytest.raises(error) as caught:
        main.get()
    assert words in str(caught.value)
