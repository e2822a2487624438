"""CUDA text by hand, and toolchains of other hardware."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tilelang.contrib import cc, dlpack, hipcc, msvc, nvcc, nvrtc, rocm
from tilelang.errors import CompilationError, UnsupportedError

TEXT = """#include <tl/core.h>
extern "C" __global__ void fill(float* out) { out[threadIdx.x] = 2.0f; }
"""


@pytest.mark.parametrize(
    "compiler", [nvrtc, pytest.param(nvcc, marks=pytest.mark.skipif(not shutil.which("nvcc"), reason="nvcc"))]
)
def test_compile_cuda(compiler, tmp_path):
    ptx = compiler.compile_cuda(TEXT, arch="sm_80", options="-DNAME=1")
    assert b".target sm_80" in ptx and b"fill" in ptx and not ptx.endswith(b"\0")
    assert compiler.compile_cuda(TEXT, "cubin", arch=80)[:4] == b"\x7fELF"
    with pytest.raises(CompilationError):
        compiler.compile_cuda("not C++", arch="90a")
    with pytest.raises(UnsupportedError, match="ptx"):
        compiler.compile_cuda(TEXT, "exe")
    if compiler is nvcc:
        nvcc.compile_cuda(TEXT, arch=80, path_target=str(tmp_path / "a.ptx"))
        assert b"fill" in (tmp_path / "a.ptx").read_bytes()


def test_versions():
    assert nvrtc.get_nvrtc_version() >= (12, 0)


def test_host_compiler(tmp_path):
    source = tmp_path / "a.cc"
    source.write_text('extern "C" int seven() { return 7; }')
    cc.create_shared(str(tmp_path / "a.so"), [str(source)])
    done = subprocess.run(["python3", "-c", f"import ctypes; print(ctypes.CDLL('{tmp_path}/a.so').seven())"], capture_output=True)
    assert done.stdout.split() == [b"7"] and callable(dlpack.to_pytorch_func)


@pytest.mark.parametrize("module", [hipcc, rocm, msvc])
def test_absent(module):
    with pytest.raises(UnsupportedError, match="not in this version") as found:
        module.compile_hip("text")
    assert found.value.fix and not hasattr(module, "__path__")
