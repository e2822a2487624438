"""Tensor maps in Python, for adapters that do without our native library; src/runtime/tensor_map.h is the other place."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from typing import Any

from tilelang.codegen.launch_plan import TensorMap
from tilelang.language.dtypes import dtype
from tilelang.runtime.arguments import evaluate
from tilelang.runtime.errors import LaunchError

# CUtensorMapDataType: the driver copies bits, so that a type of the right width will do.
_FLOATING = {"float16": 6, "float32": 7, "float64": 8, "bfloat16": 9}
_OTHERS = {8: 0, 16: 1, 32: 2, 64: 4}
_SWIZZLES = {0: 0, 32: 1, 64: 2, 128: 3}
_PROMOTE_TO_256_BYTES = 3
_WORDS, _ALIGNMENT = 16, 64
Request = tuple[int, tuple[int, ...], tuple[int, ...]]


def map_request(map_: TensorMap, addresses: list[int], values: Mapping[str, Any]) -> Request:
    """(address, extents, byte strides) of a map in one call: equal ones have equal encodings."""
    width = dtype(map_.dtype).bits // 8
    extents = tuple(int(evaluate(extent, values)) for extent in map_.shape)
    return addresses[map_.tensor], extents, tuple(int(evaluate(stride, values)) * width for stride in map_.strides)


def encode_map(map_: TensorMap, request: Request, kernel: str) -> Any:
    """The 128 bytes that a kernel takes as `const __grid_constant__ CUtensorMap`, as a ctypes array.

    Raises
    ------
    LaunchError
        When the driver refuses it.
    """
    address, extents, strides = request
    room = (ctypes.c_uint64 * (_WORDS + _ALIGNMENT // 8))()
    encoded = (ctypes.c_uint64 * _WORDS).from_buffer(room, -ctypes.addressof(room) % _ALIGNMENT)
    if 0 in extents:  # nothing is copied through a map of nothing, which the driver would refuse
        return encoded
    rank = len(extents)
    status = _driver().cuTensorMapEncodeTiled(
        ctypes.byref(encoded), _FLOATING.get(map_.dtype, _OTHERS.get(dtype(map_.dtype).bits)), ctypes.c_uint32(rank),
        ctypes.c_void_p(address), (ctypes.c_uint64 * rank)(*extents), (ctypes.c_uint64 * rank)(*strides),
        (ctypes.c_uint32 * rank)(*map_.box), (ctypes.c_uint32 * rank)(*(1,) * rank), 0, _SWIZZLES[map_.swizzle],
        _PROMOTE_TO_256_BYTES, 0,
    )  # fmt: skip
    if status:
        raise LaunchError(f"encoding a tensor map of `{kernel}` failed (CUDA error {status})")
    return encoded


@functools.cache
def _driver() -> Any:
    return ctypes.CDLL("libcuda.so.1")
