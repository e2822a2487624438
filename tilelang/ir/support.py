"""TVM's helpers around compilers and tensors, for `tilelang.contrib`."""

from __future__ import annotations

from tvm.contrib.dlpack import convert_func, to_pytorch_func
from tvm.support.cc import create_executable, create_shared, cross_compiler, get_cc

__all__ = ["convert_func", "create_executable", "create_shared", "cross_compiler", "get_cc", "to_pytorch_func"]
