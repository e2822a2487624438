"""Array libraries: how each allocates, on which stream it computes, and how its arrays are handed over without a copy."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from tilelang.language.dtypes import storage_name
from tilelang.runtime.arguments import SUB_BYTE


class ArrayLibrary(ABC):
    """One library's arrays.

    Attributes
    ----------
    module : str
        The top-level module of its array type.
    immutable : bool
        Whether its arrays may not be written by a kernel that the caller passes them to.
    """

    module: ClassVar[str]
    immutable: ClassVar[bool] = False

    def export(self, array: Any) -> Any:
        """What tvm-ffi takes for the memory of `array`."""
        return array

    @abstractmethod
    def empty(self, shape: Sequence[int], dtype: str, like: Any) -> Any:
        """A new array on the device of `like`."""

    def stream(self, like: Any) -> int:
        """The handle of the CUDA stream on which the library computes now; 0 is the default stream."""
        return 0

    def before(self, arrays: Sequence[Any]) -> None:
        """Wait until `arrays` can be read on `stream`."""
        return  # most libraries compute in the order of that stream

    def after(self, like: Any) -> None:
        """Make the kernel's writes visible to the library's next operations."""
        return


class NumPy(ArrayLibrary):
    """Also ml_dtypes' bfloat16 and 8-bit floats, which NumPy itself cannot export: they travel as torch's types."""

    module = "numpy"

    def export(self, array: Any) -> Any:
        if array.dtype.type.__module__ != "ml_dtypes":
            return array
        import torch

        raw = torch.from_numpy(array.view(f"u{array.dtype.itemsize}"))
        return raw.view(getattr(torch, array.dtype.name))

    def empty(self, shape: Sequence[int], dtype: str, like: Any) -> Any:
        import numpy

        return aligned_empty(shape, numpy_dtype(dtype), numpy)


class Torch(ArrayLibrary):
    module = "torch"

    def export(self, array: Any) -> Any:
        return array.detach() if array.requires_grad else array

    def empty(self, shape: Sequence[int], dtype: str, like: Any) -> Any:
        import torch

        return torch.empty(tuple(shape), dtype=getattr(torch, torch_name(dtype)), device=like.device)

    def stream(self, like: Any) -> int:
        import torch

        return torch.cuda.current_stream(like.device).cuda_stream if like.is_cuda else 0


class CuPy(ArrayLibrary):
    module = "cupy"

    def empty(self, shape: Sequence[int], dtype: str, like: Any) -> Any:
        cupy = importlib.import_module("cupy")
        with like.device:
            return cupy.empty(tuple(shape), numpy_dtype(dtype))

    def stream(self, like: Any) -> int:
        return importlib.import_module("cupy").cuda.get_current_stream(like.device.id).ptr


class Jax(ArrayLibrary):
    """JAX has no current stream: a call waits for its inputs, runs on the default stream, and waits for the result."""

    module = "jaxlib"
    immutable = True

    def empty(self, shape: Sequence[int], dtype: str, like: Any) -> Any:
        jax = importlib.import_module("jax")
        made = jax.device_put(jax.numpy.zeros(tuple(shape), dtype=numpy_dtype(dtype)), next(iter(like.devices())))
        return made.block_until_ready()

    def before(self, arrays: Sequence[Any]) -> None:
        for array in arrays:
            array.block_until_ready()

    def after(self, like: Any) -> None:
        if next(iter(like.devices())).platform == "gpu":
            import torch

            torch.cuda.default_stream().synchronize()


class Other(ArrayLibrary):
    """Any other producer of DLPack, tvm-ffi's own tensors among them: outputs are tvm-ffi tensors."""

    module = ""

    def empty(self, shape: Sequence[int], dtype: str, like: Any) -> Any:
        import torch
        import tvm_ffi

        kind, index = like.__dlpack_device__()
        device = torch.device("cuda", index) if kind == 2 else torch.device("cpu")  # 2: kDLCUDA
        return tvm_ffi.from_dlpack(torch.empty(tuple(shape), dtype=getattr(torch, torch_name(dtype)), device=device))


_LIBRARIES = {library.module: library for library in (NumPy(), Torch(), CuPy(), Jax())}
_OTHER = Other()


def library_of(array: Any) -> ArrayLibrary | None:
    """The library that made `array`; None for what is no array."""
    if not hasattr(array, "__dlpack__"):
        return None
    for base in type(array).__mro__:
        found = _LIBRARIES.get(base.__module__.partition(".")[0])
        if found is not None:
            return found
    return _OTHER


def torch_name(dtype: str) -> str:
    """torch's name of what holds elements of a plan's type."""
    return storage_name(dtype)


def numpy_dtype(dtype: str) -> Any:
    """NumPy's dtype of a plan's element type; those that NumPy lacks are ml_dtypes'."""
    import numpy

    if dtype in SUB_BYTE:
        return numpy.dtype("int8" if dtype == "int4" else "uint8")  # ml_dtypes' own take a byte for each element
    try:
        return numpy.dtype(dtype)
    except TypeError:
        return numpy.dtype(getattr(importlib.import_module("ml_dtypes"), torch_name(dtype)))


def aligned_empty(shape: Sequence[int], dtype: Any, numpy: Any, alignment: int = 64) -> Any:
    """A NumPy array that starts at a multiple of `alignment` bytes, which `numpy.empty` does not promise."""
    count = 1
    for extent in shape:
        count *= int(extent)
    raw = numpy.empty(count * dtype.itemsize + alignment, numpy.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + count * dtype.itemsize].view(dtype).reshape(tuple(shape))
