"""What the author tells the compiler: layouts and the order of blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import DTypeError, SemanticError
from ..frontend.builder import require
from .buffer import Buffer
from .emit import statement, whole
from .expr import convert


def annotate_layout(layout_map: Mapping[Buffer, Any]) -> None:
    """Fix the layouts of tiles: `{buffer: Layout, Fragment, layout of tilelang.layout.cute or index function}`.

    A tensor in global memory may be given a `T.Layout` that permutes its elements: this kernel then finds and leaves them
    in that order, and every other kernel that touches the tensor needs the same annotation.
    A `T.Fragment` of a thread's own array (T.alloc_local) changes nothing: each thread has all of it.

    Examples
    --------
    >>> T.annotate_layout({A_s: T.make_mma_swizzle_layout(A_s)})
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
        if hasattr(layout, "index_map"):  # of tilelang.layout.cute
            layout = layout.index_map()
        if callable(layout) and not hasattr(layout, "shape"):
            from ..layout import Layout

            layout = Layout(buffer.shape, layout)
        buffer.annotated = layout
        statement("tl.annotate_layout", (whole(buffer, buffer.name),), {"layout": layout}, "T.annotate_layout")


def use_swizzle(panel_size: int, order: str = "row", enable: bool = True) -> None:
    """Walk the grid in panels of `panel_size` rows (order "row" or "mlx") or columns (order "column"), for reuse in L2.

    Blocks that the compiler makes persistent take panels of a height that it works out, unless `tl.exact_rasterization` is set;
    the remark says which.

    Examples
    --------
    >>> T.use_swizzle(8)
    """
    if not enable:
        return
    if isinstance(panel_size, bool) or not isinstance(panel_size, int) or panel_size < 1:
        raise SemanticError(f"panel_size={panel_size!r} must be a positive int")
    if order not in ("row", "column", "mlx"):
        raise SemanticError(f"order={order!r}", fix="row, column or mlx")
    statement("tl.use_swizzle", (), {"panel_size": panel_size, "order": "column" if order == "column" else "row"})


def annotate_safe_value(safe_value_map: Mapping[Buffer, Any]) -> None:
    """What reads past the end of a tensor give, instead of zero: `{A: -T.infinity("float32")}`.

    Examples
    --------
    >>> T.annotate_safe_value({A: -1.0})
    """
    if not isinstance(safe_value_map, Mapping):
        raise DTypeError(f"T.annotate_safe_value takes a dict of buffers to values, got {type(safe_value_map).__name__}")
    for buffer, value in safe_value_map.items():
        if not isinstance(buffer, Buffer) or buffer.scope() != "global":
            raise SemanticError(
                f"T.annotate_safe_value of {buffer}", fix="name tensors in global memory: only their reads are guarded"
            )
        statement(
            "tl.annotate_safe_value", (whole(buffer, buffer.name), convert(value, buffer.dtype)), None, "T.annotate_safe_value"
        )


def annotate_min_blocks_per_sm(n: int) -> None:
    """Keep registers low enough for `n` blocks of this launch on a multiprocessor.

    Examples
    --------
    >>> T.annotate_min_blocks_per_sm(2)
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise SemanticError(f"T.annotate_min_blocks_per_sm({n!r})", fix="give a positive int")
    statement("tl.min_blocks_per_sm", (n,), None, "T.annotate_min_blocks_per_sm")


def annotate_restrict_buffers(*buffers: Any) -> None:
    """Tensors that may overlap others: their pointers lose `__restrict__`.

    Examples
    --------
    >>> T.annotate_restrict_buffers(A, B)
    """
    for buffer in buffers:
        if not isinstance(buffer, Buffer) or buffer.scope() != "global":
            raise SemanticError(f"T.annotate_restrict_buffers of {buffer}", fix="name tensors in global memory")
        statement("tl.may_alias", (whole(buffer, buffer.name),), None, "T.annotate_restrict_buffers")


def annotate_l2_hit_ratio(l2_hit_ratio_map: Mapping[Buffer, float]) -> None:
    """Which share of a tensor's accesses should stay in L2: checked, and left to the hardware.

    Examples
    --------
    >>> T.annotate_l2_hit_ratio({A: 0.9})
    """
    if not isinstance(l2_hit_ratio_map, Mapping):
        raise DTypeError(f"T.annotate_l2_hit_ratio takes a dict of buffers to ratios, got {type(l2_hit_ratio_map).__name__}")
    for buffer, ratio in l2_hit_ratio_map.items():
        if not isinstance(buffer, Buffer) or buffer.scope() != "global":
            raise SemanticError(f"T.annotate_l2_hit_ratio of {buffer}", fix="name tensors in global memory")
        if isinstance(ratio, bool) or not isinstance(ratio, (int, float)) or not 0 < ratio <= 1:
            raise SemanticError(f"the ratio {ratio!r} of {buffer.name}", fix="a number above 0, at most 1")


def annotate_compile_flags(flags: list[str] | str) -> None:
    """Options for the device compiler, beside those of the decorator.

    Examples
    --------
    >>> T.annotate_compile_flags(["-O3"])
    """
    values = [flags] if isinstance(flags, str) else list(flags)
    if not all(isinstance(f, str) for f in values):
        raise DTypeError(f"T.annotate_compile_flags({flags!r})", fix="give a string or a list of strings")
    builder = require("T.annotate_compile_flags")
    builder.attributes["tilelang_compile_flags"] = [*builder.attributes.get("tilelang_compile_flags", ()), *values]


def annotate_pass_configs(configs: Mapping[str, Any]) -> None:
    """Pass configurations for this function; those of the decorator win.

    Examples
    --------
    >>> T.annotate_pass_configs({"tl.enable_fast_math": True})
    """
    if not isinstance(configs, Mapping):
        raise DTypeError(f"T.annotate_pass_configs takes a dict, got {type(configs).__name__}")
    builder = require("T.annotate_pass_configs")
    known = builder.attributes.get("tilelang_pass_configs", {})
    builder.attributes["tilelang_pass_configs"] = {**known, **{str(getattr(k, "value", k)): v for k, v in configs.items()}}
