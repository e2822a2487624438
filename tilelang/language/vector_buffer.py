"""Arrays of vectors, such as T.alloc_local((4,), "float16x2"): arrays of the element type with a last axis for the lanes.

T.alloc_var of a vector type is one with a single vector.
"""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from .buffer import VECTOR_LANES, Buffer, Element, MutableScalar, Region
from .dtypes import dtype
from .expr import as_expr


class VectorBuffer(Buffer):
    """A buffer whose index may leave out the last axis: the element is then a vector of all lanes."""

    @staticmethod
    def of(made: Buffer) -> VectorBuffer:
        """The same memory, indexed by vectors."""
        vectors = VectorBuffer(made.name, made.shape, made.dtype, made.scope(), made.strides, base=made)
        vectors._node = made.node
        return vectors

    def __getitem__(self, index: Any) -> Element | Region | Any:
        found = super().__getitem__(self._all_lanes(index))
        lanes = found.lanes() if isinstance(found, Region) else None
        return found if lanes is None else lanes

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(self._all_lanes(index), value)

    def _all_lanes(self, index: Any) -> Any:
        parts = index if isinstance(index, tuple) else (index,)
        return (*parts, slice(None)) if len(parts) == self.ndim - 1 and not any(p is Ellipsis for p in parts) else index


class MutableVector(MutableScalar):
    """A name of T.alloc_var that holds a vector: it is read and assigned as a whole; `x[0, k]` is a lane."""

    __slots__ = ()

    def __init__(self, buffer: VectorBuffer) -> None:
        super().__init__(buffer, (0, 0), fresh=True)
        lanes = buffer.shape[-1]
        if lanes not in VECTOR_LANES:
            raise DTypeError(f"T.alloc_var of {lanes} lanes", fix=f"{', '.join(map(str, VECTOR_LANES))} lanes, or T.alloc_local")
        self._dtype = dtype(f"{buffer.dtype}x{lanes}")

    @property
    def node(self) -> Any:
        return as_expr(self.buffer[0]).node

    def store(self, value: Any) -> None:
        self.buffer[0] = value

    def __str__(self) -> str:
        return self.buffer.name
