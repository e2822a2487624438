"""T.reduce_*: combine a tile along one dimension."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError, ShapeError
from .emit import name_of, statement, tile
from .shape import same, shape_text

KINDS = ("sum", "max", "min", "absmax", "abssum", "bitand", "bitor", "bitxor")


def reduce(
    buffer: Any,
    out: Any,
    reduce_type: str,
    dim: int,
    clear: bool,
    batch: int = 1,
    annotations: dict[str, Any] | None = None,
    nan_propagate: bool = False,
) -> None:
    """Combine `buffer` along `dim` into `out`.

    Parameters
    ----------
    buffer : buffer or region
    out : buffer or region
        The shape of `buffer` without `dim`, or with extent 1 there.
    reduce_type : str
        sum, max, min, absmax, abssum, bitand, bitor or bitxor.
    dim : int
        Of the dimensions that are not indexed by a single value, as in NumPy; negative counts from the end.
    clear : bool
        False: combine with what `out` holds.
    batch : int
        Accepted; the compiler chooses how all-reduces are grouped.
    nan_propagate : bool
        max and min give NaN if any element is NaN.

    Examples
    --------
    >>> T.reduce(acc, out, "sum", dim=1, clear=True)
    """
    what = f"T.reduce_{reduce_type}"
    if reduce_type not in KINDS:
        raise SemanticError(f"reduce_type={reduce_type!r}", fix="one of " + ", ".join(KINDS))
    if not isinstance(batch, int) or batch < 1:
        raise SemanticError(f"batch={batch!r} of {what} must be a positive int")
    src, dst = tile(buffer, f"the source of {what}"), tile(out, f"the destination of {what}")
    shape = src.shape
    if isinstance(dim, bool) or not isinstance(dim, int) or not -len(shape) <= dim < len(shape):
        raise ShapeError(f"dim={dim!r} of {what}: {name_of(src)} has {len(shape)} dimensions")
    dim %= len(shape)
    dropped = (shape[:dim] + shape[dim + 1 :]) or (1,)
    kept = shape[:dim] + (1,) + shape[dim + 1 :]
    if not any(len(dst.shape) == len(s) and all(same(x, y) for x, y in zip(dst.shape, s, strict=True)) for s in (dropped, kept)):
        raise ShapeError(
            f"{what} of {name_of(src)} ({shape_text(shape)}) along dim {dim} has shape {shape_text(dropped)}, "
            f"but {name_of(dst)} is {shape_text(dst.shape)}",
            fix=f"allocate {dst.buffer.name} with shape ({', '.join(str(d) for d in dropped)}{',' * (len(dropped) == 1)})",
        )
    if reduce_type.startswith("bit") and not (src.dtype.is_int or src.dtype.is_bool):
        raise DTypeError(f"{what} of {src.dtype}", fix="bit reductions take integers")
    if nan_propagate and reduce_type not in ("max", "min", "absmax"):
        raise SemanticError(f"nan_propagate of {what}", fix="only max, min and absmax have it")
    axes = [axis for axis, point in enumerate(src.points) if not point]  # a single index has no dimension, as in NumPy
    attrs = {
        "kind": reduce_type,
        "dim": axes[dim],
        "clear": bool(clear),
        "nan_propagate": bool(nan_propagate),
        **(annotations or {}),
    }
    statement("tl.reduce", (src, dst), attrs, what)


def reduce_sum(buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, annotations: Any = None) -> None:
    """Sum along `dim`.

    Examples
    --------
    >>> T.reduce_sum(acc, out, dim=1)
    """
    reduce(buffer, out, "sum", dim, clear, batch, annotations)


def reduce_max(
    buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, nan_propagate: bool = False, annotations: Any = None
) -> None:
    """Maximum along `dim`.

    Examples
    --------
    >>> T.reduce_max(acc, out, dim=1)
    """
    reduce(buffer, out, "max", dim, clear, batch, annotations, nan_propagate)


def reduce_min(
    buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, nan_propagate: bool = False, annotations: Any = None
) -> None:
    """Minimum along `dim`.

    Examples
    --------
    >>> T.reduce_min(acc, out, dim=1)
    """
    reduce(buffer, out, "min", dim, clear, batch, annotations, nan_propagate)


def reduce_absmax(
    buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, nan_propagate: bool = False, annotations: Any = None
) -> None:
    """Maximum of the magnitudes along `dim`.

    Examples
    --------
    >>> T.reduce_absmax(acc, out, dim=1)
    """
    reduce(buffer, out, "absmax", dim, clear, batch, annotations, nan_propagate)


def reduce_abssum(buffer: Any, out: Any, dim: int = -1, batch: int = 1, annotations: Any = None) -> None:
    """Sum of the magnitudes along `dim`.

    Examples
    --------
    >>> T.reduce_abssum(acc, out, dim=1)
    """
    reduce(buffer, out, "abssum", dim, True, batch, annotations)


def reduce_bitand(buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, annotations: Any = None) -> None:
    """Bitwise and along `dim`.

    Examples
    --------
    >>> T.reduce_bitand(words, bits, dim=1)
    """
    reduce(buffer, out, "bitand", dim, clear, batch, annotations)


def reduce_bitor(buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, annotations: Any = None) -> None:
    """Bitwise or along `dim`.

    Examples
    --------
    >>> T.reduce_bitor(words, bits, dim=1)
    """
    reduce(buffer, out, "bitor", dim, clear, batch, annotations)


def reduce_bitxor(buffer: Any, out: Any, dim: int = -1, clear: bool = True, batch: int = 1, annotations: Any = None) -> None:
    """Bitwise exclusive or along `dim`.

    Examples
    --------
    >>> T.reduce_bitxor(words, bits, dim=1)
    """
    reduce(buffer, out, "bitxor", dim, clear, batch, annotations)
