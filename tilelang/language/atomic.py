"""Atomic operations on elements and on tiles."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .buffer import Buffer, Element, Region
from .copy import match_extents
from .dtypes import dtype
from .emit import effect, statement, whole
from .expr import Expr, as_expr, convert
from .extern import address_of
from .symbolic_extents import each_element, is_symbolic
from .vector import pack

_ORDERS = ("relaxed", "consume", "acquire", "release", "acq_rel", "seq_cst")


def _order(memory_order: str | None) -> str | None:
    if memory_order is not None and memory_order not in _ORDERS:
        raise SemanticError(f"memory_order={memory_order!r}", fix="one of " + ", ".join(_ORDERS))
    return memory_order


def _target(dst: Any, what: str) -> None:
    if not isinstance(dst, (Buffer, Region, Element)):
        raise DTypeError(f"the destination of {what} must be a buffer, a region or an element of one, got {type(dst).__name__}")
    scope = dst.buffer.scope() if isinstance(dst, (Region, Element)) else dst.scope()
    if scope not in ("global", "shared.dyn"):
        raise SemanticError(f"{what} on {dst}, which is in {scope}", fix="atomics act on global or shared memory")


def _atomic(kind: str, dst: Any, value: Any, memory_order: str | None, return_prev: bool, annotations: Any) -> Expr | None:
    what, name = f"T.atomic_{kind}", f"tl.atomic_{kind}"
    _target(dst, what)
    attrs = {"memory_order": _order(memory_order), **(annotations or {})}
    if isinstance(dst, Element):
        if not isinstance(value, (Buffer, Region)):
            value = (
                convert(as_expr(value, f"the value of {what}"), dst.dtype)
                if isinstance(value, Expr)
                else convert(value, dst.dtype)
            )
            if return_prev:
                return effect(name, (address_of(dst), value), dst.dtype, "prev", attrs)
            statement(name, (address_of(dst), value), attrs, what)
            return None
    if return_prev:
        raise SemanticError(f"{what} of a tile with return_prev", fix="return_prev is for single elements: loop with T.Parallel")
    regions = [whole(dst, f"the destination of {what}")]
    if isinstance(value, (Buffer, Region, Element)):
        regions = list(match_extents(value, dst, what.removeprefix("T.")))[::-1]
    if is_symbolic(*regions):

        def each(target: Element, source: Any = value) -> None:
            _atomic(kind, target, source, memory_order, False, None)

        each_element(what, each, *regions, options=annotations)
    else:
        source = regions[1] if len(regions) > 1 else convert(value, regions[0].dtype)
        statement(name, (regions[0], source), attrs, what)
    return None


def atomic_add(
    dst: Any,
    value: Any,
    memory_order: str | None = None,
    return_prev: bool = False,
    use_tma: bool = False,
    annotations: dict[str, Any] | None = None,
) -> Expr | None:
    """Add `value` to an element, or a tile to a region, atomically.

    Returns
    -------
    Expr or None
        With `return_prev` (elements only), the value before.

    Examples
    --------
    >>> T.atomic_add(B[i], A[i])
    """
    extra = {**(annotations or {}), **({"use_tma": True} if use_tma else {})}
    return _atomic("add", dst, value, memory_order, return_prev, extra)


def atomic_max(
    dst: Any, value: Any, memory_order: str | None = None, return_prev: bool = False, annotations: Any = None
) -> Expr | None:
    """Replace an element (or a region, element by element) by the larger of it and `value`, atomically.

    Examples
    --------
    >>> before = T.atomic_max(B[i], A[i], return_prev=True)
    """
    return _atomic("max", dst, value, memory_order, return_prev, annotations)


def atomic_min(
    dst: Any, value: Any, memory_order: str | None = None, return_prev: bool = False, annotations: Any = None
) -> Expr | None:
    """Replace an element (or a region, element by element) by the smaller of it and `value`, atomically.

    Examples
    --------
    >>> T.atomic_min(B[i], A[i])
    """
    return _atomic("min", dst, value, memory_order, return_prev, annotations)


def _bitwise(kind: str, dst: Any, value: Any, memory_order: str | None, return_prev: bool) -> Expr | None:
    if hasattr(dst, "dtype") and not dst.dtype.is_int:
        raise DTypeError(f"T.atomic_{kind} on {dst.dtype}", fix="bit operations take integers")
    return _atomic(kind, dst, value, memory_order, return_prev, None)


def atomic_or(dst: Any, value: Any, memory_order: str | None = None, return_prev: bool = False) -> Expr | None:
    """dst |= value, atomically.

    Examples
    --------
    >>> T.atomic_or(counts[i], 1)
    """
    return _bitwise("or", dst, value, memory_order, return_prev)


def atomic_and(dst: Any, value: Any, memory_order: str | None = None, return_prev: bool = False) -> Expr | None:
    """dst &= value, atomically.

    Examples
    --------
    >>> T.atomic_and(counts[i], 1)
    """
    return _bitwise("and", dst, value, memory_order, return_prev)


def atomic_xor(dst: Any, value: Any, memory_order: str | None = None, return_prev: bool = False) -> Expr | None:
    """dst ^= value, atomically.

    Examples
    --------
    >>> T.atomic_xor(counts[i], 1)
    """
    return _bitwise("xor", dst, value, memory_order, return_prev)


def _vector(lanes: int, dst: Any, value: Any, return_prev: bool) -> Expr | None:
    """dst[i .. i + lanes) += value[j .. j + lanes) along the last axis, as one transaction where the hardware has it."""
    what = f"T.atomic_addx{lanes}"
    _target(dst, what)
    start = whole(dst, f"the destination of {what}")
    place = Element(start.buffer, tuple(start.starts))
    if isinstance(value, Expr) and not isinstance(value, Element):
        vector = convert(value, dtype(f"{place.dtype}x{lanes}"))
    else:
        source = whole(value, f"the value of {what}")
        *outer, first = source.starts
        parts = [convert(Element(source.buffer, (*outer, first + k)), place.dtype) for k in range(lanes)]
        vector = pack(parts)
    attrs = {"lanes": lanes}
    if return_prev:
        return effect("tl.atomic_fetch_add_lanes", (address_of(place), vector), vector.dtype, "prev", attrs)
    statement("tl.atomic_add_lanes", (address_of(place), vector), attrs, what)
    return None


def atomic_addx2(dst: Any, value: Any, return_prev: bool = False) -> Expr | None:
    """Add two neighbouring elements to those that start at `dst`, each atomically.

    Parameters
    ----------
    dst : element, region or buffer in global or shared memory
        Aligned to two elements in global memory.
    value : element, region or buffer; or a vector of two lanes
        Where the two values begin, along the last axis.
    return_prev : bool
        Give the previous values, as a vector.

    Examples
    --------
    >>> T.atomic_addx2(C[i, j * 2], x[i, j * 2])
    """
    return _vector(2, dst, value, return_prev)


def atomic_addx4(dst: Any, value: Any, return_prev: bool = False) -> Expr | None:
    """Add four neighbouring elements to those that start at `dst`, each atomically; parameters as in `atomic_addx2`.

    Examples
    --------
    >>> T.atomic_addx4(C[i, j * 4], x[i, j * 4])
    """
    return _vector(4, dst, value, return_prev)


def atomic_load(src: Any, memory_order: str = "seq_cst") -> Expr:
    """The element, read atomically.

    Examples
    --------
    >>> seen = T.atomic_load(counts[0], memory_order="acquire")
    """
    if not isinstance(src, Element):
        raise DTypeError(f"T.atomic_load of {src}, which is not one element", fix="index it")
    _target(src, "T.atomic_load")
    return effect("tl.atomic_load", (address_of(src),), src.dtype, "loaded", {"memory_order": _order(memory_order)})


def atomic_store(dst: Any, src: Any, memory_order: str = "seq_cst") -> None:
    """Write an element atomically.

    Examples
    --------
    >>> T.atomic_store(counts[0], 1, memory_order="release")
    """
    if not isinstance(dst, Element):
        raise DTypeError(f"T.atomic_store to {dst}, which is not one element", fix="index it")
    _target(dst, "T.atomic_store")
    statement("tl.atomic_store", (address_of(dst), convert(src, dst.dtype)), {"memory_order": _order(memory_order)})
