"""What turns generated text into binaries: NVRTC by default, nvcc as an option."""

from __future__ import annotations

from tilelang.toolchain.cuda import (
    compile_cubin,
    compile_measured,
    compile_ptx,
    cuda_compiler_identity,
    device_compile_options,
)
from tilelang.toolchain.resources import KernelResources, total_spills

__all__ = [
    "KernelResources",
    "compile_cubin",
    "compile_measured",
    "compile_ptx",
    "cuda_compiler_identity",
    "device_compile_options",
    "total_spills",
]
