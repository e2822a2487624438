"""Four rows of a tensor by one TMA copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import SemanticError, ShapeError
from .barrier import barrier_region
from .buffer import Buffer, Region
from .dtypes import dtype as _dtype
from .emit import name_of, statement, tile
from .expr import as_expr

_ROWS = 4
_POLICIES = (None, "evict_normal", "evict_first", "evict_last")


def tma_gather4_bytes(K_box: int, dtype: Any) -> int:
    """Bytes that T.tma_gather4 of rows of `K_box` elements brings.

    Examples
    --------
    >>> T.mbarrier_expect_tx(full[0], T.tma_gather4_bytes(64, "float16"))
    """
    return _ROWS * K_box * _dtype(dtype).bits // 8


def tma_gather4(
    src: Buffer,
    dst: Any,
    col: Any,
    rows: Sequence[Any],
    *,
    barrier: Any,
    swizzle: int | None = None,
    eviction_policy: str | None = None,
    annotations: dict[str, Any] | None = None,
) -> None:
    """Bring four rows of a matrix to shared memory by TMA (sm_100); one thread issues, and none waits. Rows outside are zeros.

    Parameters
    ----------
    src : buffer, shape (M, K)
        In global memory.
    dst : buffer or region, shape (4, K_box)
        In shared memory; rows of a tile start at a multiple of 4.
    col : int or Expr
        The first column.
    rows : four of int or Expr
    barrier : barrier
        Counts the bytes: T.mbarrier_expect_tx(barrier, T.tma_gather4_bytes(K_box, dtype)).
    swizzle : 32, 64 or 128, optional
        Bytes of the swizzle of `dst`; by default what its other uses ask for.
    eviction_policy : {"evict_normal", "evict_first", "evict_last"}, optional

    Examples
    --------
    >>> T.mbarrier_expect_tx(full[0], T.tma_gather4_bytes(64, "float16"))
    >>> T.tma_gather4(H, A_s[0:4, :], 0, [i, j, k, 0], barrier=full[0])
    """
    _copy("T.tma_gather4", src, dst, col, rows, barrier, swizzle, eviction_policy, annotations)


def tma_scatter4(
    src: Any,
    dst: Buffer,
    col: Any,
    rows: Sequence[Any],
    *,
    swizzle: int | None = None,
    eviction_policy: str | None = None,
    annotations: dict[str, Any] | None = None,
) -> None:
    """Store four rows of a tile to rows of a tensor by TMA (sm_100a), a bulk group of the issuing thread: T.tma_store_wait.

    Parameters
    ----------
    src : buffer or region, shape (4, K_box)
    dst : buffer, shape (M, K)
        Rows outside are not stored.
    col, rows, swizzle, eviction_policy
        As of T.tma_gather4.

    Examples
    --------
    >>> T.tma_scatter4(A_s[0:4, :], H, 0, [i, j, k, 0])
    """
    _copy("T.tma_scatter4", dst, src, col, rows, None, swizzle, eviction_policy, annotations)


def _copy(
    what: str,
    tensor: Any,
    part: Any,
    col: Any,
    rows: Sequence[Any],
    barrier: Any,
    swizzle: int | None,
    eviction_policy: str | None,
    annotations: dict[str, Any] | None,
) -> None:
    policy = (annotations or {}).get("eviction_policy", eviction_policy)
    if not isinstance(tensor, Buffer) or tensor.scope() != "global" or tensor.ndim != 2:
        raise ShapeError(f"{what} of rows of {tensor}", fix="a tensor with two dimensions, in global memory")
    region = tile(part, f"the tile of {what}")
    extents = [e for e in region.extents if not (isinstance(e, int) and e == 1)]
    if region.scope() != "shared.dyn" or len(extents) != 2 or extents[0] != _ROWS or extents[1] != region.buffer.shape[-1]:
        raise ShapeError(
            f"{what} with {name_of(region)}", fix="four whole rows of a tile in shared memory: A_s[4 * i : 4 * i + 4, :]"
        )
    if region.dtype != tensor.dtype:
        raise SemanticError(f"{what} between {tensor.dtype} and {region.dtype}", fix="TMA converts nothing: use one dtype")
    if len(rows) != _ROWS:
        raise ShapeError(f"{what} of {len(rows)} rows", fix="give four")
    if swizzle not in (None, 0, 32, 64, 128) or policy not in _POLICIES:
        raise SemanticError(
            f"swizzle={swizzle!r}, eviction_policy={policy!r} of {what}", fix="32, 64 or 128; evict_first, evict_last"
        )
    row = Region(tensor, (0, col), (1, extents[1]), (False, False), False)
    numbers = tuple(as_expr(r, f"a row of {what}") for r in rows)
    last = () if barrier is None else (barrier_region(barrier, f"{what} with the barrier"),)
    statement("tl.tma_rows", (row, region, *numbers, *last), {"swizzle": swizzle, "eviction_policy": policy}, what)
