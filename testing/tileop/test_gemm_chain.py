"""Products left under way beside what the loop computes for the next ones: operands in registers get twins."""

from __future__ import annotations

import pytest
import torch

import tilelang
import tilelang.language as T
from tilelang.engine import compile_prim_func
from tilelang.jit.impl import traced
from tilelang.target import Target
from tilelang.toolchain.diagnostics import serialised
from tilelang.toolchain.nvrtc import compile_text

from .test_tma import HOPPER

M, N, STEP = 64, 32, 32


def scaled(K, twice=False, fixed=None):
    """C = (A * s) @ B^T, A scaled in registers for wgmma; `twice` makes the tile anew for a second product, `fixed` are the steps
    where they are known."""

    @T.prim_func
    def main(
        A: T.Tensor((M, K), "float16"),
        S: T.Tensor((M,), "float16"),
        steps: T.int32,
        B: T.Tensor((N, K), "float16"),
        C: T.Tensor((M, N), "float32"),
    ):
        with T.Kernel(1, threads=128):
            A_s, B_s = T.alloc_shared((M, STEP), "float16"), T.alloc_shared((N, STEP), "float16")
            S_s = T.alloc_shared((M,), "float16")
            A_f, C_f = T.alloc_fragment((M, STEP), "float16"), T.alloc_fragment((M, N), "float32")
            T.copy(S, S_s)
            T.clear(C_f)
            for k in T.Pipelined(steps if fixed is None else fixed, num_stages=2):
                T.copy(A[0, k * STEP], A_s)
                T.copy(B[0, k * STEP], B_s)
                for i, j in T.Parallel(M, STEP):
                    A_f[i, j] = A_s[i, j] * S_s[i]
                T.gemm(A_f, B_s, C_f, transpose_B=True)
                if twice:
                    for i, j in T.Parallel(M, STEP):
                        A_f[i, j] = A_s[i, j] + S_s[i]
                    T.gemm(A_f, B_s, C_f, transpose_B=True)
            T.copy(C_f, C)

    return main


@pytest.mark.parametrize("steps, twice", [(0, False), (1, False), (4, False), (5, False), (4, True)])
def test_operands_in_registers(steps, twice):
    K = 5 * STEP
    a, s, b, c = torch.randn(M, K).half(), torch.randn(M).half(), torch.randn(N, K).half(), torch.full((M, N), float("nan"))
    kernel = tilelang.compile(scaled(K, twice), target=HOPPER, execution_backend="simulator")
    kernel(a, s, steps, b, c)
    x, y = a[:, : steps * STEP], b[:, : steps * STEP].double().T
    want = (x * s[:, None]).double() @ y
    if twice:
        want += (x + s[:, None]).double() @ y
    torch.testing.assert_close(c.double(), want, rtol=1e-3, atol=1e-2)
    # Made twice in an iteration, the tile would change under the first product.
    assert ("A_f_1" in kernel.get_kernel_source()) == (not twice)
    report = kernel.check(a, s, steps, b, c, schedules=2)
    assert report.ok, str(report)


@pytest.mark.parametrize("fixed", (None, 4, 5))
def test_ptxas_keeps_the_products_asynchronous(fixed):
    source = compile_prim_func(traced(scaled(5 * STEP, fixed=fixed)), Target("cuda", "sm_90a", False), {}).source
    assert "A_f_1" in source
    assert serialised(compile_text(source, "sm_90a", form="cubin", name="main", options=[], verbose=False)[1]) is None


def test_no_twins_where_registers_are_full():
    """128 registers of accumulators and 64 of the operand, which a twin would double."""
    rows, columns, step, K = 64, 256, 256, 1024

    @T.prim_func
    def main(A: T.Tensor((rows, K), "float16"), B: T.Tensor((columns, K), "float16"), C: T.Tensor((rows, columns), "float32")):
        with T.Kernel(1, threads=128):
            A_s, B_s = T.alloc_shared((rows, step), "float16"), T.alloc_shared((columns, step), "float16")
            A_f, C_f = T.alloc_fragment((rows, step), "float16"), T.alloc_fragment((rows, columns), "float32")
            T.clear(C_f)
            for k in T.Pipelined(4, num_stages=1):
                T.copy(A[0, k * step], A_s)
                T.copy(B[0, k * step], B_s)
                for i, j in T.Parallel(rows, step):
                    A_f[i, j] = A_s[i, j] + 1
                T.gemm(A_f, B_s, C_f, transpose_B=True)
            T.copy(C_f, C)

    source = tilelang.compile(main, target=HOPPER, execution_backend="simulator").get_kernel_source()
    assert "A_f_1" not in source and "wgmma_rs" in source
