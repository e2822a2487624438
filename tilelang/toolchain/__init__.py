"""What turns generated text into binaries: NVRTC by default, nvcc as an option."""

from __future__ import annotations

from tilelang.toolchain.cuda import compile_cubin, cuda_compiler_identity, device_compile_options

__all__ = ["compile_cubin", "cuda_compiler_identity", "device_compile_options"]
