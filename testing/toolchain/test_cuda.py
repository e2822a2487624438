"""CUDA C++ to cubin: both compilers, their diagnostics."""

from __future__ import annotations

import shutil

import pytest

from tilelang.errors import CompilationError
from tilelang.toolchain import compile_cubin, cuda_compiler_identity
from tilelang.toolchain.diagnostics import check_log

TEXT = 'extern "C" __global__ void k(float* a) { a[threadIdx.x] = 1.f; }\n'

COMPILERS = ["nvrtc", pytest.param("nvcc", marks=pytest.mark.skipif(not shutil.which("nvcc"), reason="needs nvcc"))]


@pytest.fixture(params=COMPILERS)
def compiler(request, monkeypatch):
    monkeypatch.setenv("TILELANG_CUDA_COMPILER", request.param)
    return request.param


def test_cubin(compiler):
    assert compile_cubin(TEXT, "sm_90a").startswith(b"\x7fELF")
    assert compiler in cuda_compiler_identity()


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
def test_serialised_matrix_instructions_are_errors(code):
    log = f"ptxas info    : ({code}) Potential Performance Loss: wgmma.mma_async instructions are serialized"
    with pytest.raises(CompilationError, match=code):
        check_log("NVRTC", "gemm", log, "text", verbose=False)
