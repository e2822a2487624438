"""T.fill and T.clear."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from .buffer import Element
from .emit import statement, whole
from .expr import as_expr, convert
from .symbolic_extents import each_element, is_symbolic
from .tensor_memory import fill_tensor_memory, in_tensor_memory


def fill(buffer: Any, value: Any, annotations: dict[str, Any] | None = None) -> None:
    """Set every element of a buffer or region to `value`, converted to its dtype.

    Examples
    --------
    >>> T.fill(acc, 1.0)
    """
    if isinstance(buffer, Element):
        buffer.store(value)
        return
    region = whole(buffer, "the destination of T.fill")
    if isinstance(value, (int, float, bool)):
        value = convert(value, region.dtype)
    else:
        value = convert(as_expr(value, "the value of T.fill"), region.dtype)
    if in_tensor_memory(region):
        fill_tensor_memory(region, value)
        return
    if is_symbolic(region):
        each_element("T.fill", lambda element: element.store(value), region, options=annotations)
        return
    statement("tl.fill", (region, value), annotations, "T.fill")


def clear(buffer: Any, annotations: dict[str, Any] | None = None) -> None:
    """Set every element of a buffer or region to zero.

    Examples
    --------
    >>> T.clear(acc)
    """
    if not hasattr(buffer, "dtype"):
        raise DTypeError(f"T.clear takes a buffer or a region of one, got {type(buffer).__name__}")
    fill(buffer, False if buffer.dtype.is_bool else 0, annotations)
