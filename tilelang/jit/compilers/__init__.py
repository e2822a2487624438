"""Compiler objects: who turns a kernel's text into a binary. Each is one file; users may write their own."""

from __future__ import annotations

from tilelang.jit.compilers.base import BinaryJit, JitBase, default_jit, resolve_compiler
from tilelang.jit.compilers.compiler_info import ClangInfo, CompilerInfo, GccInfo
from tilelang.jit.compilers.cpu import CpuJit
from tilelang.jit.compilers.cuda import CudaJit
from tilelang.jit.compilers.cupy import CupyJit
from tilelang.jit.compilers.no_jit import NoJit, no_jit, no_jit_scope
from tilelang.jit.compilers.nvrtc import NvrtcJit
from tilelang.jit.compilers.simulator import SimulatorJit

__all__ = [
    "BinaryJit",
    "ClangInfo",
    "CompilerInfo",
    "CpuJit",
    "CudaJit",
    "CupyJit",
    "GccInfo",
    "JitBase",
    "NoJit",
    "NvrtcJit",
    "SimulatorJit",
    "default_jit",
    "no_jit",
    "no_jit_scope",
    "resolve_compiler",
]
