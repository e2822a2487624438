"""The host's C++ compiler: TVM's helpers around it."""

from __future__ import annotations

from tilelang.ir.support import create_executable, create_shared, cross_compiler, get_cc

__all__ = ["create_executable", "create_shared", "cross_compiler", "get_cc"]
