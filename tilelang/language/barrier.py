"""Barriers in shared memory (mbarriers): threads arrive, copies count their bytes, threads wait for a phase."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError
from .buffer import Buffer, Element, Region
from .dtypes import dtype
from .emit import alloc, statement
from .expr import Expr, convert
from .extern import Address

SCOPE = "shared.barrier"


def alloc_barrier(arrive_count: int | list[int]) -> Buffer:
    """Barriers in shared memory, initialised before anything else runs; sm_90 or newer.

    A phase of a barrier completes when `arrive_count` threads have arrived and all bytes that it was told to expect are
    there. Barriers start in phase 0; see T.barrier_wait.

    Parameters
    ----------
    arrive_count : int or list of int
        Arrivals that complete a phase; a list makes one barrier of each.

    Examples
    --------
    >>> full = T.alloc_barrier([128] * 3)
    >>> T.barrier_arrive(full[0])
    """
    counts = list(arrive_count) if isinstance(arrive_count, (list, tuple)) else [arrive_count]
    numbers = [c.constant() if isinstance(c, Expr) else c for c in counts]
    if not numbers or any(isinstance(n, bool) or not isinstance(n, int) or not 1 <= n < 2**20 for n in numbers):
        raise SemanticError(
            f"T.alloc_barrier({arrive_count!r})", fix="give a positive constant, or a list of them: how many threads arrive"
        )
    buffer = alloc("barrier", (len(numbers),), dtype("uint64"), SCOPE, "T.alloc_barrier")
    statement("tl.init_barriers", (buffer,), {"counts": [str(n) for n in numbers]}, "T.alloc_barrier")
    return buffer


def barrier_address(barrier: Any, what: str) -> Address:
    """The address of one barrier; a buffer of several stands for its first."""
    if isinstance(barrier, Buffer) and barrier.scope() == SCOPE:
        return Address(Element(barrier, (0,)))
    if isinstance(barrier, Element) and barrier.buffer.scope() == SCOPE:
        return Address(barrier)
    raise DTypeError(f"{what} of {barrier!r}", fix="pass a barrier of T.alloc_barrier, or an element of several: bars[k]")


def barrier_region(barrier: Any, what: str) -> Region:
    """One barrier as a region."""
    element = barrier_address(barrier, what).element
    return Region(element.buffer, tuple(element.indices), (1,), (True,), False)


def _on(name: str, what: str, barrier: Any, *values: Any) -> None:
    numbers = tuple(convert(v, dtype("uint32")) for v in values)
    statement(f"tl.{name}", (barrier_address(barrier, what), *numbers), {"by_author": True}, what)


def mbarrier_wait_parity(mbarrier: Any, parity: Any) -> None:
    """Wait until the phase of this parity (0 or 1) has completed.

    A barrier starts in phase 0. The wait for the parity of the phase before the current one returns at once: a producer
    that starts with parity 1 finds every slot free.

    Examples
    --------
    >>> T.mbarrier_wait_parity(full[k % 3], k // 3 % 2)
    """
    _on("mbarrier_wait", "T.mbarrier_wait_parity", mbarrier, parity)


def barrier_wait(mbarrier: Any, parity: Any) -> None:
    """T.mbarrier_wait_parity.

    Examples
    --------
    >>> T.barrier_wait(full[0], 0)
    """
    _on("mbarrier_wait", "T.barrier_wait", mbarrier, parity)


def ptx_wait_barrier(mbarrier: Any, parity: Any) -> None:
    """T.mbarrier_wait_parity.

    Examples
    --------
    >>> T.ptx_wait_barrier(full[0], 0)
    """
    _on("mbarrier_wait", "T.ptx_wait_barrier", mbarrier, parity)


def mbarrier_arrive(mbarrier: Any, cta_id: Any = None) -> None:
    """Arrive once: every thread that comes by. What it wrote before is seen by those that wait for the phase.

    Parameters
    ----------
    mbarrier : barrier
    cta_id : int, optional
        The block of the cluster whose barrier is meant: the one at the same place there.

    Examples
    --------
    >>> T.mbarrier_arrive(empty[0])
    """
    if cta_id is None:
        _on("mbarrier_arrive", "T.mbarrier_arrive", mbarrier)
    else:
        _on("mbarrier_arrive_remote", "T.mbarrier_arrive", mbarrier, cta_id)


def barrier_arrive(mbarrier: Any) -> None:
    """T.mbarrier_arrive on a barrier of this block.

    Examples
    --------
    >>> T.barrier_arrive(empty[0])
    """
    _on("mbarrier_arrive", "T.barrier_arrive", mbarrier)


def ptx_arrive_barrier(barrier_id: Any) -> None:
    """T.mbarrier_arrive on a barrier of this block.

    Examples
    --------
    >>> T.ptx_arrive_barrier(empty[0])
    """
    _on("mbarrier_arrive", "T.ptx_arrive_barrier", barrier_id)


def mbarrier_expect_tx(mbarrier: Any, tx: int) -> None:
    """The current phase also waits for `tx` bytes of copies.

    Examples
    --------
    >>> T.mbarrier_expect_tx(full[0], 128 * 64 * 2)
    """
    _on("mbarrier_expect_tx", "T.mbarrier_expect_tx", mbarrier, tx)


def mbarrier_arrive_expect_tx(mbarrier: Any, tx: int) -> None:
    """T.mbarrier_expect_tx and T.mbarrier_arrive in one step.

    Examples
    --------
    >>> T.mbarrier_arrive_expect_tx(full[0], 128 * 64 * 2)
    """
    _on("mbarrier_arrive_expect_tx", "T.mbarrier_arrive_expect_tx", mbarrier, tx)


def ptx_arrive_barrier_expect_tx(barrier_id: Any, byte_count: int) -> None:
    """T.mbarrier_arrive_expect_tx.

    Examples
    --------
    >>> T.ptx_arrive_barrier_expect_tx(full[0], 128 * 64 * 2)
    """
    _on("mbarrier_arrive_expect_tx", "T.ptx_arrive_barrier_expect_tx", barrier_id, byte_count)


def cp_async_barrier_noinc(barrier: Any) -> None:
    """The barrier counts this thread's cp.async so far as one of its expected arrivals, made when they are done.

    Examples
    --------
    >>> T.cp_async_barrier_noinc(full[0])
    """
    _on("cp_async_mbarrier_arrive_noinc", "T.cp_async_barrier_noinc", barrier)


def ptx_arrive_cluster_barrier(mbarrier: Any, cta_id: Any) -> None:
    """T.mbarrier_arrive on the barrier at the same place in block `cta_id` of the cluster.

    Examples
    --------
    >>> T.ptx_arrive_cluster_barrier(done[0], 0)
    """
    mbarrier_arrive(mbarrier, cta_id)


def ptx_cp_async_barrier(barrier_id: Any) -> None:
    """The barrier counts one more arrival, made when this thread's cp.async so far are done.

    Examples
    --------
    >>> T.ptx_cp_async_barrier(full[0])
    """
    _on("cp_async_mbarrier_arrive", "T.ptx_cp_async_barrier", barrier_id)


def ptx_init_barrier_thread_count(barrier_id: Any, thread_count: Any) -> None:
    """Initialise a barrier again, by one thread, for so many arrivals; T.alloc_barrier has done so once.

    Others use it after T.ptx_fence_barrier_init by that thread and a barrier of the block.

    Examples
    --------
    >>> T.ptx_init_barrier_thread_count(full[0], 128)
    """
    what = "T.ptx_init_barrier_thread_count"
    place = barrier_address(barrier_id, what).element
    _on("mbarrier_invalidate", what, place)
    _on("mbarrier_init", what, Element(place.buffer, place.indices), thread_count)


def ptx_fence_barrier_init() -> None:
    """Barriers that this thread has initialised are seen by copies and by the cluster.

    Examples
    --------
    >>> T.ptx_fence_barrier_init()
    """
    statement("tl.fence_mbarrier_init", (), None, "T.ptx_fence_barrier_init")


def fence_proxy_async() -> None:
    """What this thread wrote to shared memory comes before what TMA and wgmma read from there later.

    Examples
    --------
    >>> T.fence_proxy_async()
    """
    statement("tl.fence_proxy_async", (), None, "T.fence_proxy_async")
