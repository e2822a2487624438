"""Arrays of vectors, such as T.alloc_local((4,), "float16x2"): arrays of the element type with a last axis for the lanes."""

from __future__ import annotations

from typing import Any

from .buffer import Buffer, Element, Region


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
