"""CuTe's layout algebra: coalescing, composition, inverses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import LayoutError
from ..index_map import Layout as UserLayout
from .int_tuple import ScaledBasis
from .layout import Layout, index_map_of, size
from .swizzle import Swizzle

_CHECKED = 1 << 16  # so many results are compared one by one where nothing shorter decides


@dataclass(frozen=True)
class ComposedLayout:
    """`outer(offset + inner(c))`: a swizzle of a layout.

    Parameters
    ----------
    outer : Swizzle
    offset : int
    inner : Layout
    """

    outer: Swizzle
    offset: int
    inner: Layout

    @property
    def shape(self) -> Any:
        return self.inner.shape

    def __call__(self, *coordinate: Any) -> Any:
        return self.outer(self.offset + self.inner(*coordinate))

    def index_map(self) -> UserLayout:
        """The same as T.Layout."""
        return index_map_of(self, self.inner)

    def __str__(self) -> str:
        return f"{self.outer} o {self.offset} o {self.inner}"


def coalesce(layout: Layout, max_extent: int | None = None) -> Layout:
    """The same function on integers with as few modes as there can be.

    Parameters
    ----------
    layout : Layout
    max_extent : int, optional
        Modes are joined only as far as the joined one has no more elements than this.

    Examples
    --------
    >>> print(coalesce(make_layout((2, (1, 6)), (1, (6, 2)))))
    12:1
    """
    joined: list[tuple[int, Any]] = []
    for extent, stride in layout.modes:
        if extent == 1:
            continue
        if joined:
            before, step = joined[-1]
            if step * before == stride and (max_extent is None or before * extent <= max_extent):
                joined[-1] = before * extent, step
                continue
        joined.append((extent, stride))
    return _of_modes(joined)


def _of_modes(modes: Sequence[tuple[int, Any]]) -> Layout:
    if not modes:
        return Layout(1, 0)
    if len(modes) == 1:
        return Layout(*modes[0])
    return Layout(tuple(extent for extent, _ in modes), tuple(stride for _, stride in modes))


def right_inverse(layout: Layout) -> Layout:
    """The largest layout R with `layout(R(i)) == i` for every i.

    Examples
    --------
    >>> print(right_inverse(make_row_major_layout((4, 8))))
    (8,4):(4,1)
    """
    steps: dict[Any, tuple[int, int]] = {}  # stride: (extent, how far apart its elements are among the coordinates)
    apart = 1
    for extent, stride in layout.modes:
        if extent > 1:
            steps.setdefault(stride, (extent, apart))
        apart *= extent
    found: list[tuple[int, Any]] = []
    covered = 1
    while covered in steps:
        extent, apart = steps[covered]
        found.append((extent, apart))
        covered *= extent
    return coalesce(_of_modes(found))


def composition(lhs: Layout | Swizzle, rhs: Layout) -> Layout | ComposedLayout:
    """The layout R with `R(c) == lhs(rhs(c))`, of the shape of `rhs` (whose modes may be divided).

    Raises
    ------
    LayoutError
        If no shape and stride describe it.

    Examples
    --------
    >>> print(composition(make_layout((6, 2), (8, 2)), make_layout((4, 3), (3, 1))))
    ((2,2),3):((24,2),8)
    """
    if isinstance(lhs, Swizzle):
        return ComposedLayout(lhs, 0, rhs)
    if any(isinstance(stride, ScaledBasis) for _, stride in (*lhs.modes, *rhs.modes)):
        raise LayoutError(f"the composition of {lhs} and {rhs}", fix="strides that are integers")
    shape, stride = _composed(lhs, rhs.shape, rhs.stride)
    found = Layout(shape, stride)
    if not _independent(lhs, rhs) and (size(rhs) > _CHECKED or any(found(i) != lhs(rhs(i)) for i in range(size(rhs)))):
        raise LayoutError(f"{lhs} after {rhs} is no layout", fix="divide the modes of the second where those of the first end")
    return found


def _independent(lhs: Layout, rhs: Layout) -> bool:
    """Whether the modes of `rhs` can be summed behind `lhs`: in no digit of its shape do they carry into the next."""
    apart = 1
    for extent, _ in lhs.modes[:-1]:
        if sum(max(i * step // apart % extent for i in range(count)) for count, step in rhs.modes) >= extent:
            return False
        apart *= extent
    return True


def _composed(lhs: Layout, shape: Any, stride: Any) -> tuple[Any, Any]:
    if isinstance(shape, tuple):
        both = [_composed(lhs, *mode) for mode in zip(shape, stride)]
        return tuple(extent for extent, _ in both), tuple(step for _, step in both)
    wanted = values = [lhs(i * stride) for i in range(shape)]
    modes: list[tuple[int, Any]] = []
    while len(values) > 1:
        # As many as go on in equal steps, and divide the whole.
        run = next((n for n in range(1, len(values)) if values[n] != n * values[1]), len(values))
        while len(values) % run:
            run -= 1
        if run == 1:
            break
        modes.append((run, values[1]))
        values = values[::run]
    found = _of_modes(modes)
    if len(values) > 1 or [found(i) for i in range(shape)] != wanted:
        raise LayoutError(f"{lhs} after {shape}:{stride} is no layout", fix="take a shape that divides the modes of the first")
    return found.shape, found.stride
