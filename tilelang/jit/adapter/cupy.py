"""Launching through CuPy, for `CupyJit`: not an execution backend, because nothing but CuPy's arrays tells them apart."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from tilelang.jit.adapter.arrays import numpy_dtype
from tilelang.jit.adapter.nvrtc import NvrtcAdapter
from tilelang.runtime.arguments import TensorView

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions


class CupyAdapter(NvrtcAdapter):
    """Takes CuPy arrays, runs on CuPy's current stream, returns CuPy arrays."""

    name = "cupy"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        self._cupy = importlib.import_module("cupy")
        self._modules: list[Any] = []  # a RawModule unloads what it loaded

    def _view(self, value: Any) -> TensorView | None:
        if not isinstance(value, self._cupy.ndarray):
            return None
        strides = tuple(step // value.itemsize for step in value.strides)
        return TensorView(value.data.ptr, value.dtype.name, tuple(value.shape), strides, ("cuda", value.device.id))

    def _current_device(self) -> int:
        return self._cupy.cuda.Device().id

    def _entered(self, device: int) -> AbstractContextManager[Any]:
        return self._cupy.cuda.Device(device)

    def _stream(self, device: int) -> int:
        return self._cupy.cuda.get_current_stream().ptr

    def _empty(self, shape: Sequence[int], dtype: str, device: int, zeroed: bool = False) -> Any:
        with self._cupy.cuda.Device(device):
            return (self._cupy.zeros if zeroed else self._cupy.empty)(tuple(shape), numpy_dtype(dtype))

    @staticmethod
    def _address(tensor: Any) -> int:
        return 0 if tensor is None else tensor.address if isinstance(tensor, TensorView) else tensor.data.ptr

    def _module(self) -> Any:
        from tilelang.cache.scratch import write_scratch

        self._modules.append(self._cupy.RawModule(path=str(write_scratch("kernel.cubin", self.artifact.payload))))
        return self._modules[-1]

    def _function(self, module: Any, name: str) -> Any:
        from cuda.bindings import driver

        return driver.CUfunction(module.get_function(name).kernel.ptr)
