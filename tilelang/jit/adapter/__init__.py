"""How Python arguments reach a binary: one adapter for each execution backend, each in its own file.

Importing this package registers all of them and imports none of the libraries that they stand on.
"""

from __future__ import annotations

from tilelang.jit.adapter import cutedsl, cython, dlpack, nvrtc, simulator, torch, tvm_ffi
from tilelang.jit.adapter.base import Adapter, adapters, register

__all__ = [
    "Adapter",
    "adapters",
    "cutedsl",
    "cython",
    "dlpack",
    "nvrtc",
    "register",
    "simulator",
    "torch",
    "tvm_ffi",
]
