"""T.copy_cluster: copies that reach other blocks of the cluster."""

from __future__ import annotations

from typing import Any

from ..errors import SemanticError, ShapeError
from ..frontend.builder import require
from .allocate import alloc_var
from .barrier import barrier_arrive, barrier_region, barrier_wait
from .buffer import Element, Region
from .cluster import alloc_cluster_barrier, cluster_sync
from .copy import match_extents
from .dtypes import dtype
from .emit import before_launch, statement
from .expr import convert
from .extern import Address
from .gather import parallel_nest
from .kernel import kernel_of
from .tma import check_cluster_mask, tma_copy


def copy_cluster(
    src: Any,
    dst: Any,
    *,
    dst_block: Any = None,
    cluster_mask: int | None = None,
    remote_barrier: Any = None,
    eviction_policy: str | None = None,
    coalesced_width: int | None = None,
    annotations: dict[str, Any] | None = None,
) -> None:
    """Copy to other blocks of the cluster: a tile of global memory to several, or a tile of shared memory to one.

    With `cluster_mask`, `src` in global memory: the lowest block of the mask loads its tile into `dst` of every block of the
    mask by one multicast; blocks outside load their own. All blocks of the cluster come by; the tile is there when the
    statement ends.

    With `dst_block`, both in shared memory: `src` of this block goes to `dst` of that one. With `remote_barrier` the copy is
    asynchronous and adds its bytes to what that block's barrier has received (which expects them there:
    T.mbarrier_arrive_expect_tx); else threads store the elements, which T.cluster_sync makes visible. In either case the other
    block must not have ended, nor this one before the copy is done: T.cluster_sync before the kernel's end.

    Parameters
    ----------
    src, dst : buffer or region, or start of one
    dst_block : int or Expr, optional
        A rank in the cluster.
    cluster_mask : int, optional
        Bit `r`: block of rank `r`.
    remote_barrier : barrier of T.alloc_cluster_barrier, optional
    eviction_policy : {"evict_normal", "evict_first", "evict_last"}, optional
        Of the load from global memory.
    coalesced_width : int, optional
        Accepted; elements that are stored one by one have none.

    Examples
    --------
    >>> T.copy_cluster(A[0, k * 64], A_s, cluster_mask=0b1111)
    >>> T.copy_cluster(part, inbox, dst_block=0, remote_barrier=ready)
    """
    kernel = kernel_of("T.copy_cluster")
    for name, value in (annotations or {}).items():
        if name not in ("coalesced_width", "eviction_policy", "loop_layout"):
            raise SemanticError(f"T.copy_cluster has no option {name!r}", fix="coalesced_width or eviction_policy")
        eviction_policy = value if name == "eviction_policy" and eviction_policy is None else eviction_policy
    if (cluster_mask is None) == (dst_block is None):
        raise SemanticError(
            f"T.copy_cluster with cluster_mask={cluster_mask} and dst_block={dst_block}",
            fix="cluster_mask=... to load one tile into several blocks, or dst_block=... to send a shared tile to one",
        )
    if kernel.cluster == (1, 1, 1):
        raise SemanticError("T.copy_cluster in a kernel without clusters", fix="T.Kernel(..., cluster_dims=...)")
    if cluster_mask is not None:
        if remote_barrier is not None:
            fix = "T.tma_copy(..., barrier=, cluster_mask=)"
            raise SemanticError("remote_barrier of T.copy_cluster goes with dst_block", fix=fix)
        _multicast(src, dst, cluster_mask, eviction_policy)
    else:
        a, b = match_extents(src, dst, "copy_cluster")
        _send(a, b, dst_block, remote_barrier)


def _multicast(src: Any, dst: Any, cluster_mask: int, eviction_policy: str | None) -> None:
    kernel = kernel_of("T.copy_cluster")
    check_cluster_mask(cluster_mask, "T.copy_cluster")
    x, y, z = kernel.threads
    # A barrier, and its phase, which goes on from one execution to the next.
    with before_launch(require("T.copy_cluster"), depth=1):
        barrier = alloc_cluster_barrier(x * y * z)
        phase = alloc_var("int32", init=0)
    cluster_sync()  # nobody reads the tiles any more
    tma_copy(src, dst, barrier=barrier, cluster_mask=cluster_mask, eviction_policy=eviction_policy)
    barrier_arrive(barrier)
    barrier_wait(barrier, phase)
    phase.store(1 - phase)


def _send(src: Region, dst: Region, dst_block: Any, remote_barrier: Any) -> None:
    scopes = src.buffer.scope(), dst.buffer.scope()
    if any(s not in ("shared", "shared.dyn") for s in scopes):
        raise SemanticError(
            f"T.copy_cluster to block {dst_block} from {scopes[0]} to {scopes[1]} memory", fix="both are shared tiles"
        )
    if src.dtype != dst.dtype:
        raise SemanticError(f"T.copy_cluster of {src.dtype} to {dst.dtype}", fix="convert with T.copy first")
    if not all(isinstance(e, int) for e in src.extents):
        raise ShapeError(f"T.copy_cluster of {src}: its extents are not constant")
    rank = convert(dst_block, dtype("uint32"))
    if remote_barrier is not None:
        args = (src, dst, barrier_region(remote_barrier, "T.copy_cluster with remote_barrier"), rank)
        statement("tl.cluster_barriers", (), None, "T.copy_cluster")
        statement("tl.copy_to_block", args, None, "T.copy_cluster")
        return
    counts = tuple(int(e) for e in src.extents if e != 1) or (1,)

    def store(*at: Any) -> None:
        target = Address(_element(dst, at))
        statement("tl.store_to_rank", (target, rank, _element(src, at)), None, "T.copy_cluster")

    parallel_nest(counts, store, "T.copy_cluster")


def _element(region: Region, at: tuple[Any, ...]) -> Element:
    """The element of a region at indices along the axes of extents above 1."""
    remaining = iter(at)
    places = [low if extent == 1 else low + next(remaining) for low, extent in zip(region.starts, region.extents, strict=True)]
    return Element(region.buffer, tuple(places))
