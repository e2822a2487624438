"""CUDA C++ to cubin: both compilers, their diagnostics."""

from __future__ import annotations

import shutil

import pytest

from tilelang.errors import CompilationError
from tilelang.toolchain import compile_cubin, compile_measured, compile_ptx, cuda_compiler_identity, total_spills
from tilelang.toolchain.diagnostics import warn_if_serialised

TEXT = 'extern "C" __global__ void k(float* a) { a[threadIdx.x] = 1.f; }\n'

COMPILERS = ["nvrtc", pytest.param("nvcc", marks=pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc"))]


@pytest.fixture(params=COMPILERS)
def compiler(request, monkeypatch):
    monkeypatch.setenv("TILELANG_CUDA_COMPILER", request.param)
    return request.param


def test_cubin(compiler):
    assert compile_cubin(TEXT, "sm_90a").startswith(b"\x7fELF")
    assert compiler in cuda_compiler_identity()


def test_ptx(compiler):
    text = compile_ptx(TEXT, "sm_90a", options=["--ptxas-options=--register-usage-level=5"])
    assert ".target sm_90a" in text and ".entry k" in text


def test_resources(compiler):
    spilling = """
extern "C" __global__ void __launch_bounds__(1024, 2) many(float* a) {
  float r[64];
  for (int i = 0; i < 64; ++i) r[i] = a[i * 1024 + threadIdx.x];
  __syncthreads();
  for (int i = 0; i < 64; ++i) a[(63 - i) * 1024 + threadIdx.x] = r[i] * r[(i * 7 + 3) % 64];
}
"""
    few, many = sorted(compile_measured(TEXT + spilling, "sm_90a")[1], key=lambda used: used.name)
    assert (few.name, many.name) == ("k", "many") and 0 < few.registers <= 32 and many.registers == 32
    assert few.spill_store_bytes == few.stack_bytes == 0 < many.stack_bytes <= many.spill_store_bytes
    assert many.barriers == 1 and many.spill_load_bytes > 0
    assert total_spills((few, many)) == many.spill_store_bytes // 4 and total_spills(()) == 0


def test_options_reach_the_compiler(compiler):
    text = "#ifndef WANTED\n#error no\n#endif\n" + TEXT
    assert compile_cubin(text, "sm_80", options=["-DWANTED=1"])


def test_refusal(compiler, caplog):
    with pytest.raises(CompilationError) as caught:
        compile_cubin("nonsense;\n" + TEXT, "sm_90a", name="broken")
    assert "`broken`" in str(caught.value) and "nonsense" not in str(caught.value)
    assert "nonsense" in caught.value.log and "nonsense" not in caplog.text


def test_verbose_shows_what_ptxas_says(compiler, caplog):
    compile_cubin(TEXT, "sm_90a", verbose=True)
    assert "registers" in caplog.text


@pytest.mark.parametrize("code", ["C7508", "C7510", "C7512"])
def test_serialised_matrix_instructions_are_warned_of(code, caplog):
    log = f"ptxas info    : ({code}) Potential Performance Loss: wgmma.mma_async instructions are serialized"
    warn_if_serialised("gemm", log)
    assert code in caplog.text and "`gemm`" in caplog.text
