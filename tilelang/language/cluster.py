"""Clusters of blocks: their shape, barriers among them and of the grid; launches that overlap."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from .barrier import alloc_barrier
from .buffer import Buffer
from .dtypes import dtype
from .emit import call, statement
from .expr import Expr, binary
from .kernel import Kernel, kernel_of
from .shape import Extent


class ClusterKernel(Kernel):
    """`T.Kernel(*blocks, cluster_dims=...)`.

    Examples
    --------
    >>> with T.ClusterKernel(4, cluster_dims=2, threads=128) as bx:
    ...     T.cluster_sync()
    """

    def __init__(self, *blocks: Any, cluster_dims: Any, threads: Any = None, prelude: str | None = None) -> None:
        super().__init__(*blocks, threads=threads, prelude=prelude, cluster_dims=cluster_dims)


def alloc_cluster_barrier(arrive_count: int | list[int]) -> Buffer:
    """T.alloc_barrier whose barriers other blocks of the cluster may arrive at: no block uses one before all are initialised.

    Examples
    --------
    >>> ready = T.alloc_cluster_barrier([2])
    >>> T.mbarrier_arrive(ready[0], 0)
    """
    buffer = alloc_barrier(arrive_count)
    statement("tl.cluster_barriers", (), None, "T.alloc_cluster_barrier")
    return buffer


def cluster_sync() -> None:
    """Wait for all threads of all blocks of the cluster; what they wrote to shared memory is seen then.

    Examples
    --------
    >>> T.cluster_sync()
    """
    statement("tl.cluster_sync", (), None, "T.cluster_sync")


def cluster_arrive() -> None:
    """The first half of T.cluster_sync: T.cluster_wait is the second.

    Examples
    --------
    >>> T.cluster_arrive()
    """
    statement("tl.cluster_arrive", (), None, "T.cluster_arrive")


def cluster_arrive_relaxed() -> None:
    """T.cluster_arrive that publishes nothing that was written before.

    Examples
    --------
    >>> T.cluster_arrive_relaxed()
    """
    statement("tl.cluster_arrive_relaxed", (), None, "T.cluster_arrive_relaxed")


def cluster_wait() -> None:
    """Wait until all threads of the cluster have arrived (T.cluster_arrive).

    Examples
    --------
    >>> T.cluster_wait()
    """
    statement("tl.cluster_wait", (), None, "T.cluster_wait")


def block_rank_in_cluster() -> Expr:
    """This block's number in its cluster: x first, then y, then z.

    Examples
    --------
    >>> rank = T.block_rank_in_cluster()
    """
    kernel_of("T.block_rank_in_cluster")
    return call("tl.cluster_rank", (), dtype("int32"))


def get_cluster_dims() -> list[int]:
    """Blocks of a cluster along x, y, z.

    Examples
    --------
    >>> dims = T.get_cluster_dims()
    """
    return list(kernel_of("T.get_cluster_dims").cluster)


def get_cluster_size() -> int:
    """Blocks of a cluster.

    Examples
    --------
    >>> size = T.get_cluster_size()
    """
    x, y, z = kernel_of("T.get_cluster_size").cluster
    return x * y * z


def get_cluster_id(dim: int = 0) -> Expr:
    """The cluster's index in the grid along `dim`.

    Examples
    --------
    >>> cluster = T.get_cluster_id()
    """
    return get_cluster_ids()[_axis(dim, "T.get_cluster_id")]


def get_cluster_ids() -> list[Expr]:
    """The cluster's index in the grid along x, y, z.

    Examples
    --------
    >>> cx, cy, cz = T.get_cluster_ids()
    """
    kernel = kernel_of("T.get_cluster_ids")
    return [binary("floordiv", v, d) for v, d in zip(kernel.variables[:3], kernel.cluster, strict=True)]


def get_cluster_extent(dim: int = 0) -> Extent:
    """Clusters of the grid along `dim`.

    Examples
    --------
    >>> count = T.get_cluster_extent()
    """
    return get_cluster_extents()[_axis(dim, "T.get_cluster_extent")]


def get_cluster_extents() -> list[Extent]:
    """Clusters of the grid along x, y, z.

    Examples
    --------
    >>> counts = T.get_cluster_extents()
    """
    kernel = kernel_of("T.get_cluster_extents")
    blocks = kernel.blocks + [1] * (3 - len(kernel.blocks))
    return [binary("floordiv", b, d) if isinstance(b, Expr) else b // d for b, d in zip(blocks, kernel.cluster, strict=True)]


def _axis(dim: int, what: str) -> int:
    if dim not in (0, 1, 2):
        raise ShapeError(f"{what}({dim!r}): the dimension is 0, 1 or 2")
    return int(dim)


def sync_grid() -> None:
    """Wait for all threads of all blocks of the grid; what they wrote to global memory is seen then.

    A kernel that calls it is launched cooperatively: all its blocks run at once, so that there may be no more of them than the
    GPU holds (the launch says so). All threads of the block come by together.

    Raises
    ------
    ResourceError
        At the launch, when the blocks do not fit on the GPU together.

    Examples
    --------
    >>> T.sync_grid()
    """
    statement("tl.sync_grid", (), None, "T.sync_grid")


def pdl_trigger() -> None:
    """The kernel that is launched next may start now, if it was written for that: it waits in T.pdl_sync for this one's end.

    Examples
    --------
    >>> T.pdl_trigger()
    """
    statement("tl.grid_launch_dependents", (), None, "T.pdl_trigger")


def pdl_sync() -> None:
    """Wait until the kernels launched before have completed and what they wrote is seen.

    A kernel that calls it may be started before they end; nothing of theirs may be read before this.

    Examples
    --------
    >>> T.pdl_sync()
    """
    statement("tl.grid_dependency_wait", (), None, "T.pdl_sync")
