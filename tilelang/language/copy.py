"""T.copy: move a tile, with the extents of either side."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError, ShapeError
from ..frontend.builder import require
from .buffer import Buffer, Element, MutableScalar, Region
from .emit import merge_options, name_of, snapshot, statement, whole
from .expr import Expr
from .shape import Extent, same, shape_text
from .symbolic_extents import each_element, is_symbolic
from .tensor_memory import copy_tensor_memory, in_tensor_memory

_POLICIES = ("evict_normal", "evict_first", "evict_last")
_INSTRUCTIONS = ("tma", "cp_async", "sync")


def copy(
    src: Any,
    dst: Any,
    *,
    coalesced_width: int | None = None,
    disable_tma: bool = False,
    eviction_policy: str | None = None,
    prefer_instruction: str | None = None,
    annotations: dict[str, Any] | None = None,
    loop_layout: Any = None,
) -> None:
    """Copy `src` to `dst`, converting to the dtype of `dst`; complete when the statement ends.

    A side written as a start (`A[by * 128, k * 32]`) takes the extents of the other side, right-aligned. Two elements
    are one store. Extents that only the device knows (`A[first:last, :]`) are copied element by element, to or from a whole
    tile as far as it reaches.

    Parameters
    ----------
    src, dst : buffer, region or element
    coalesced_width : int, optional
        Elements that a thread moves side by side.
    disable_tma : bool
        Do not use the tensor memory accelerator.
    eviction_policy : str, optional
        evict_normal, evict_first or evict_last: how long lines that TMA copies should stay in L2.
    prefer_instruction : str, optional
        tma, cp_async or sync.
    annotations : dict, optional
        The same options by name.
    loop_layout : Fragment, optional
        Which thread moves which element.

    Raises
    ------
    ShapeError
        If the extents differ, with both.

    Examples
    --------
    >>> T.copy(A[by * 128, k * 64], A_s)
    """
    options = {
        "coalesced_width": coalesced_width,
        "disable_tma": True if disable_tma else None,
        "eviction_policy": eviction_policy,
        "prefer_instruction": prefer_instruction,
        "loop_layout": loop_layout,
    }
    merge_options(options, annotations, "T.copy")
    _one_of(options["eviction_policy"], _POLICIES, "eviction_policy")
    _one_of(options["prefer_instruction"], _INSTRUCTIONS, "prefer_instruction")
    require("T.copy").need_kernel("T.copy")
    if isinstance(src, MutableScalar) or (isinstance(src, Expr) and not isinstance(src, Element)):
        raise_unless_element(dst, src)
        dst.store(src)
        return
    if isinstance(src, Element) and isinstance(dst, Element):
        dst.store(snapshot(src))
        return
    src_region, dst_region = match_extents(src, dst)
    if in_tensor_memory(src_region) or in_tensor_memory(dst_region):
        copy_tensor_memory(src_region, dst_region, options)
        return
    if is_symbolic(src_region, dst_region):
        each_element("T.copy", lambda source, target: target.store(source), src_region, dst_region, options=options)
        return
    statement("tl.copy", (src_region, dst_region), options)


def raise_unless_element(dst: Any, src: Any) -> None:
    if not isinstance(dst, Element):
        raise ShapeError(f"T.copy of the scalar {src} to {dst}", fix=f"fill it: T.fill({dst}, {src})")


def _one_of(value: Any, allowed: tuple[str, ...], what: str) -> None:
    if value is not None and value not in allowed:
        raise SemanticError(f"{what}={value!r}", fix="one of " + ", ".join(repr(a) for a in allowed))


def match_extents(src: Any, dst: Any, what: str = "copy") -> tuple[Region, Region]:
    """Both sides as regions of equal extents (extents of 1 aside)."""
    for side, name in ((src, "source"), (dst, "destination")):
        if not isinstance(side, (Buffer, Region, Element)):
            raise DTypeError(f"the {name} of T.{what} must be a buffer or a region of one, got {type(side).__name__} {side!r}")
    a, b = whole(src, "source"), whole(dst, "destination")
    free_a, free_b = isinstance(src, Element) or a.soft, isinstance(dst, Element) or b.soft
    if _equal(a.extents, b.extents):
        return a, b
    if free_a and (not free_b or isinstance(src, Element)):
        a = _resize(a, b, what)
    elif free_b:
        b = _resize(b, a, what)
    if _equal(a.extents, b.extents):
        return a, b
    if isinstance(dst, Buffer) != isinstance(src, Buffer):  # of a whole tensor a tile holds a part: nobody asked for that
        if isinstance(dst, Buffer) and (limited := _limited(a, b)):
            return limited
        if isinstance(src, Buffer) and (limited := _limited(b, a)):
            return limited[1], limited[0]
    raise ShapeError(
        f"{what} extents do not match: {name_of(a)} is {shape_text(_core(a))} and {name_of(b)} is {shape_text(_core(b))}",
        fix="slice one side to the extents of the other, or give only its start, as in A[i, j]",
    )


def _limited(region: Region, tile: Region) -> tuple[Region, Region] | None:
    """A region whose extents only the device knows, and a whole tile: as much of the region as the tile holds."""
    from .select import min as minimum

    wide = [axis for axis, extent in enumerate(region.extents) if not _is_one(extent)]
    held = [axis for axis, extent in enumerate(tile.extents) if not _is_one(extent)]
    if len(wide) != len(held) or any(not isinstance(tile.extents[axis], int) for axis in held):
        return None
    moved, kept = list(region.extents), list(tile.extents)
    for axis, place in zip(wide, held, strict=True):
        extent, limit = region.extents[axis], tile.extents[place]
        if isinstance(extent, int) and extent != limit:
            return None
        moved[axis] = kept[place] = extent if isinstance(extent, int) else minimum(extent, limit)
    return (
        Region(region.buffer, region.starts, tuple(moved), region.points, False),
        Region(tile.buffer, tile.starts, tuple(kept), tile.points, False),
    )


def _is_one(extent: Extent) -> bool:
    return isinstance(extent, int) and extent == 1


def _core(region: Region) -> tuple[Extent, ...]:
    return tuple(e for e in region.extents if not _is_one(e)) or (1,)


def _equal(a: tuple[Extent, ...], b: tuple[Extent, ...]) -> bool:
    a, b = (tuple(e for e in s if not _is_one(e)) for s in (a, b))
    return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))


def _resize(start: Region, other: Region, what: str) -> Region:
    """The region at `start` with the extents of `other`, right-aligned."""
    extents: list[Extent] = list(other.extents)
    rank = len(start.starts)
    while len(extents) > rank and isinstance(extents[0], int) and extents[0] == 1:
        extents.pop(0)
    if len(extents) > rank:
        raise ShapeError(
            f"{what} of {name_of(other)}, which is {shape_text(extents)}, "
            f"to or from {start.buffer.name}, which has {rank} dimension{'s' * (rank != 1)}",
            fix="index the larger side down to the rank of the other",
        )
    padded = (*[1] * (rank - len(extents)), *extents)
    return Region(start.buffer, start.starts, padded, (False,) * rank, False)
