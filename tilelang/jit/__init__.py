"""From a Python function to a callable kernel, compiled at most once: docs/jit.md.

The module is also the decorator: `tilelang.jit(...)` is `tilelang.jit.jit(...)`. Its names are imported when they are first used,
because a program that finds its kernels in the cache needs few of them.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tilelang.jit.decorator import compile, djit, jit
from tilelang.log import logger

if TYPE_CHECKING:
    from tilelang.jit.compilers.base import BinaryJit, JitBase, default_jit
    from tilelang.jit.compilers.compiler_info import ClangInfo, CompilerInfo, GccInfo
    from tilelang.jit.compilers.cpu import CpuJit
    from tilelang.jit.compilers.cuda import CudaJit
    from tilelang.jit.compilers.cupy import CupyJit
    from tilelang.jit.compilers.extension import ExtensionModuleBuilderBase, LauncherModuleBuilder
    from tilelang.jit.compilers.interpreter import InterpreterJit
    from tilelang.jit.compilers.no_jit import NoJit, no_jit, no_jit_scope
    from tilelang.jit.compilers.nvrtc import NvrtcJit
    from tilelang.jit.compilers.simulator import SimulatorJit
    from tilelang.jit.execution_backend import ExecutionBackend
    from tilelang.jit.impl import JITImpl
    from tilelang.jit.kernel import JITKernel
    from tilelang.jit.launch_grid import LaunchConfig, LaunchGrid
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.jit.param import KernelParam, Parameter
    from tilelang.jit.stats import CompilationStats, KernelStats, Signature, is_jitted
    from tilelang.jit.wrapper import KernelWrapper
    from tilelang.jit.xpr import ShapeDtype, xpr

_WHERE = {
    **dict.fromkeys(("BinaryJit", "JitBase", "default_jit"), "compilers.base"),
    **dict.fromkeys(("ClangInfo", "CompilerInfo", "GccInfo"), "compilers.compiler_info"),
    **dict.fromkeys(("NoJit", "no_jit", "no_jit_scope"), "compilers.no_jit"),
    **dict.fromkeys(("ExtensionModuleBuilderBase", "LauncherModuleBuilder"), "compilers.extension"),
    "CpuJit": "compilers.cpu",
    "CudaJit": "compilers.cuda",
    "CupyJit": "compilers.cupy",
    "InterpreterJit": "compilers.interpreter",
    "NvrtcJit": "compilers.nvrtc",
    "SimulatorJit": "compilers.simulator",
    "ExecutionBackend": "execution_backend",
    "JITImpl": "impl",
    "JITKernel": "kernel",
    **dict.fromkeys(("LaunchConfig", "LaunchGrid"), "launch_grid"),
    "LoweredKernel": "lowered",
    **dict.fromkeys(("KernelParam", "Parameter"), "param"),
    **dict.fromkeys(("CompilationStats", "KernelStats", "Signature", "is_jitted"), "stats"),
    "KernelWrapper": "wrapper",
    **dict.fromkeys(("ShapeDtype", "xpr"), "xpr"),
    "par_compile": "parallel",
}

__all__ = [
    "BinaryJit",
    "ClangInfo",
    "CompilationStats",
    "CompilerInfo",
    "CpuJit",
    "CudaJit",
    "CupyJit",
    "ExecutionBackend",
    "ExtensionModuleBuilderBase",
    "GccInfo",
    "InterpreterJit",
    "JITImpl",
    "JITKernel",
    "JitBase",
    "KernelParam",
    "KernelStats",
    "KernelWrapper",
    "LaunchConfig",
    "LaunchGrid",
    "LauncherModuleBuilder",
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
    "par_compile",
    "xpr",
]
_SUBMODULES = ("adapter", "env", "exceptions", "execution_backend", "kernel", "param")


def __getattr__(name: str) -> Any:
    if name in _WHERE:
        value = getattr(importlib.import_module(f"tilelang.jit.{_WHERE[name]}"), name)
    elif name in _SUBMODULES:
        value = importlib.import_module(f"tilelang.jit.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, *_SUBMODULES})


class _Decorator(ModuleType):
    """A package whose name is its main function."""

    __signature__ = inspect.signature(jit)
    __wrapped__ = staticmethod(jit)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return jit(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, tuple[str]]:  # a decorator may be captured by what is sent to another process
        return importlib.import_module, (__name__,)

    def __setattr__(self, name: str, value: Any) -> None:
        # Importing the submodule `xpr` would put the module in the place of the function.
        if not (isinstance(value, ModuleType) and name in _WHERE):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Decorator
