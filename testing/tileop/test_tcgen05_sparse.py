"""T.tcgen05_gemm_sp (sm_100a) against the dense product, in the simulator and through ptxas. No such GPU was at hand."""

from __future__ import annotations

import pytest
import torch

import tilelang.language as T
from testing.tileop.test_tcgen05 import assembles, clean, compiled
from tilelang.errors import ShapeError, UnsupportedError
from tilelang.utils.sparse import compress, decompress, randint_semi_sparse, randn_semi_sparse


def matmul(M, N, K, k, dtype, accum, trans_a=False, trans_b=False, stages=2, function=T.tcgen05_gemm_sp):
    covered = 32 if dtype == "int8" else 16
    code = "int32" if dtype == "int8" else "int16"

    @T.prim_func
    def main(
        A: T.Tensor((K // 2, M) if trans_a else (M, K // 2), dtype),
        E: T.Tensor((M, K // covered), code),
        B: T.Tensor((N, K) if trans_b else (K, N), dtype),
        C: T.Tensor((M, N), accum),
    ):
        with T.Kernel(M // 128, threads=128) as by:
            A_s = T.alloc_shared((k // 2, 128) if trans_a else (128, k // 2), dtype)
            E_s = T.alloc_shared((128, k // covered), code)
            B_s = T.alloc_shared((N, k) if trans_b else (k, N), dtype)
            C_t, C_f = T.alloc_tmem((128, N), accum), T.alloc_fragment((128, N), accum)
            for i in T.Pipelined(K // k, num_stages=stages):
                if trans_a:
                    T.copy(A[i * k // 2, by * 128], A_s)
                else:
                    T.copy(A[by * 128, i * k // 2], A_s)
                T.copy(E[by * 128, i * k // covered], E_s)
                if trans_b:
                    T.copy(B[0, i * k], B_s)
                else:
                    T.copy(B[i * k, 0], B_s)
                function(A_s, E_s, B_s, C_t, trans_a, False, trans_b, clear_accum=i == 0)
            T.copy(C_t, C_f)
            T.copy(C_f, C[by * 128, 0])

    return main


@pytest.mark.parametrize(
    "shape, dtype, accum, options",
    [
        ((256, 64, 256, 64), "float16", "float32", {}),
        ((128, 96, 128, 32), "bfloat16", "float32", dict(trans_a=True, trans_b=True, stages=0)),
        ((128, 64, 256, 128), "int8", "int32", dict(trans_b=True)),
        ((128, 32, 128, 64), "float16", "float32", dict(function=T.gemm_sp)),
    ],
)
def test_against_the_dense_product(shape, dtype, accum, options):
    M, N, K, _ = shape
    integral = dtype == "int8"
    a = randint_semi_sparse(M, K, -128, 128) if integral else randn_semi_sparse(M, K, dtype=getattr(torch, dtype))
    b = torch.randint(-128, 128, (K, N), dtype=torch.int8) if integral else torch.randn(K, N).to(a.dtype)
    kept, places = compress(a)
    c = torch.full((M, N), 77 if integral else torch.nan).to(getattr(torch, accum))
    kernel = compiled(matmul(*shape, dtype, accum, **options))
    kernel(
        kept.t().contiguous() if options.get("trans_a") else kept, places, b.t().contiguous() if options.get("trans_b") else b, c
    )
    exact = decompress(kept, places).double() @ b.double()
    if integral:
        assert torch.equal(c.double(), exact)
    else:
        torch.testing.assert_close(c.double(), exact, rtol=0, atol=1e-5 * exact.abs().max().item())
    assert "tcgen05.mma.sp is not in this version" in str(kernel.remarks)


def test_assembles_and_is_clean():
    kernel = compiled(matmul(128, 64, 128, 64, "float16", "float32"))
    assembles(kernel)
    kept, places = compress(randn_semi_sparse(128, 128))
    clean(kernel, kept, places, torch.randn(128, 64).half(), torch.zeros(128, 64))


def test_misuse():
    def program(N=64, rows=128):
        @T.prim_func
        def main(A: T.Tensor((8,), "float32")):
            with T.Kernel(1, threads=128):
                A_s, E_s = T.alloc_shared((rows, 32), "float16"), T.alloc_shared((rows, 4), "int16")
                B_s = T.alloc_shared((64, N), "float16")
                T.tcgen05_gemm_sp(A_s, E_s, B_s, T.alloc_tmem((rows, N), "float32"))

        return main

    with pytest.raises(UnsupportedError, match="the target is sm_90a"):
        compiled(program(), "sm_90a")
    with pytest.raises(ShapeError, match="n = 24"):
        compiled(program(24))
    with pytest.raises(UnsupportedError, match="T.tcgen05_gemm_sp into .* not in tensor memory"):

        @T.prim_func
        def elsewhere(A: T.Tensor((8,), "float32")):
            with T.Kernel(1, threads=128):
                A_s, E_s = T.alloc_shared((128, 32), "float16"), T.alloc_shared((128, 4), "int16")
                B_s, C_f = T.alloc_shared((64, 64), "float16"), T.alloc_fragment((128, 64), "float32")
                T.tcgen05_gemm_sp(A_s, E_s, B_s, C_f)

        elsewhere.get()
