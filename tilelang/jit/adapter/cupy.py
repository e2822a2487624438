"""Launching through `cupy.RawModule`, for `CupyJit`: not an execution backend, because it compiles, too."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tilelang.codegen.launch_plan import KernelLaunch
from tilelang.errors import UnsupportedError
from tilelang.jit.adapter.arrays import numpy_dtype
from tilelang.jit.adapter.nvrtc import NvrtcAdapter, grid_of, pack
from tilelang.paths import device_include_directory
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
        for kernel in self.plan.kernels:
            if kernel.cluster != (1, 1, 1) or kernel.cooperative:
                what = "clusters" if kernel.cluster != (1, 1, 1) else "a cooperative grid"
                raise UnsupportedError(
                    f"`{kernel.name}` launches {what}, which CuPy's RawKernel cannot", fix="leave out jit=CupyJit()"
                )

    def _run(self, device: int, addresses: list[int], values: Mapping[str, Any]) -> None:
        with self._cupy.cuda.Device(device):
            for function, kernel in zip(self._loaded(device), self.plan.kernels):
                grid = grid_of(kernel, values)
                if grid is None:
                    continue
                slots = [pack(argument, addresses, values) for argument in kernel.arguments]
                function(grid, kernel.block, tuple(as_numpy(slot) for slot in slots), shared_mem=kernel.shared_bytes)

    def _view(self, value: Any) -> TensorView | None:
        if not isinstance(value, self._cupy.ndarray):
            return None
        strides = tuple(step // value.itemsize for step in value.strides)
        return TensorView(value.data.ptr, value.dtype.name, tuple(value.shape), strides, ("cuda", value.device.id))

    def _current_device(self) -> int:
        return self._cupy.cuda.Device().id

    def _empty(self, shape: Sequence[int], dtype: str, device: int) -> Any:
        with self._cupy.cuda.Device(device):
            return self._cupy.empty(tuple(shape), numpy_dtype(dtype))

    @staticmethod
    def _address(tensor: Any) -> int:
        return 0 if tensor is None else tensor.address if isinstance(tensor, TensorView) else tensor.data.ptr

    def _module(self) -> Any:
        options = (f"-I{device_include_directory()}", "-std=c++17", "-D__builtin_memcpy=memcpy", *self.artifact.options)
        return self._cupy.RawModule(code=self.artifact.source, options=options, backend="nvrtc")

    def _load(self, module: Any, kernel: KernelLaunch) -> Any:
        function = module.get_function(kernel.name)
        if kernel.shared_bytes > 48 << 10:
            function.max_dynamic_shared_size_bytes = kernel.shared_bytes
        return function


def as_numpy(slot: Any) -> Any:
    """A packed argument as the NumPy scalar of its size, which RawKernel passes bit by bit."""
    import numpy

    if isinstance(slot, ctypes.c_void_p):
        return numpy.uint64(slot.value or 0)
    return numpy.frombuffer(slot, numpy.dtype(type(slot)))[0]
