"""What a word of 2:4 sparse metadata describes: for compressors that programs write themselves."""

from __future__ import annotations

from typing import Any

from tilelang.errors import DTypeError
from tilelang.language.dtypes import dtype

_NAMES = ("float32", "float16", "bfloat16", "int8", "uint8", "float8_e4m3fn", "float8_e5m2")
# (kept, of): of so many neighbours along K so many are kept.
GROUP_CONFIG: dict[Any, tuple[int, int]] = {dtype(name): ((1, 2) if name == "float32" else (2, 4)) for name in _NAMES}


def _element(a_dtype: Any) -> Any:
    found = dtype(a_dtype)
    if found not in GROUP_CONFIG:
        raise DTypeError(f"no sparse matrix instruction takes {found}", fix=", ".join(_NAMES))
    return found


def get_e_factor(a_dtype: Any, meta_dtype: Any) -> int:
    """How many elements along K one word of metadata describes.

    Examples
    --------
    >>> get_e_factor("float16", "int16")
    16
    """
    return dtype(meta_dtype).bits // 4 * GROUP_CONFIG[_element(a_dtype)][1]


def get_e_replicate_factor(a_dtype: Any) -> int:
    """How many threads of a group of four hold the same metadata: two, or one for 8-bit elements, which take all four's.

    Examples
    --------
    >>> get_e_replicate_factor("float16")
    2
    """
    return 1 if _element(a_dtype).bits == 8 else 2
