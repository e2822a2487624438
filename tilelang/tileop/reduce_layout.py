"""How a reduction is spread over threads: layouts for tiles that have none, and the steps that combine threads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

from ..layout import Factor, Fragment, local, thread

WARP = 32


@dataclass(frozen=True)
class ThreadSteps:
    """The thread digits of a reduced dimension.

    Attributes
    ----------
    butterflies : tuple of Factor
        Powers of two inside a warp: combined by shuffles.
    crossing : tuple of Factor
        The rest: combined through shared memory.
    """

    butterflies: tuple[Factor, ...]
    crossing: tuple[Factor, ...]


def thread_steps(factors: Sequence[Factor]) -> ThreadSteps:
    """Cut the thread digits into butterflies and digits that cross warps, joining neighbours first."""
    joined: list[Factor] = []
    for f in sorted((f for f in factors if f.is_thread and f.extent > 1), key=lambda f: f.stride):
        if joined and joined[-1].stride * joined[-1].extent == f.stride:
            joined[-1] = thread(joined[-1].extent * f.extent, joined[-1].stride)
        else:
            joined.append(f)
    butterflies, crossing = [], []
    for f in joined:
        inside = 1
        if _power_of_two(f.stride):
            while f.extent % (inside * 2) == 0 and f.stride * inside * 2 <= WARP:
                inside *= 2
        if inside > 1:
            butterflies.append(thread(inside, f.stride))
        if f.extent > inside:
            crossing.append(thread(f.extent // inside, f.stride * inside))
    return ThreadSteps(tuple(butterflies), tuple(crossing))


def free_source(shape: Sequence[int], dim: int, num_threads: int, vector: int = 1) -> Fragment:
    """A layout that reads `shape` coalesced and keeps the reduced dimension inside a warp.

    Along the last dimension `vector` elements a thread, then threads; the reduced dimension takes at most a power of two
    of threads that, with what is on faster digits, stays inside a warp.
    """
    rank = len(shape)
    factors: list[tuple[Factor, ...]] = [()] * rank
    stride, step = 1, 1
    for d in reversed(range(rank)):
        width = vector if d == rank - 1 and shape[d] % vector == 0 else 1
        count = -(-shape[d] // width)
        room = max(1, num_threads // stride)
        if d == dim:
            threads = 1
            while threads * 2 <= min(count, room) and _power_of_two(stride) and stride * threads * 2 <= WARP:
                threads *= 2
        else:
            threads = min(count, room)
            if dim < d and threads < room:  # keep later strides powers of two
                threads = min(room, 1 << (threads - 1).bit_length())
        repeats = -(-count // threads)
        factors[d] = tuple(f for f in (local(repeats, step * width), thread(threads, stride), local(width, step)) if f.extent > 1)
        stride *= threads
        step *= repeats * width
    return Fragment(tuple(shape), tuple(factors))


def serial_source(kept: Fragment, dim: int, extent: int) -> Fragment:
    """The layout in which every thread that holds a result reads the whole row: `kept` with all of `dim` added in registers."""
    along = (local(extent, kept.local_size),) if extent > 1 else ()
    shape = (*kept.shape[:dim], extent, *kept.shape[dim:])
    return Fragment(shape, (*kept.dims[:dim], along, *kept.dims[dim:]), kept.replication)


def source_of(kept: Fragment, dim: int, extent: int) -> Fragment:
    """A source layout whose reduction over `dim` is `kept`: the result's replicas share the row."""
    count, threads, spare = extent, [], []
    for f in sorted(kept.replication, key=lambda f: -f.stride):
        if count > 1 and f.is_thread:
            threads.append(f)
            count = -(-count // f.extent)
        else:
            spare.append(f)
    along = tuple(f for f in (local(count, kept.local_size), *threads) if f.extent > 1)
    shape = (*kept.shape[:dim], extent, *kept.shape[dim:])
    return Fragment(shape, (*kept.dims[:dim], along, *kept.dims[dim:]), tuple(spare))


def private_source(shape: Sequence[int]) -> Fragment:
    """All of the tile in each thread."""
    return Fragment(tuple(shape), tuple((local(n, prod(shape[d + 1 :])),) if n > 1 else () for d, n in enumerate(shape)))


def _power_of_two(n: int) -> bool:
    return n & (n - 1) == 0
