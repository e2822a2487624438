"""Nested tuples of integers: shapes, strides and coordinates of CuTe layouts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any

from ...errors import LayoutError


@dataclass(frozen=True)
class ScaledBasis:
    """`value` steps along one mode of a coordinate: the stride of a layout whose results are coordinates.

    Parameters
    ----------
    value : int
    mode : tuple of int
        The mode, from the outermost level inwards.
    """

    value: int
    mode: tuple[int, ...]

    def __mul__(self, factor: Any) -> ScaledBasis:
        return ScaledBasis(self.value * factor, self.mode)

    __rmul__ = __mul__

    def __str__(self) -> str:
        return "@".join(map(str, (self.value, *reversed(self.mode))))


def E(mode: int | tuple[int, ...] | list[int]) -> ScaledBasis:  # noqa: N802 - CuTe's name
    """One step along a mode: `E(1)`, or `E((1, 0))` for the first mode inside the second.

    Examples
    --------
    >>> print(make_layout((4, 8), (E(0), E(1))))
    (4,8):(1@0,1@1)
    """
    return ScaledBasis(1, (mode,) if isinstance(mode, int) else tuple(mode))


def from_python(value: Any) -> Any:
    """A nested tuple of integers and bases from nested lists and tuples.

    Raises
    ------
    LayoutError
        For anything else in it.
    """
    if isinstance(value, (tuple, list)):
        return tuple(from_python(item) for item in value)
    if isinstance(value, ScaledBasis) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise LayoutError(f"{value!r} in the shape or stride of a CuTe layout", fix="nested tuples of int, strides also of E(mode)")


def to_python(t: Any) -> Any:
    """Such a tuple as plain Python: it is."""
    return t


def product(shape: Any) -> int:
    """The product of all integers in a nested tuple."""
    return prod(flatten_to_tuple(shape))


def flatten_to_tuple(value: Any) -> tuple[Any, ...]:
    """The leaves of a nested tuple, in order."""
    if isinstance(value, tuple):
        return tuple(leaf for item in value for leaf in flatten_to_tuple(item))
    return (value,)


def congruent(a: Any, b: Any) -> bool:
    """Whether two nested tuples are nested alike."""
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(congruent, a, b))
    return not isinstance(a, tuple) and not isinstance(b, tuple)


def nested_like(leaves: Any, pattern: Any) -> Any:
    """The items of an iterator, nested as `pattern` is."""
    return tuple(nested_like(leaves, item) for item in pattern) if isinstance(pattern, tuple) else next(leaves)


def text_of(value: Any) -> str:
    """CuTe's way of writing a nested tuple: "((2,2),3)"."""
    return f"({','.join(map(text_of, value))})" if isinstance(value, tuple) else str(value)


def running_products(shape: Any, *, reverse: bool = False) -> Any:
    """For each integer of a nested tuple the product of those before it (or behind it)."""
    leaves = flatten_to_tuple(shape)
    found, total = [], 1
    for leaf in reversed(leaves) if reverse else leaves:
        found.append(total)
        total *= leaf
    return nested_like(iter(found[::-1] if reverse else found), shape)


def mapped(value: Any, function: Callable[[Any, tuple[int, ...]], Any], path: tuple[int, ...] = ()) -> Any:
    """`function(leaf, path)` of every leaf."""
    if isinstance(value, tuple):
        return tuple(mapped(item, function, (*path, index)) for index, item in enumerate(value))
    return function(value, path)
