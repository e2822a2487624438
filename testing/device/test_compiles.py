"""Every function of the device library compiles, for every architecture, with NVRTC, nvcc and the host compiler."""

from __future__ import annotations

import re
import subprocess

import pytest

from testing.device import everything
from tilelang.errors import UnavailableError
from tilelang.simulator import compile_kernel, source_root

ARCHITECTURES = ("sm_80", "sm_89", "sm_90a", "sm_100a", "sm_120a")


def _number(arch: str) -> int:
    return int(re.sub(r"\D", "", arch))


def _nvrtc(text: str, arch: str) -> bytes:
    """NVRTC with little but the include path (and a hurried ptxas): the headers need no other option."""
    nvrtc = pytest.importorskip("cuda.bindings.nvrtc")
    status, program = nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], [])
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS
    options = [f"--gpu-architecture={arch}", f"--include-path={source_root() / 'device'}", "--ptxas-options=-O0"]
    options = [option.encode() for option in options]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    log = bytearray(nvrtc.nvrtcGetProgramLogSize(program)[1])
    nvrtc.nvrtcGetProgramLog(program, log)
    assert status == nvrtc.nvrtcResult.NVRTC_SUCCESS, log.decode()
    # No warnings either; ptxas remarks on wgmma at -O0 (C75xx) are no matter here.
    rest = [
        line for line in log.decode().strip("\0\n ").splitlines() if line.strip() and not line.startswith("ptxas info    : (C75")
    ]
    assert not rest, log.decode()
    cubin = bytearray(nvrtc.nvrtcGetCUBINSize(program)[1])
    nvrtc.nvrtcGetCUBIN(program, cubin)
    return bytes(cubin)


@pytest.fixture(scope="session")
def nvcc():
    from tilelang.toolchain.nvcc import find_nvcc

    try:
        return str(find_nvcc())
    except UnavailableError as error:
        pytest.skip(str(error))


def _run_nvcc(nvcc: str, text: str, arch: str, folder, *options: str) -> str:
    (folder / "kernel.cu").write_text(text)
    command = [nvcc, f"-arch={arch}", "-I", str(source_root() / "device"), "-cubin", "-Werror", "all-warnings", *options]
    done = subprocess.run(
        [*command, "-o", str(folder / "kernel.cubin"), str(folder / "kernel.cu")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_nvrtc(arch):
    cubin = _nvrtc(everything.text(_number(arch)), arch)
    for name in everything.KERNELS:
        assert name.encode() in cubin


@pytest.mark.parametrize("arch", ("sm_80", "sm_90a"))
def test_nvcc(nvcc, tmp_path, arch):
    _run_nvcc(nvcc, everything.text(_number(arch)), arch, tmp_path, "--ptxas-options=-O0")


@pytest.mark.parametrize("group", (1, 2))
def test_blackwell_text(group):
    """One block or pairs; no GPU of this architecture has run it."""
    text = everything.blackwell_text(group)
    assert b"tensor_memory" in _nvrtc(text, "sm_100a")
    compile_kernel(text, ["tensor_memory"])


def test_block_scale_text():
    """sm_120a's products; no GPU of this architecture has run them."""
    text = everything.block_scale_text()
    assert b"scaled" in _nvrtc(text, "sm_120a")
    compile_kernel(text, ["scaled"])


@pytest.mark.parametrize("n", (8, 64, 256))
def test_hopper_text(n):
    cubin = _nvrtc(everything.hopper_text(n), "sm_90a")
    assert f"wgmma{n}".encode() in cubin
    compile_kernel(everything.hopper_text(n), ["copies", "registers", f"wgmma{n}"])


def test_register_lists_are_generated():
    from importlib.util import module_from_spec, spec_from_file_location

    folder = source_root() / "device" / "tl" / "wgmma"
    spec = spec_from_file_location("generate", folder / "generate.py")
    generate = module_from_spec(spec)
    spec.loader.exec_module(generate)
    for n in range(8, 257, 8):
        assert (folder / f"m64n{n}.h").read_text() == generate.header(n)
        assert (folder.parent / "wgmma_sp" / f"m64n{n}.h").read_text() == generate.sparse_header(n)


def test_host_compiler():
    """The simulator's headers offer the same functions: the very text compiles."""
    compile_kernel(everything.text(90), list(everything.KERNELS))


def test_stmatrix_is_absent_before_hopper():
    text = """#include <tl/ldmatrix.h>
extern "C" __global__ void k(char* p) { int r = 0; tl::stmatrix_x1(p, &r); }"""
    with pytest.raises(AssertionError, match="stmatrix_x1"):
        _nvrtc(text, "sm_80")


def test_fragments_stay_in_registers(nvcc, tmp_path):
    """Element-typed fragments, reinterpreted as registers, must not go through local memory."""
    text = """#include <tl/core.h>
#include <tl/ldmatrix.h>
#include <tl/mma.h>
extern "C" __global__ void __launch_bounds__(128) k(const tl::half_t* A, tl::half_t* C, int n) {
  tl::half_t* s = reinterpret_cast<tl::half_t*>(tl::dyn_smem());
  alignas(16) tl::half_t a[16], b[16], v[8];
  alignas(16) float c[32];
#pragma unroll
  for (int i = 0; i < 32; ++i) c[i] = 0;
  for (int k = 0; k < n; ++k) {
    tl::load<16>(v, A + k * 1024 + threadIdx.x * 8, k < n - 1);
    tl::store<16>(s + threadIdx.x * 8, v);
    tl::sync_threads();
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      tl::ldmatrix_x4(a + i * 8, s + (threadIdx.x % 32 + i * 32) * 8);
      tl::ldmatrix_x4_trans(b + i * 8, s + (threadIdx.x % 32 + i * 32) * 8);
    }
#pragma unroll
    for (int i = 0; i < 2; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) tl::mma_m16n8k16(c + (i * 4 + j) * 4, a + i * 8, b + j * 4);
    tl::sync_threads();
  }
  tl::mma_ready();
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    tl::cast_array<8>(v, c + i * 8);
    tl::store<16>(C + (threadIdx.x * 4 + i) * 8, v);
  }
}"""
    log = _run_nvcc(nvcc, text, "sm_90a", tmp_path, "--ptxas-options=-v")
    assert "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads" in log
