"""What turns generated text into binaries: NVRTC by default, nvcc as an option.

Names are imported at first use: who finds a kernel in the cache asks only for versions.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilelang.toolchain.cuda import compile_cubin as compile_cubin
    from tilelang.toolchain.cuda import compile_measured as compile_measured
    from tilelang.toolchain.cuda import compile_ptx as compile_ptx
    from tilelang.toolchain.cuda import cuda_compiler_identity as cuda_compiler_identity
    from tilelang.toolchain.cuda import device_compile_options as device_compile_options
    from tilelang.toolchain.resources import KernelResources as KernelResources
    from tilelang.toolchain.resources import total_spills as total_spills

_NAMES = dict.fromkeys(
    ("compile_cubin", "compile_measured", "compile_ptx", "cuda_compiler_identity", "device_compile_options"), "cuda"
)
_NAMES |= dict.fromkeys(("KernelResources", "total_spills"), "resources")
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
