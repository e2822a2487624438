"""Copies by the tensor memory accelerator that their author waits for."""

from __future__ import annotations

from typing import Any

from ..errors import SemanticError
from ..frontend.builder import require
from .barrier import barrier_region
from .copy import match_extents
from .emit import WSID, merge_options, statement
from .kernel import kernel_of


def tma_copy(
    src: Any,
    dst: Any,
    *,
    barrier: Any = None,
    cluster_mask: int | None = None,
    leader_scope_threads: int | None = None,
    eviction_policy: str | None = None,
    annotations: dict[str, Any] | None = None,
) -> None:
    """Issue a copy between global and shared memory by TMA; one of the threads that come by issues it, and none waits.

    A load (global to shared) adds its bytes to what the current phase of `barrier` waits for; somebody still arrives there
    (T.barrier_arrive), and T.barrier_wait returns when all bytes are there. A store (shared to global) belongs to the bulk
    groups of the issuing thread: T.tma_store_wait.

    Parameters
    ----------
    src, dst : buffer, region or start of one
        A tensor with a contiguous last dimension and strides that are multiples of 16 bytes, and a tile of the same dtype.
        Along the last dimension the region starts on a multiple of 16 bytes, and a stored one nowhere below 0: the GPU takes
        anything else for an illegal instruction. T.copy proves both, or copies in another way.
    barrier : barrier of T.alloc_barrier
        Of a load.
    leader_scope_threads : int, optional
        One thread of every so many issues; all threads that run the statement by default.
    cluster_mask : int, optional
        Of a load that all blocks of the cluster come by: the lowest block of the mask (bit `r`: rank `r`) loads its tile into
        `dst` of all blocks of the mask, blocks outside load their own; every block's barrier counts the bytes of one tile. A
        block must be done with its tile before the lowest one issues (T.cluster_sync, or an arrival at a barrier there).
    eviction_policy : {"evict_normal", "evict_first", "evict_last"}, optional
        How long the lines should stay in L2.

    Examples
    --------
    >>> T.tma_copy(A[by * 128, k * 64], A_s, barrier=full[k % 3])
    """
    require("T.tma_copy").need_kernel("T.tma_copy")
    options = {"barrier": barrier, "leader_scope_threads": leader_scope_threads, "eviction_policy": eviction_policy}
    merge_options(options, annotations, "T.tma_copy")
    if cluster_mask is not None:
        check_cluster_mask(cluster_mask, "T.tma_copy")
    policy = options["eviction_policy"]
    if policy not in (None, "evict_normal", "evict_first", "evict_last"):
        raise SemanticError(f"eviction_policy={policy!r}", fix="one of evict_normal, evict_first, evict_last")
    scope = options["leader_scope_threads"]
    if scope is not None and (isinstance(scope, bool) or not isinstance(scope, int) or scope < 1 or scope % 32):
        raise SemanticError(f"leader_scope_threads={scope!r}", fix="a multiple of 32")
    a, b = match_extents(src, dst, "tma_copy")
    scopes = a.buffer.scope(), b.buffer.scope()
    shared = ("shared", "shared.dyn")
    if scopes[0] == "global" and scopes[1] in shared:
        if options["barrier"] is None:
            raise SemanticError(
                "T.tma_copy from global to shared memory without a barrier",
                fix="barrier=bar, of T.alloc_barrier: it tells when the tile has arrived",
            )
        args: tuple[Any, ...] = (a, b, barrier_region(options["barrier"], "T.tma_copy with the barrier"))
    elif scopes[0] in shared and scopes[1] == "global":
        if options["barrier"] is not None:
            raise SemanticError(
                "T.tma_copy from shared to global memory with a barrier", fix="leave it out and use T.tma_store_wait"
            )
        args = (a, b)
        if cluster_mask is not None:
            raise SemanticError("T.tma_copy to global memory with cluster_mask", fix="only loads go to several blocks")
    else:
        raise SemanticError(
            f"T.tma_copy from {scopes[0]} to {scopes[1]} memory", fix="TMA copies between global and shared memory"
        )
    if cluster_mask is not None:  # copies of other blocks count at this block's barriers
        statement("tl.cluster_barriers", (), None, "T.tma_copy")
    attrs = {"leader_scope": scope, "eviction_policy": policy, "cluster_mask": cluster_mask, WSID: options.get(WSID)}
    statement("tl.tma_copy", args, attrs, "T.tma_copy")


def check_cluster_mask(mask: Any, what: str) -> None:
    """Raise unless a mask names blocks of the kernel's cluster."""
    x, y, z = kernel_of(what).cluster
    size = x * y * z
    if isinstance(mask, bool) or not isinstance(mask, int) or not 0 < mask < 2**size or size == 1:
        raise SemanticError(
            f"cluster_mask={mask!r} of {what} in a cluster of {size} block{'s' * (size != 1)}",
            fix=f"bits 0 to {size - 1} name its blocks" if size > 1 else "T.Kernel(..., cluster_dims=...) makes clusters",
        )


def tma_store_arrive() -> None:
    """Close a bulk group of this thread. T.tma_copy closes its own.

    Examples
    --------
    >>> T.tma_store_arrive()
    """
    statement("tl.bulk_commit", (), None, "T.tma_store_arrive")


def tma_store_wait(count: int = 0, read: bool = True) -> None:
    """Wait until at most `count` bulk groups of this thread are unfinished.

    Parameters
    ----------
    count : int
    read : bool
        Wait only until they have read shared memory, which may then be written again; else until global memory is written.

    Examples
    --------
    >>> T.tma_store_wait(0)
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise SemanticError(f"T.tma_store_wait({count!r})", fix="a number of groups, 0 or more")
    statement("tl.bulk_wait_read" if read else "tl.bulk_wait", (), {"template": [str(count)]}, "T.tma_store_wait")
