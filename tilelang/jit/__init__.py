"""From a Python function to a callable kernel, compiled at most once: docs/jit.md."""

from __future__ import annotations

from tilelang.jit.compilers import (
    BinaryJit,
    ClangInfo,
    CompilerInfo,
    CpuJit,
    CudaJit,
    CupyJit,
    GccInfo,
    JitBase,
    NoJit,
    NvrtcJit,
    SimulatorJit,
    default_jit,
    no_jit,
    no_jit_scope,
)
from tilelang.jit.decorator import compile, djit, jit
from tilelang.jit.execution_backend import ExecutionBackend
from tilelang.jit.impl import JITImpl
from tilelang.jit.kernel import JITKernel
from tilelang.jit.launch_grid import LaunchConfig, LaunchGrid
from tilelang.jit.lowered import LoweredKernel
from tilelang.jit.param import KernelParam, Parameter
from tilelang.jit.stats import CompilationStats, KernelStats, Signature, is_jitted
from tilelang.jit.wrapper import KernelWrapper
from tilelang.jit.xpr import ShapeDtype, xpr
from tilelang.log import logger

__all__ = [
    "BinaryJit",
    "ClangInfo",
    "CompilationStats",
    "CompilerInfo",
    "CpuJit",
    "CudaJit",
    "CupyJit",
    "ExecutionBackend",
    "GccInfo",
    "JITImpl",
    "JITKernel",
    "JitBase",
    "KernelParam",
    "KernelStats",
    "KernelWrapper",
    "LaunchConfig",
    "LaunchGrid",
    "LoweredKernel",
    "NoJit",
    "NvrtcJit",
    "Parameter",
    "ShapeDtype",
    "Signature",
    "SimulatorJit",
    "compile",
    "default_jit",
    "djit",
    "is_jitted",
    "jit",
    "logger",
    "no_jit",
    "no_jit_scope",
    "xpr",
]

# `tilelang.jit` is the decorator, which hides this package: its names are reached through the decorator as well.
for _name in __all__:
    if _name != "jit":
        setattr(jit, _name, globals()[_name])


def __getattr__(name: str) -> object:
    if name == "par_compile":  # workers are a package of their own that most programs never load
        from tilelang.jit.parallel import par_compile

        return par_compile
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
