"""From a Python function to a callable kernel, compiled at most once."""

from __future__ import annotations

from tilelang.jit.decorator import compile, jit
from tilelang.jit.impl import JITImpl
from tilelang.jit.kernel import JITKernel
from tilelang.jit.param import KernelParam

__all__ = ["JITImpl", "JITKernel", "KernelParam", "compile", "jit"]
