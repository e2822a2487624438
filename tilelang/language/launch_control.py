"""Cluster launch control of sm_100: a running cluster takes over the work of one that has not started."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from .barrier import barrier_address
from .buffer import Buffer, Element, Region
from .dtypes import dtype
from .emit import effect, statement, whole
from .expr import Expr
from .extern import Address

_BYTES = 16


def _answer(result: Any, what: str) -> Address:
    """The first element of the 16 bytes of shared memory that an answer takes."""
    region = whole(result, f"the result of {what}")
    size = region.dtype.bits // 8
    extents = region.buffer.shape if isinstance(result, (Buffer, Element)) else region.extents
    count = 1
    for extent in extents:
        count *= extent if isinstance(extent, int) else 1
    if not isinstance(result, (Buffer, Region, Element)) or region.scope() != "shared.dyn" or count * size < _BYTES:
        raise ShapeError(f"{what} of {result}", fix='pass a shared tile of 16 bytes: T.alloc_shared((4,), "uint32")')
    return Address(Element(region.buffer, tuple(region.starts)))


def clc_try_cancel(result: Any, mbarrier: Any) -> None:
    """Ask for a cluster that has not started, to do its work here. One thread asks, and no more after an answer of "no".

    Parameters
    ----------
    result : shared tile of 16 bytes
        Where the answer goes.
    mbarrier : barrier
        Counts the 16 bytes; T.mbarrier_arrive_expect_tx(mbarrier, 16) tells it to.

    Examples
    --------
    >>> if T.get_thread_binding() == 0:
    ...     T.mbarrier_arrive_expect_tx(answered, 16)
    ...     T.clc_try_cancel(answer, answered)
    """
    what = "T.clc_try_cancel"
    statement("tl.clc_try_cancel", (_answer(result, what), barrier_address(mbarrier, what)), {"by_author": True}, what)


def clc_try_cancel_multicast(result: Any, mbarrier: Any) -> None:
    """T.clc_try_cancel whose answer goes to every block of the cluster, and counts on the barrier at the same place there.

    Examples
    --------
    >>> T.clc_try_cancel_multicast(answer, answered)
    """
    what = "T.clc_try_cancel_multicast"
    statement("tl.clc_try_cancel_multicast", (_answer(result, what), barrier_address(mbarrier, what)), {"by_author": True}, what)


def clc_is_canceled(result: Any) -> Expr:
    """Whether a cluster was taken over, which will then not start: to be asked once the barrier has completed its phase.

    Examples
    --------
    >>> more = T.clc_is_canceled(answer)
    """
    return effect("tl.clc_is_canceled", (_answer(result, "T.clc_is_canceled"),), dtype("bool"), "canceled")


def clc_get_first_ctaid_x(result: Any) -> Expr:
    """The index in the grid along x of the first block of the cluster that was taken over.

    Examples
    --------
    >>> bx = T.clc_get_first_ctaid_x(answer)
    """
    return effect("tl.clc_first_ctaid_x", (_answer(result, "T.clc_get_first_ctaid_x"),), dtype("int32"), "first_x")


def clc_get_first_ctaid_y(result: Any) -> Expr:
    """T.clc_get_first_ctaid_x along y.

    Examples
    --------
    >>> by = T.clc_get_first_ctaid_y(answer)
    """
    return effect("tl.clc_first_ctaid_y", (_answer(result, "T.clc_get_first_ctaid_y"),), dtype("int32"), "first_y")


def clc_get_first_ctaid_z(result: Any) -> Expr:
    """T.clc_get_first_ctaid_x along z.

    Examples
    --------
    >>> bz = T.clc_get_first_ctaid_z(answer)
    """
    return effect("tl.clc_first_ctaid_z", (_answer(result, "T.clc_get_first_ctaid_z"),), dtype("int32"), "first_z")
