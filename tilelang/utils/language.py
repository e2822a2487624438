"""Questions about buffers of a kernel, for functions that take them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def _scope(buffer: Any) -> str:
    scope = buffer.scope
    return scope() if callable(scope) else str(scope)


def is_global(buffer: Any) -> bool:
    """A tensor in global memory."""
    return _scope(buffer) == "global"


def is_shared(buffer: Any, allow_dynamic: bool = True) -> bool:
    """A shared tile."""
    return _scope(buffer) in (("shared", "shared.dyn") if allow_dynamic else ("shared",))


def is_shared_dynamic(buffer: Any) -> bool:
    """A shared tile of the launch's dynamic shared memory."""
    return _scope(buffer) == "shared.dyn"


def is_local(buffer: Any) -> bool:
    """A thread's own array."""
    return _scope(buffer) == "local"


def is_local_var(buffer: Any) -> bool:
    """A mutable scalar."""
    return _scope(buffer) == "local.var"


def is_fragment(buffer: Any) -> bool:
    """A tile in the registers of the block."""
    return _scope(buffer).startswith("local.fragment")


def array_reduce(array: Sequence[int]) -> int:
    """The product of extents."""
    return math.prod(array)


def get_buffer_elems(buffer: Any) -> int:
    """How many elements a buffer of constant shape has."""
    return math.prod(buffer.shape)


def retrieve_shape(obj: Any) -> list[Any]:
    """The extents of a buffer or of a region of one."""
    return list(getattr(obj, "extents", None) or obj.shape)
