"""Synchronisation, and what a warp's lanes tell one another."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .dtypes import dtype
from .emit import effect, statement
from .expr import Expr, as_condition, as_expr, binary, convert
from .kernel import get_thread_binding, get_thread_extent

_FULL = 0xFFFFFFFF


def sync_threads(barrier_id: int | None = None, arrive_count: int | None = None) -> None:
    """Wait for all threads of the block; with a barrier id, for `arrive_count` threads at that named barrier."""
    if barrier_id is None and arrive_count is not None:
        raise SemanticError("T.sync_threads with arrive_count but no barrier_id", fix="give both, or neither")
    args = () if barrier_id is None else (barrier_id,) if arrive_count is None else (barrier_id, arrive_count)
    statement("tl.sync_threads", args)


def sync_warp(mask: Any = None) -> None:
    """Wait for the lanes of the warp (those in `mask`)."""
    statement("tl.sync_warp", () if mask is None else (convert(mask, dtype("uint32")),))


def _shuffle(name: str, value: Any, lane: Any, width: Any, mask: Any) -> Expr:
    expr = as_expr(value, f"the value of T.{name}")
    args = (expr, convert(lane, dtype("int32")), convert(width, dtype("int32")), convert(mask, dtype("uint32")))
    return effect(f"tl.{name.removesuffix('_sync')}", args, expr.dtype, "shuffled")


def shfl_sync(value: Any, srcLane: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of lane `srcLane`."""
    return _shuffle("shfl_sync", value, srcLane, width, mask)


def shfl_xor(value: Any, delta: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of the lane whose number differs in the bits of `delta`."""
    return _shuffle("shfl_xor", value, delta, width, mask)


def shfl_up(value: Any, delta: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of the lane `delta` below."""
    return _shuffle("shfl_up", value, delta, width, mask)


def shfl_down(value: Any, delta: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of the lane `delta` above."""
    return _shuffle("shfl_down", value, delta, width, mask)


def _warp_reduce(kind: str, value: Any) -> Expr:
    expr = as_expr(value, f"the value of T.warp_reduce_{kind}")
    if kind.startswith("bit") and not expr.dtype.is_int:
        raise DTypeError(f"T.warp_reduce_{kind} of {expr.dtype}", fix="bit reductions take integers")
    return effect(f"tl.warp_reduce_{kind}", (expr,), expr.dtype, "reduced")


def warp_reduce_sum(value: Any) -> Expr:
    """The sum over the lanes of the warp, in every lane."""
    return _warp_reduce("sum", value)


def warp_reduce_max(value: Any) -> Expr:
    """The maximum over the lanes of the warp, in every lane."""
    return _warp_reduce("max", value)


def warp_reduce_min(value: Any) -> Expr:
    """The minimum over the lanes of the warp, in every lane."""
    return _warp_reduce("min", value)


def warp_reduce_bitand(value: Any) -> Expr:
    """Bitwise and over the lanes of the warp, in every lane."""
    return _warp_reduce("bitand", value)


def warp_reduce_bitor(value: Any) -> Expr:
    """Bitwise or over the lanes of the warp, in every lane."""
    return _warp_reduce("bitor", value)


def _vote(name: str, predicate: Any, mask: Any, of: str) -> Expr:
    args = (as_condition(predicate),) if mask is None else (as_condition(predicate), convert(mask, dtype("uint32")))
    return effect(f"tl.{name}", args, dtype(of), "vote")


def any_sync(predicate: Any, mask: Any = _FULL) -> Expr:
    """True if the predicate holds in any lane of `mask`."""
    return _vote("any_sync", predicate, mask, "bool")


def all_sync(predicate: Any, mask: Any = _FULL) -> Expr:
    """True if the predicate holds in all lanes of `mask`."""
    return _vote("all_sync", predicate, mask, "bool")


def ballot_sync(predicate: Any, mask: Any = _FULL) -> Expr:
    """The set of lanes of `mask` where the predicate holds, as a bit mask."""
    return _vote("ballot_sync", predicate, mask, "uint32")


def ballot(predicate: Any) -> Expr:
    """The set of lanes where the predicate holds, as a bit mask."""
    return ballot_sync(predicate)


def activemask() -> Expr:
    """The set of lanes that run now, as a bit mask."""
    return effect("tl.activemask", (), dtype("uint32"), "mask")


def syncthreads_and(predicate: Any) -> Expr:
    """Barrier of the block; true if the predicate holds in all threads."""
    return _vote("syncthreads_and", predicate, None, "bool")


def syncthreads_or(predicate: Any) -> Expr:
    """Barrier of the block; true if the predicate holds in any thread."""
    return _vote("syncthreads_or", predicate, None, "bool")


def syncthreads_count(predicate: Any) -> Expr:
    """Barrier of the block; the number of threads where the predicate holds."""
    return _vote("syncthreads_count", predicate, None, "int32")


def _linear_thread() -> Expr:
    x, y, z = (get_thread_binding(d) for d in range(3))
    ex, ey, ez = (get_thread_extent(d) for d in range(3))
    index = x
    if ey > 1 or ez > 1:
        index = x + y * ex
    return index + z * (ex * ey) if ez > 1 else index


def get_lane_idx(warp_size: int | None = None) -> Expr:
    """This thread's lane in its warp."""
    return binary("floormod", _linear_thread(), 32 if warp_size is None else warp_size)


def get_warp_idx(warp_size: int | None = None) -> Expr:
    """This thread's warp in the block."""
    return binary("floordiv", _linear_thread(), 32 if warp_size is None else warp_size)


def get_warp_idx_sync(warp_size: int | None = None) -> Expr:
    """This thread's warp in the block (the same for all its lanes)."""
    return get_warp_idx(warp_size)
