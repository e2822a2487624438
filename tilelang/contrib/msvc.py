"""Microsoft's C++ compiler: not in this version."""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(__name__, "kernels for CPUs are compiled with g++ or clang++", "tilelang.contrib.cc, or TILELANG_CXX")
