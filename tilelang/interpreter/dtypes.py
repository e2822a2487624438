"""NumPy's dtypes for the language's element types."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from tilelang.errors import UnsupportedError
from tilelang.language.dtypes import in_language, storage_name

_LARGEST = {"float8_e4m3fn": 448.0, "float8_e5m2": 57344.0}


@functools.cache
def numpy_dtype(name: str) -> np.dtype[Any]:
    """The dtype whose arithmetic is that of the element type; bfloat16 and 8-bit floats are ml_dtypes'.

    Raises
    ------
    UnsupportedError
        For elements that share a byte, and vectors.
    """
    if storage_name(name) == name or name == "float8_e4m3":
        try:
            return np.dtype(name)
        except TypeError:
            import ml_dtypes  # TVM depends on it

            found = getattr(ml_dtypes, storage_name(name), None)
            if found is not None:
                return np.dtype(found)
    raise UnsupportedError(f"the interpreter has no elements of type {in_language(name)}", fix="leave out jit=False")


def cast(value: Any, name: str) -> Any:
    """A scalar or array of another type, converted as the language does."""
    wanted = numpy_dtype(name)
    if getattr(value, "dtype", None) == wanted:
        return value
    if wanted.name in _LARGEST:  # 8-bit floats saturate
        value = np.clip(np.asarray(value, np.float32), -_LARGEST[wanted.name], _LARGEST[wanted.name])
    if wanted.kind in "iu" and np.asarray(value).dtype.kind not in "iub":
        value = np.nan_to_num(np.asarray(value, np.float64), nan=0.0)  # what conversions of NaN to integers give on a GPU
    return np.asarray(value).astype(wanted)[()]
