"""Arrays of a launch: what a region or an element of a buffer is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Index = tuple[Any, ...]


def read_region(array: np.ndarray, starts: Sequence[int], extents: Sequence[int]) -> np.ndarray:
    """A copy of a box; what lies outside the array is zero."""
    inside, target = _overlap(array.shape, starts, extents)
    if target is None:
        return array[inside].copy()
    out = np.zeros(tuple(extents), array.dtype)
    out[target] = array[inside]
    return out


def write_region(array: np.ndarray, starts: Sequence[int], values: np.ndarray) -> None:
    """Assign a box; what lies outside the array is dropped."""
    inside, target = _overlap(array.shape, starts, values.shape)
    array[inside] = values if target is None else values[target]


def _overlap(shape: Sequence[int], starts: Sequence[int], extents: Sequence[int]) -> tuple[Any, Any]:
    """Slices of the array, and of the box; None for the latter when the box lies inside."""
    low = [min(max(s, 0), n) for s, n in zip(starts, shape)]
    high = [max(min(s + e, n), lo) for s, e, n, lo in zip(starts, extents, shape, low)]
    inside = tuple(slice(lo, hi) for lo, hi in zip(low, high))
    if all(hi - lo == e for lo, hi, e in zip(low, high, extents)):
        return inside, None
    return inside, tuple(slice(lo - s, hi - s) if hi > lo else slice(0, 0) for lo, hi, s in zip(low, high, starts))


def gather(array: np.ndarray, index: Index) -> Any:
    """Elements at integer arrays that broadcast; zero outside."""
    if 0 in array.shape:
        return np.zeros(np.broadcast_shapes(*map(np.shape, index)), array.dtype)[()]
    valid, clipped = _clip(array, index)
    found = array[clipped]
    return found if valid is None else np.where(valid, found, np.zeros((), array.dtype))


def scatter(array: np.ndarray, index: Index, values: Any, mask: Any) -> None:
    """Assign elements at integer arrays, where the mask is set; those outside are dropped."""
    if 0 in array.shape:
        return
    valid, clipped = _clip(array, index)
    mask = valid if mask is None else mask if valid is None else mask & valid
    if mask is None:
        array[clipped] = values
        return
    shape = np.broadcast_shapes(np.shape(mask), *(np.shape(i) for i in clipped), np.shape(values))
    mask = np.broadcast_to(mask, shape)
    array[tuple(np.broadcast_to(i, shape)[mask] for i in clipped)] = np.broadcast_to(values, shape)[mask]


def _clip(array: np.ndarray, index: Index) -> tuple[Any, Index]:
    valid: Any = None
    clipped = []
    for i, extent in zip(index, array.shape):
        bad = (i < 0) | (i >= extent)
        if np.any(bad):
            valid = ~bad if valid is None else valid & ~bad
            i = np.clip(i, 0, max(extent - 1, 0))
        clipped.append(i)
    return valid, tuple(clipped)
