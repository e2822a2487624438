"""Printed kernels compile for every architecture and compute what NumPy computes."""

from __future__ import annotations

import numpy as np
import pytest

from testing.codegen import programs
from testing.codegen.execute import execute
from tilelang import ir
from tilelang.engine import compile_prim_func
from tilelang.toolchain.cuda import compile_cubin
from tilelang.transform.kernel_program import SharedPlan

ARCHES = ["sm_80", "sm_89", "sm_90a"]


def compiled(func, configs=None, shared=()):
    def plan_shared_memory(program):
        offsets, total = {}, 0
        for buf in shared:
            offsets[buf] = total
            total += -(-program.ctx.shared_layout(buf).bytes // 128) * 128
        program.shared_plan = SharedPlan(offsets, total)
        return program

    return compile_prim_func(func, programs.target(), configs, (plan_shared_memory, *programs.DEVICE))


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "uint8", "int16", "int32", "int64", "uint64"])
@pytest.mark.parametrize("n", [1, 511, 1037])
def test_elementwise(dtype, n):
    rng = np.random.default_rng(n)
    kind = np.dtype(dtype)
    make = (lambda: rng.standard_normal(n).astype(kind)) if kind.kind == "f" else (lambda: rng.integers(0, 256, n).astype(kind))
    a, b = make(), make()
    for extent in (n, ir.var("n")):
        c = np.full(n + 8, 77, kind)
        execute(compiled(programs.elementwise(extent, dtype)), a, b, c[:n])
        np.testing.assert_array_equal(c[:n], a + b)
        assert (c[n:] == 77).all()


@pytest.mark.parametrize("shape", [(1, 1), (33, 70), (100, 64)])
@pytest.mark.parametrize("dynamic", [False, True])
def test_transposition_through_shared_memory(shape, dynamic):
    m, n = (ir.var("m"), ir.var("n")) if dynamic else shape
    func, tile = programs.transposition(m, n)
    a = np.random.default_rng(0).standard_normal(shape).astype("float32")
    b = np.full(shape[::-1], np.nan, "float32")
    execute(compiled(func, shared=[tile]), a, b)
    np.testing.assert_array_equal(b, a.T)


@pytest.mark.parametrize("arch", ARCHES)
def test_nvrtc_accepts(arch):
    func, tile = programs.transposition(ir.var("m"), ir.var("n"), "bfloat16")
    assert compile_cubin(compiled(func, shared=[tile]).source, arch)
    assert compile_cubin(compiled(programs.elementwise(ir.var("n"), "int8")).source, arch)


def test_text_reads_like_a_person_wrote_it():
    assert compiled(programs.elementwise(1000)).source == (
        """#include <tl/core.h>

extern "C" __global__ void __launch_bounds__(128) add_kernel("""
        "const float* __restrict__ A, const float* __restrict__ B, float* __restrict__ C) {\n"
        """  const int bx = blockIdx.x;
  const int tx = threadIdx.x;
  #pragma unroll
  for (int i = 0; i < 4; ++i) {  // kernel.py:2
    if (bx * 512 + i * 128 + tx < 1000) {  // kernel.py:3
      C[bx * 512 + i * 128 + tx] = A[bx * 512 + i * 128 + tx] + B[bx * 512 + i * 128 + tx];  // kernel.py:4
    }
  }
}
TL_ENTRY(add_kernel)
"""
    )
