"""T.cumsum, T.cummax: running sums and maxima of a tile along one dimension."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError, ShapeError
from .emit import name_of, statement, tile
from .shape import same, shape_text


def cumsum(src: Any, dst: Any = None, dim: int = 0, reverse: bool = False, annotations: Any = None) -> None:
    """Inclusive running sum: `dst[..., k, ...] = sum of src[..., :k + 1, ...]` along `dim`.

    Parameters
    ----------
    src : buffer or region, 1 to 3 dimensions
        Shared memory, or a fragment (which goes through shared memory).
    dst : buffer or region, optional
        The shape of `src`; in place without it.
    dim : int
        Negative counts from the end.
    reverse : bool
        Sum from the end: `src[..., k:, ...]`.

    Examples
    --------
    >>> T.cumsum(x)                       # x: shared (64,), in place
    >>> T.cumsum(x2, y, dim=1, reverse=True)   # both (64, 8)
    """
    _scan("sum", "T.cumsum", src, dst, dim, reverse, annotations)


def cummax(src: Any, dst: Any = None, dim: int = 0, reverse: bool = False, annotations: Any = None) -> None:
    """Inclusive running maximum along `dim`; parameters as in `cumsum`.

    Examples
    --------
    >>> T.cummax(x, dim=-1)
    """
    _scan("max", "T.cummax", src, dst, dim, reverse, annotations)


def _scan(kind: str, what: str, src: Any, dst: Any, dim: int, reverse: bool, annotations: Any) -> None:
    source = tile(src, f"the source of {what}")
    target = source if dst is None else tile(dst, f"the destination of {what}")
    shape = source.shape
    if isinstance(dim, bool) or not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
        raise ShapeError(
            f"Dimension {dim!r} is out of bounds for {what} of {name_of(source)}, which has {len(shape)} dimensions",
            fix=f"use a dim from {-len(shape)} to {len(shape) - 1}",
        )
    if len(target.shape) != len(shape) or not all(same(a, b) for a, b in zip(target.shape, shape, strict=True)):
        raise ShapeError(
            f"{what} of {name_of(source)} ({shape_text(shape)}) into {name_of(target)} ({shape_text(target.shape)})",
            fix=f"give {target.buffer.name} the shape of {source.buffer.name}, or leave dst out to scan in place",
        )
    for region in (source, target):
        if region.dtype.is_bool or region.dtype.lanes > 1:
            raise DTypeError(f"{what} of {name_of(region)}, which is {region.dtype}", fix="use a number type, such as int32")
        if region.scope() not in ("shared.dyn", "local.fragment"):
            raise SemanticError(
                f"{what} of {name_of(region)}, which is in {region.scope()}", fix="copy it to a shared tile or a fragment first"
            )
    attrs = {"kind": kind, "dim": dim % len(shape), "reverse": bool(reverse), **(annotations or {})}
    statement("tl.scan", (source, target), attrs, what)
