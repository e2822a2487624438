"""Functions of TVM that take torch tensors: TVM's helpers."""

from __future__ import annotations

from tilelang.ir.support import convert_func, to_pytorch_func

__all__ = ["convert_func", "to_pytorch_func"]
