"""Tensor maps for simulated kernels: what the CUDA driver encodes for TMA."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

from tilelang.errors import SimulationError
from tilelang.simulator.runtime import load_library

DATA_TYPES = (
    "uint8", "uint16", "uint32", "int32", "uint64", "int64", "float16", "float32", "float64", "bfloat16", "float32_ftz",
    "tfloat32", "tfloat32_ftz",
)  # fmt: skip
_BYTES = (1, 2, 4, 4, 8, 8, 2, 4, 8, 2, 4, 4, 4)
SWIZZLES = (0, 32, 64, 128)


class _Tensor(ctypes.Structure):
    """`struct tl_sim_tensor`."""

    _fields_ = [
        ("type", ctypes.c_int32),
        ("rank", ctypes.c_int32),
        ("interleave", ctypes.c_int32),
        ("swizzle", ctypes.c_int32),
        ("fill_nan", ctypes.c_int32),
        ("address", ctypes.c_void_p),
        ("extent", ctypes.c_void_p),
        ("byte_stride", ctypes.c_void_p),
        ("element_stride", ctypes.c_void_p),
    ]


class TensorMap:
    """A tensor map over memory that the caller keeps alive; pass it to `SimulatedModule.launch`.

    Parameters are those of `cuTensorMapEncodeTiled` and `cuTensorMapEncodeIm2col`, dimension 0 innermost.

    Parameters
    ----------
    address : int
        Of the tensor, aligned to 16 bytes.
    dtype : str
        One of `DATA_TYPES`.
    extents : sequence of int
        Of the tensor.
    byte_strides : sequence of int
        Of dimensions 1 and up.
    box : sequence of int
        Tiled mode: extents of the box. im2col mode: channels and pixels.
    swizzle : {0, 32, 64, 128}
        Bytes that the shared layout's swizzle spans.
    element_strides : sequence of int, optional
        Steps in which a box walks the tensor; by default 1.
    fill_nan : bool
        Elements outside the tensor read as NaN, not zero.
    im2col : tuple of two sequences of int, optional
        Lower and upper corner of the bounding box, for the dimensions between channels and batch.

    Raises
    ------
    SimulationError
        The driver would refuse these arguments.
    """

    def __init__(
        self,
        address: int,
        dtype: str,
        extents: Sequence[int],
        byte_strides: Sequence[int],
        box: Sequence[int],
        *,
        swizzle: int = 0,
        element_strides: Sequence[int] | None = None,
        fill_nan: bool = False,
        im2col: tuple[Sequence[int], Sequence[int]] | None = None,
    ) -> None:
        if dtype not in DATA_TYPES or swizzle not in SWIZZLES:
            raise SimulationError(f"dtype {dtype!r} must be one of {', '.join(DATA_TYPES)}; swizzle {swizzle} one of {SWIZZLES}")
        rank = len(extents)
        self.address = address
        steps = (_BYTES[DATA_TYPES.index(dtype)], *byte_strides)
        self.span = sum((n - 1) * step for n, step in zip(extents, steps)) + steps[0]  # bytes from first to last element
        arrays = (
            (ctypes.c_uint64 * rank)(*extents),
            (ctypes.c_uint64 * max(1, rank - 1))(*byte_strides),
            (ctypes.c_uint32 * rank)(*(element_strides or [1] * rank)),
        )
        places = [ctypes.addressof(a) for a in arrays]
        tensor = _Tensor(DATA_TYPES.index(dtype), rank, 0, SWIZZLES.index(swizzle), fill_nan, address, *places)
        raw = (ctypes.c_char * 192)()
        self.storage = (ctypes.c_char * 128).from_buffer(raw, -ctypes.addressof(raw) % 64)
        report = ctypes.create_string_buffer(256)
        library, target = load_library(), ctypes.addressof(self.storage)
        if im2col is None:
            boxes = (ctypes.c_uint32 * rank)(*box)
            code = library.tl_sim_encode_tiled(target, ctypes.addressof(tensor), ctypes.addressof(boxes), report, 256)
        else:
            lower, upper = ((ctypes.c_int32 * max(1, len(corner)))(*corner) for corner in im2col)
            corners = ctypes.addressof(lower), ctypes.addressof(upper)
            code = library.tl_sim_encode_im2col(target, ctypes.addressof(tensor), *corners, *box, report, 256)
        if code:
            raise SimulationError(f"tensor map refused: {report.value.decode()}")

    @classmethod
    def of(cls, array: Any, box: Sequence[int], dtype: str | None = None, **options: Any) -> TensorMap:
        """A map over a NumPy array, whose last axis is contiguous; `box` is given in the array's own order of axes."""
        strides = [int(s) for s in array.strides[::-1]]
        name = dtype or array.dtype.name
        address = array.__array_interface__["data"][0]
        return cls(address, name, array.shape[::-1], strides[1:], list(box)[::-1], **options)
