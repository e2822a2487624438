"""Synchronisation, and what a warp's lanes tell one another."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .dtypes import dtype
from .emit import effect, statement
from .expr import Expr, as_condition, as_expr, binary, compare, convert, logical
from .kernel import get_thread_binding, get_thread_extent

_FULL = 0xFFFFFFFF


def sync_threads(barrier_id: int | None = None, arrive_count: int | None = None) -> None:
    """Wait for all threads of the block; with a barrier id, for `arrive_count` threads at that named barrier.

    Examples
    --------
    >>> T.sync_threads()
    """
    if barrier_id is None and arrive_count is not None:
        raise SemanticError("T.sync_threads with arrive_count but no barrier_id", fix="give both, or neither")
    args = () if barrier_id is None else (barrier_id,) if arrive_count is None else (barrier_id, arrive_count)
    statement("tl.sync_threads", args)


def sync_warp(mask: Any = None) -> None:
    """Wait for the lanes of the warp (those in `mask`).

    Examples
    --------
    >>> T.sync_warp()
    """
    statement("tl.sync_warp", () if mask is None else (convert(mask, dtype("uint32")),))


def _shuffle(name: str, value: Any, lane: Any, width: Any, mask: Any) -> Expr:
    expr = as_expr(value, f"the value of T.{name}")
    args = (expr, convert(lane, dtype("int32")), convert(width, dtype("int32")), convert(mask, dtype("uint32")))
    return effect(f"tl.{name.removesuffix('_sync')}", args, expr.dtype, "shuffled")


def shfl_sync(value: Any, srcLane: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of lane `srcLane`.

    Examples
    --------
    >>> first = T.shfl_sync(x, 0)
    """
    return _shuffle("shfl_sync", value, srcLane, width, mask)


def shfl_xor(value: Any, delta: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of the lane whose number differs in the bits of `delta`.

    Examples
    --------
    >>> other = T.shfl_xor(x, 1)
    """
    return _shuffle("shfl_xor", value, delta, width, mask)


def shfl_up(value: Any, delta: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of the lane `delta` below.

    Examples
    --------
    >>> left = T.shfl_up(x, 1)
    """
    return _shuffle("shfl_up", value, delta, width, mask)


def shfl_down(value: Any, delta: Any, width: Any = 32, mask: Any = _FULL) -> Expr:
    """The value of the lane `delta` above.

    Examples
    --------
    >>> right = T.shfl_down(x, 1)
    """
    return _shuffle("shfl_down", value, delta, width, mask)


def _warp_reduce(kind: str, value: Any) -> Expr:
    expr = as_expr(value, f"the value of T.warp_reduce_{kind}")
    if kind.startswith("bit") and not expr.dtype.is_int:
        raise DTypeError(f"T.warp_reduce_{kind} of {expr.dtype}", fix="bit reductions take integers")
    return effect(f"tl.warp_reduce_{kind}", (expr,), expr.dtype, "reduced")


def warp_reduce_sum(value: Any) -> Expr:
    """The sum over the lanes of the warp, in every lane.

    Examples
    --------
    >>> total = T.warp_reduce_sum(x)
    """
    return _warp_reduce("sum", value)


def warp_reduce_max(value: Any) -> Expr:
    """The maximum over the lanes of the warp, in every lane.

    Examples
    --------
    >>> total = T.warp_reduce_max(x)
    """
    return _warp_reduce("max", value)


def warp_reduce_min(value: Any) -> Expr:
    """The minimum over the lanes of the warp, in every lane.

    Examples
    --------
    >>> total = T.warp_reduce_min(x)
    """
    return _warp_reduce("min", value)


def warp_reduce_bitand(value: Any) -> Expr:
    """Bitwise and over the lanes of the warp, in every lane.

    Examples
    --------
    >>> total = T.warp_reduce_bitand(m)
    """
    return _warp_reduce("bitand", value)


def warp_reduce_bitor(value: Any) -> Expr:
    """Bitwise or over the lanes of the warp, in every lane.

    Examples
    --------
    >>> total = T.warp_reduce_bitor(m)
    """
    return _warp_reduce("bitor", value)


def _vote(name: str, predicate: Any, mask: Any, of: str) -> Expr:
    args = (as_condition(predicate),) if mask is None else (as_condition(predicate), convert(mask, dtype("uint32")))
    return effect(f"tl.{name}", args, dtype(of), "vote")


def any_sync(predicate: Any, mask: Any = _FULL) -> Expr:
    """True if the predicate holds in any lane of `mask`.

    Examples
    --------
    >>> some = T.any_sync(x > 0)
    """
    return _vote("any_sync", predicate, mask, "bool")


def all_sync(predicate: Any, mask: Any = _FULL) -> Expr:
    """True if the predicate holds in all lanes of `mask`.

    Examples
    --------
    >>> every = T.all_sync(x > 0)
    """
    return _vote("all_sync", predicate, mask, "bool")


def ballot_sync(predicate: Any, mask: Any = _FULL) -> Expr:
    """The set of lanes of `mask` where the predicate holds, as a bit mask.

    Examples
    --------
    >>> lanes = T.ballot_sync(x > 0)
    """
    return _vote("ballot_sync", predicate, mask, "uint32")


def ballot(predicate: Any) -> Expr:
    """The set of lanes where the predicate holds, as a bit mask.

    Examples
    --------
    >>> lanes = T.ballot(x > 0)
    """
    return ballot_sync(predicate)


def activemask() -> Expr:
    """The set of lanes that run now, as a bit mask.

    Examples
    --------
    >>> lanes = T.activemask()
    """
    return effect("tl.activemask", (), dtype("uint32"), "mask")


def syncthreads_and(predicate: Any) -> Expr:
    """Barrier of the block; true if the predicate holds in all threads.

    Examples
    --------
    >>> every = T.syncthreads_and(x > 0)
    """
    return _vote("syncthreads_and", predicate, None, "bool")


def syncthreads_or(predicate: Any) -> Expr:
    """Barrier of the block; true if the predicate holds in any thread.

    Examples
    --------
    >>> some = T.syncthreads_or(x > 0)
    """
    return _vote("syncthreads_or", predicate, None, "bool")


def syncthreads_count(predicate: Any) -> Expr:
    """Barrier of the block; the number of threads where the predicate holds.

    Examples
    --------
    >>> count = T.syncthreads_count(x > 0)
    """
    return _vote("syncthreads_count", predicate, None, "int32")


def linear_thread() -> Expr:
    x, y, z = (get_thread_binding(d) for d in range(3))
    ex, ey, ez = (get_thread_extent(d) for d in range(3))
    index = x
    if ey > 1 or ez > 1:
        index = x + y * ex
    return index + z * (ex * ey) if ez > 1 else index


def get_lane_idx(warp_size: int | None = None) -> Expr:
    """This thread's lane in its warp.

    Examples
    --------
    >>> lane = T.get_lane_idx()
    """
    return binary("floormod", linear_thread(), 32 if warp_size is None else warp_size)


def get_warp_idx(warp_size: int | None = None) -> Expr:
    """This thread's warp in the block.

    Examples
    --------
    >>> warp = T.get_warp_idx()
    """
    return binary("floordiv", linear_thread(), 32 if warp_size is None else warp_size)


def get_warp_group_idx(warp_size: int | None = None, warps_per_group: int | None = None) -> Expr:
    """This thread's warpgroup in the block: 4 warps of 32 threads unless said otherwise.

    Examples
    --------
    >>> group = T.get_warp_group_idx()
    """
    size = (32 if warp_size is None else warp_size) * (4 if warps_per_group is None else warps_per_group)
    return binary("floordiv", linear_thread(), size)


def shuffle_elect(thread_extent: int) -> Expr:
    """True in one thread of every group of `thread_extent` threads (a multiple of 32); 0 means the whole block.

    Examples
    --------
    >>> if T.shuffle_elect(128):
    ...     T.print("once for each warpgroup")
    """
    if isinstance(thread_extent, bool) or not isinstance(thread_extent, int) or thread_extent < 0 or thread_extent % 32:
        raise SemanticError(f"T.shuffle_elect({thread_extent!r})", fix="give a multiple of 32, or 0 for the block")
    chosen = effect("tl.elect_one", (), dtype("bool"), "elected")
    if thread_extent == 32:
        return chosen
    warp = get_warp_idx()
    first = warp if thread_extent == 0 else binary("floormod", warp, thread_extent // 32)
    return logical("and", compare("eq", first, 0), chosen)


def match_any_sync(value: Any, mask: Any = _FULL) -> Expr:
    """The set of lanes that hold the same value as this one, as a bit mask.

    Examples
    --------
    >>> same = T.match_any_sync(key)
    """
    return _match("match_any", value, mask)


def match_all_sync(value: Any, mask: Any = _FULL) -> Expr:
    """All lanes as a bit mask if they hold the same value, else 0.

    Examples
    --------
    >>> if T.match_all_sync(key) != 0:
    ...     T.print("all alike")
    """
    return _match("match_all", value, mask)


def _match(name: str, value: Any, mask: Any) -> Expr:
    expr = as_expr(value, f"the value of T.{name}_sync")
    if expr.dtype.lanes > 1 or expr.dtype.bits not in (32, 64):
        raise DTypeError(f"T.{name}_sync of {expr.dtype}", fix="cast it to a 32- or 64-bit type")
    return effect(f"tl.{name}_sync", (expr, convert(mask, dtype("uint32"))), dtype("uint32"), "matching")


def named_barrier_arrive(barrier_id: Any, thread_count: Any) -> None:
    """Arrive at named barrier `barrier_id` without waiting; T.sync_threads(barrier_id, thread_count) waits there.

    Examples
    --------
    >>> T.named_barrier_arrive(1, 256)
    """
    number = barrier_id.constant() if isinstance(barrier_id, Expr) else barrier_id
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 16:
        raise SemanticError(f"T.named_barrier_arrive at barrier {barrier_id}", fix="use a constant from 0 to 15")
    count = thread_count.constant() if isinstance(thread_count, Expr) else thread_count
    if isinstance(count, int) and (count < 1 or count % 32):
        raise SemanticError(f"{count} threads cannot meet at a named barrier", fix="use a positive multiple of 32")
    statement("tl.bar_arrive", (convert(thread_count, dtype("int32")),), {"template": [str(number)]}, "T.named_barrier_arrive")


def tvm_storage_sync(storage_scope: str) -> None:
    """TVM's barrier: "shared" (or "shared.dyn") is T.sync_threads, "warp" is T.sync_warp.

    Examples
    --------
    >>> T.tvm_storage_sync("shared")
    """
    if storage_scope in ("shared", "shared.dyn"):
        sync_threads()
    elif storage_scope == "warp":
        sync_warp()
    else:
        raise SemanticError(f"T.tvm_storage_sync({storage_scope!r})", fix='"shared", "shared.dyn" or "warp"')


def tvm_warp_shuffle(mask: Any, value: Any, warp_id: Any, width: Any, warp_size: Any) -> Expr:
    """TVM's order of arguments for T.shfl_sync.

    Examples
    --------
    >>> y = T.tvm_warp_shuffle(0xFFFFFFFF, x, 0, 32, 32)
    """
    return shfl_sync(value, warp_id, width, mask)


def tvm_warp_shuffle_up(mask: Any, value: Any, offset: Any, width: Any, warp_size: Any) -> Expr:
    """TVM's order of arguments for T.shfl_up.

    Examples
    --------
    >>> y = T.tvm_warp_shuffle_up(0xFFFFFFFF, x, 1, 32, 32)
    """
    return shfl_up(value, offset, width, mask)


def tvm_warp_shuffle_down(mask: Any, value: Any, offset: Any, width: Any, warp_size: Any) -> Expr:
    """TVM's order of arguments for T.shfl_down.

    Examples
    --------
    >>> y = T.tvm_warp_shuffle_down(0xFFFFFFFF, x, 1, 32, 32)
    """
    return shfl_down(value, offset, width, mask)


def tvm_warp_activemask() -> Expr:
    """TVM's name of T.activemask.

    Examples
    --------
    >>> mask = T.tvm_warp_activemask()
    """
    return activemask()


def get_warp_idx_sync(warp_size: int | None = None) -> Expr:
    """This thread's warp in the block (the same for all its lanes).

    Examples
    --------
    >>> warp = T.get_warp_idx_sync()
    """
    return get_warp_idx(warp_size)
