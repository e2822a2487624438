"""Element by element: T.copy, T.fill and atomics of regions whose extents only the device knows, assignments to slices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import SourceSpan, UnsupportedError
from ..frontend.builder import require
from .buffer import Element, Region
from .shape import Extent


def is_symbolic(*regions: Region) -> bool:
    """True if an extent of the regions is no constant."""
    return any(not isinstance(extent, int) for region in regions for extent in region.extents)


def each_element(what: str, visit: Callable[..., None], *regions: Region, options: Mapping[str, Any] | None = None) -> None:
    """Emit `visit(element of each region)` for all elements of regions of equal extents (extents of 1 aside).

    Parameters
    ----------
    options : mapping, optional
        Of the operation: `coalesced_width` serves here, the others only whole tiles.
    """
    from ..frontend.iteration import DeviceLoop
    from .loops import Parallel

    given = {name: value for name, value in (options or {}).items() if value}
    width = given.pop("coalesced_width", None)
    given.pop("disable_tma", None)
    given.pop("eviction_policy", None)  # a hint to TMA
    if given:
        raise UnsupportedError(
            f"{', '.join(given)} of {what} with an extent that only the device knows",
            fix="leave it out, or use the constant tile size: what lies outside a tensor is skipped",
        )
    extents = [extent for extent in regions[0].extents if not _is_one(extent)]
    builder = require(what)
    names = tuple(f"i{axis}" for axis in range(len(extents)))
    loop = DeviceLoop(builder, Parallel(*extents, coalesced_width=width), names, (), builder.place or SourceSpan("?", 0))
    for found in loop:
        counters = list(found) if len(extents) > 1 else [found]
        visit(*(_element(region, counters) for region in regions))


def each_in_order(what: str, visit: Callable[..., None], *regions: Region) -> None:
    """As `each_element`, in loops of the thread itself."""
    from ..frontend.iteration import DeviceLoop
    from .loops import serial, unroll

    builder = require(what)
    extents = [extent for extent in regions[0].extents if not _is_one(extent)]

    def nest(counters: list[Any]) -> None:
        if len(counters) == len(extents):
            visit(*(_element(region, counters) for region in regions))
            return
        extent = extents[len(counters)]
        loop = unroll(extent) if isinstance(extent, int) else serial(extent)
        for counter in DeviceLoop(builder, loop, (f"i{len(counters)}",), (), builder.place or SourceSpan("?", 0)):
            nest([*counters, counter])

    nest([])


def _is_one(extent: Extent) -> bool:
    return isinstance(extent, int) and extent == 1


def _element(region: Region, counters: list[Any]) -> Element:
    rest = iter(counters)
    indices = []
    for start, extent in zip(region.starts, region.extents, strict=True):
        counter = 0 if _is_one(extent) else next(rest)
        indices.append(counter if isinstance(start, int) and start == 0 else start + counter)
    return Element(region.buffer, tuple(indices))
