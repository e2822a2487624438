"""Indices: flat ones and those of several axes."""

from __future__ import annotations

from typing import Any

from ..errors import SemanticError
from .tvm_buffers import index_to_coordinates

__all__ = ["index_to_coordinates", "linear_index"]


def linear_index(*args: Any) -> Any:
    """The flat index of coordinates, row-major.

    Parameters
    ----------
    *args : int or Expr
        The coordinates, then the extents of all axes but the first.

    Raises
    ------
    SemanticError
        Unless there is one extent less than there are coordinates.

    Examples
    --------
    >>> linear_index(2, 3, 10)
    23
    """
    rank, even = divmod(len(args) + 1, 2)
    if even or not args:
        raise SemanticError(f"linear_index of {len(args)} values", fix="n coordinates, then n - 1 extents")
    flat = args[0]
    for coordinate, extent in zip(args[1:rank], args[rank:]):
        flat = flat * extent + coordinate
    return flat
