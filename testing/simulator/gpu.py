"""Device programs on a GPU through cuda-bindings: NVRTC, tensor maps, launches. Needs neither TVM nor a CUDA toolkit."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from testing.simulator.probes.probe import Tile
from tilelang.simulator import source_root


class CudaError(RuntimeError):
    """A call of the driver or of NVRTC failed."""


def _check(result):
    status, *values = result
    if int(status):
        raise CudaError(str(status))
    return values[0] if values else None


class Device:
    """The first GPU; arrays are copied there and back at every launch."""

    def __init__(self) -> None:
        from cuda.bindings import driver, nvrtc

        self.driver, self.nvrtc = driver, nvrtc
        _check(driver.cuInit(0))
        self.context = _check(driver.cuDevicePrimaryCtxRetain(_check(driver.cuDeviceGet(0))))
        _check(driver.cuCtxSetCurrent(self.context))

    def compile(self, text: str) -> bytes:
        """A cubin for sm_90a; may be called from any thread."""
        nvrtc = self.nvrtc
        handle = _check(nvrtc.nvrtcCreateProgram(text.encode(), b"kernel.cu", 0, [], []))
        options = [b"--gpu-architecture=sm_90a", b"-std=c++17", f"--include-path={source_root() / 'device'}".encode()]
        (status,) = nvrtc.nvrtcCompileProgram(handle, len(options), options)
        if int(status):
            log = bytearray(_check(nvrtc.nvrtcGetProgramLogSize(handle)))
            nvrtc.nvrtcGetProgramLog(handle, log)
            raise CudaError(log.decode())
        cubin = bytearray(_check(nvrtc.nvrtcGetCUBINSize(handle)))
        nvrtc.nvrtcGetCUBIN(handle, cubin)
        return bytes(cubin)

    def load(self, cubin: bytes):
        return _check(self.driver.cuModuleLoadData(cubin))

    def tensor_map(self, pointer: int, tile: Tile):
        d, array = self.driver, tile.array
        # The names of the driver's types are NumPy's, in capitals.
        kind = getattr(d.CUtensorMapDataType, "CU_TENSOR_MAP_DATA_TYPE_" + array.dtype.name.upper())
        modes = {0: "NONE", 32: "32B", 64: "64B", 128: "128B"}
        mode = getattr(d.CUtensorMapSwizzle, "CU_TENSOR_MAP_SWIZZLE_" + modes[tile.swizzle])
        fills = d.CUtensorMapFloatOOBfill
        fill = (
            fills.CU_TENSOR_MAP_FLOAT_OOB_FILL_NAN_REQUEST_ZERO_FMA if tile.fill_nan else fills.CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE
        )
        extents = [d.cuuint64_t(n) for n in array.shape[::-1]]
        strides = [d.cuuint64_t(s) for s in array.strides[::-1][1:]] or [d.cuuint64_t(16)]
        steps = [d.cuuint32_t(n) for n in (tile.element_strides or [1] * array.ndim)[::-1]]
        plain = d.CUtensorMapInterleave.CU_TENSOR_MAP_INTERLEAVE_NONE
        tail = (plain, mode, d.CUtensorMapL2promotion.CU_TENSOR_MAP_L2_PROMOTION_NONE, fill)
        if tile.im2col:
            lower, upper = (list(corner) for corner in tile.im2col)
            channels, pixels = tile.box
            return _check(
                d.cuTensorMapEncodeIm2col(
                    kind, array.ndim, pointer, extents, strides, lower, upper, channels, pixels, steps, *tail
                )
            )
        box = [d.cuuint32_t(n) for n in tile.box[::-1]]
        return _check(d.cuTensorMapEncodeTiled(kind, array.ndim, pointer, extents, strides, box, steps, *tail))

    def launch(self, module, name: str, grid, block, arguments: list[Any], shared_bytes: int = 0) -> None:
        d = self.driver
        function = _check(d.cuModuleGetFunction(module, name.encode()))
        if shared_bytes > 48 * 1024:
            attribute = d.CUfunction_attribute.CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES
            _check(d.cuFuncSetAttribute(function, attribute, shared_bytes))
        memory: dict[int, tuple[Any, np.ndarray]] = {}

        def pointer_of(array: np.ndarray) -> int:
            if id(array) not in memory:
                pointer = _check(d.cuMemAlloc(max(16, array.nbytes)))
                _check(d.cuMemcpyHtoD(pointer, array.ctypes.data, array.nbytes))
                memory[id(array)] = (pointer, array)
            return int(memory[id(array)][0])

        values: list[Any] = []
        kinds: list[Any] = []
        for argument in arguments:
            if isinstance(argument, Tile):
                values.append(self.tensor_map(pointer_of(argument.array), argument))
                kinds.append(None)
            elif isinstance(argument, np.ndarray):
                values.append(pointer_of(argument))
                kinds.append(ctypes.c_void_p)
            else:
                values.append(argument)
                kinds.append(ctypes.c_int32 if isinstance(argument, int) else ctypes.c_float)
        extents = [*(*grid, 1, 1)[:3], *(*block, 1, 1)[:3]]
        _check(d.cuLaunchKernel(function, *extents, shared_bytes, 0, (tuple(values), tuple(kinds)), 0))
        _check(d.cuCtxSynchronize())
        for pointer, array in memory.values():
            _check(d.cuMemcpyDtoH(array.ctypes.data, pointer, array.nbytes))
            _check(d.cuMemFree(pointer))
