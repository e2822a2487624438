"""What the author tells the compiler: layouts and the order of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DTypeError, SemanticError
from .buffer import Buffer
from .emit import statement, whole


def annotate_layout(layout_map: Mapping[Buffer, Any]) -> None:
    """Fix the layouts of tiles: `{buffer: Layout, Fragment or index function}`.

    A tensor in global memory may be given a `T.Layout` that permutes its elements: this kernel then finds and leaves them
    in that order, and every other kernel that touches the tensor needs the same annotation.
    """
    if not isinstance(layout_map, Mapping):
        raise DTypeError(f"T.annotate_layout takes a dict of buffers to layouts, got {type(layout_map).__name__}")
    for buffer, layout in layout_map.items():
        if not isinstance(buffer, Buffer):
            raise DTypeError(f"a key of T.annotate_layout is {buffer!r}, not a buffer")
        if not callable(layout) and not hasattr(layout, "shape"):
            raise DTypeError(
                f"the layout of {buffer.name} is {layout!r}", fix="T.Layout, T.Fragment or a function of the indices"
            )
        if callable(layout) and not hasattr(layout, "shape"):
            from ..layout import shared_from_function

            layout = shared_from_function(buffer.shape, layout)
        statement("tl.annotate_layout", (whole(buffer, buffer.name),), {"layout": layout}, "T.annotate_layout")


def use_swizzle(panel_size: int, order: str = "row", enable: bool = True) -> None:
    """Walk the grid in panels of `panel_size` rows (order "row") or columns (order "column"), for reuse in L2."""
    if not enable:
        return
    if isinstance(panel_size, bool) or not isinstance(panel_size, int) or panel_size < 1:
        raise SemanticError(f"panel_size={panel_size!r} must be a positive int")
    if order not in ("row", "column"):
        raise SemanticError(f"order={order!r}", fix="row or column")
    statement("tl.use_swizzle", (), {"panel_size": panel_size, "order": order})
