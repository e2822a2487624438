"""CuTe's layouts: functions from coordinates to indices that a shape and a stride define.

Source: the CuTe documentation ("CuTe Layouts", "CuTe Layout Algebra").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ...errors import LayoutError
from ..index_map import Layout as UserLayout
from .int_tuple import (
    E,
    ScaledBasis,
    congruent,
    flatten_to_tuple,
    from_python,
    mapped,
    product,
    running_products,
    text_of,
)


@dataclass(frozen=True)
class Layout:
    """`shape` and `stride`, nested alike; a call gives the index of a coordinate.

    A coordinate is nested as the shape is, or an integer (for the whole, or for a mode), which counts along the first mode first.
    Integers may be expressions of a kernel.

    Examples
    --------
    >>> make_layout((4, 8), (8, 1))((2, 3))
    19
    """

    shape: Any
    stride: Any

    def __call__(self, *coordinate: Any) -> Any:
        """The index of a coordinate; a tuple of indices where strides are bases."""
        given = coordinate[0] if len(coordinate) == 1 else coordinate
        terms: list[tuple[Any, Any]] = []
        _collect(given, self.shape, self.stride, terms)
        if not any(isinstance(stride, ScaledBasis) for _, stride in terms):
            return sum((index * stride for index, stride in terms), 0)
        return _coordinates(terms)

    def __str__(self) -> str:
        return f"{text_of(self.shape)}:{text_of(self.stride)}"

    def __len__(self) -> int:
        return len(self.shape) if isinstance(self.shape, tuple) else 1

    def __getitem__(self, mode: int) -> Layout:
        """One mode as a layout."""
        return Layout(self.shape[mode], self.stride[mode]) if isinstance(self.shape, tuple) else _only(self, mode)

    def index_map(self) -> UserLayout:
        """The same as T.Layout: one axis for each mode, and one physical axis."""
        return index_map_of(self, self)

    @property
    def modes(self) -> list[tuple[int, Any]]:
        """(extent, stride) of every integer of the shape, in order."""
        return list(zip(flatten_to_tuple(self.shape), flatten_to_tuple(self.stride)))

    def cosize(self) -> int:
        """One more than the largest index."""
        return 1 + sum((extent - 1) * stride for extent, stride in self.modes)


def index_map_of(function: Callable[[Any], Any], domain: Layout) -> UserLayout:
    """A T.Layout of a function of the coordinates of `domain`."""
    extents = [product(domain[mode].shape) for mode in range(len(domain))]
    return UserLayout(extents, lambda *indices: function(indices if len(indices) > 1 else indices[0]))


def _only(layout: Layout, mode: int) -> Layout:
    if mode not in (0, -1):
        raise LayoutError(f"{layout} has no mode {mode}")
    return layout


def _collect(coordinate: Any, shape: Any, stride: Any, terms: list[tuple[Any, Any]]) -> None:
    if isinstance(coordinate, (tuple, list)):
        if not isinstance(shape, tuple) or len(shape) != len(coordinate):
            raise LayoutError(f"the coordinate {coordinate} for the shape {text_of(shape)}", fix="nest it as the shape is")
        for item, extent, step in zip(coordinate, shape, stride):
            _collect(item, extent, step, terms)
    elif isinstance(shape, tuple):
        rest = coordinate
        for index, (extent, step) in enumerate(zip(shape, stride)):
            last = index == len(shape) - 1  # the last mode takes what is left, also beyond the shape
            _collect(rest if last else rest % product(extent), extent, step, terms)
            rest = rest // product(extent)
    else:
        terms.append((coordinate, stride))


def _coordinates(terms: list[tuple[Any, Any]]) -> Any:
    """The sum of multiples of bases as a nested tuple."""
    found: dict[tuple[int, ...], Any] = {}
    for index, stride in terms:
        if not isinstance(stride, ScaledBasis):
            if isinstance(stride, int) and stride == 0:
                continue
            raise LayoutError(f"strides that are integers ({stride}) and bases in one layout", fix="make all of them E(mode)")
        found[stride.mode] = found.get(stride.mode, 0) + index * stride.value

    def gather(path: tuple[int, ...]) -> Any:
        if path in found:
            return found[path]
        below = [mode[len(path)] for mode in found if mode[: len(path)] == path]
        return tuple(gather((*path, index)) for index in range(max(below) + 1)) if below else 0

    return gather(())


def make_layout(shape: Any, stride: Any = None) -> Layout:
    """The layout of a shape and a stride; without one, the first mode is contiguous and the others follow.

    Raises
    ------
    LayoutError
        If the two are not nested alike, or an extent is not positive.

    Examples
    --------
    >>> print(make_layout((4, (2, 2))))
    (4,(2,2)):(1,(4,8))
    """
    extents = from_python(shape)
    if any(isinstance(leaf, ScaledBasis) or leaf < 1 for leaf in flatten_to_tuple(extents)):
        raise LayoutError(f"the shape {text_of(extents)} of a CuTe layout", fix="positive extents")
    steps = running_products(extents) if stride is None else from_python(stride)
    if not congruent(extents, steps):
        raise LayoutError(f"the shape {text_of(extents)} and the stride {text_of(steps)} are not nested alike")
    return Layout(extents, steps)


def make_column_major_layout(shape: Any) -> Layout:
    """Contiguous along the first mode."""
    return make_layout(shape)


def make_row_major_layout(shape: Any) -> Layout:
    """Contiguous along the last mode."""
    return make_layout(shape, running_products(from_python(shape), reverse=True))


def make_identity_layout(shape: Any) -> Layout:
    """The layout whose results are its coordinates.

    Examples
    --------
    >>> make_identity_layout((4, 8))((2, 3))
    (2, 3)
    """
    return make_layout(shape, mapped(from_python(shape), lambda _, path: E(path)))


def rank(layout: Any) -> int:
    """How many modes a layout (or a shape) has at its outermost level."""
    shape = getattr(layout, "shape", layout)
    return len(shape) if isinstance(shape, tuple) else 1


def size(layout: Any) -> int:
    """How many coordinates a layout (or a shape) has."""
    return product(getattr(layout, "shape", layout))


def flatten(layout: Layout) -> Layout:
    """The same function with a mode for each integer of the shape."""
    return Layout(flatten_to_tuple(layout.shape), flatten_to_tuple(layout.stride))
