"""The element types of the language, by name: `tilelang.dtypes.float16`."""

from __future__ import annotations

from typing import Any

from .language import dtypes as _types
from .language.dtypes import NAMES, dtype

__all__ = ["NAMES", "dtype"]


def __getattr__(name: str) -> Any:
    if name in NAMES:
        return dtype(name)
    return getattr(_types, name)
