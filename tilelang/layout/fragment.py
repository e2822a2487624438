"""Where the elements of a register tile live: mixed-radix digits over threads and per-thread registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ..errors import LayoutError
from .fragment_queries import FragmentQueries


@dataclass(frozen=True)
class Factor:
    """One digit of an index: it counts `extent` values, each worth `stride` threads or registers.

    `axis` is "thread" (the digit adds `digit * stride` to the linear thread id) or "local" (to the register index).
    """

    extent: int
    axis: str
    stride: int

    @property
    def is_thread(self) -> bool:
        return self.axis == "thread"


def thread(extent: int, stride: int) -> Factor:
    """A thread factor."""
    return Factor(extent, "thread", stride)


def local(extent: int, stride: int) -> Factor:
    """A register factor."""
    return Factor(extent, "local", stride)


@dataclass(frozen=True, init=False)
class Fragment(FragmentQueries):
    """The distribution of a tile over the threads of a block.

    An author writes it as functions, the compiler as digits.

    Parameters
    ----------
    shape : tuple of int
        Logical extents.
    forward_fn, forward_thread_fn, replicate, forward_index_fn
        See `fragment_from_function`.
    dims : tuple of tuple of Factor, in the place of `forward_fn`
        For each dimension its digits, most significant first. Their product may exceed the extent: the surplus
        positions are padding, which is never read and whose writes are harmless.
    replication : tuple of Factor, in the place of `forward_thread_fn`
        Thread factors that no index determines: every value of such a digit holds a copy.

    Threads whose digits outside `dims` and `replication` are not 0 hold nothing.

    Examples
    --------
    The accumulator of mma.m16n8 (PTX ISA, "Matrix Fragments for mma.m16n8k16"), rows `g` and `g + 8`, columns `2t, 2t+1`:

    >>> Fragment((16, 8), ((local(2, 2), thread(8, 4)), (thread(4, 1), local(2, 1))))
    """

    shape: tuple[int, ...]
    dims: tuple[tuple[Factor, ...], ...]
    replication: tuple[Factor, ...] = ()

    def __init__(
        self,
        shape: Sequence[int],
        forward_fn: Any = None,
        forward_thread_fn: Any = None,
        replicate: int = 1,
        forward_index_fn: Callable[..., Any] | None = None,
        *,
        dims: tuple[tuple[Factor, ...], ...] | None = None,
        replication: tuple[Factor, ...] = (),
    ) -> None:
        if isinstance(forward_fn, tuple):
            dims, replication = forward_fn, forward_thread_fn or ()
        elif dims is None:
            from .user import fragment_from_function

            made = fragment_from_function(shape, forward_fn, forward_thread_fn, replicate, forward_index_fn)
            shape, dims, replication = made.shape, made.dims, made.replication
        for name, value in (("shape", tuple(shape)), ("dims", dims), ("replication", replication)):
            object.__setattr__(self, name, value)
        self._check()

    def _check(self) -> None:
        if len(self.shape) != len(self.dims):
            raise LayoutError(f"a fragment of rank {len(self.shape)} has factors for {len(self.dims)} dimensions")
        for d, (extent, factors) in enumerate(zip(self.shape, self.dims)):
            if prod(f.extent for f in factors) < extent:
                raise LayoutError(f"the factors of dimension {d} count {prod(f.extent for f in factors)} positions of {extent}")
        position = 1
        for f in sorted(self.thread_factors(), key=lambda f: f.stride):
            if f.stride % position:
                raise LayoutError(f"thread factors overlap: stride {f.stride} follows a span of {position}")
            position = f.stride * f.extent

    # ------------------------------------------------------------------ sizes

    def thread_factors(self) -> list[Factor]:
        """All thread factors of extent above 1, replication included."""
        return [f for factors in (*self.dims, self.replication) for f in factors if f.is_thread and f.extent > 1]

    def local_factors(self) -> list[Factor]:
        return [f for factors in self.dims for f in factors if not f.is_thread and f.extent > 1]

    @property
    def local_size(self) -> int:
        """Registers (elements) per thread."""
        return 1 + sum((f.extent - 1) * f.stride for f in self.local_factors())

    @property
    def num_threads(self) -> int:
        """One more than the largest thread id that holds anything."""
        return 1 + sum((f.extent - 1) * f.stride for f in self.thread_factors())

    def padded(self, dim: int) -> int:
        """Positions that the factors of `dim` count."""
        return prod(f.extent for f in self.dims[dim])

    def is_padded(self, dim: int) -> bool:
        return self.padded(dim) != self.shape[dim]

    # ------------------------------------------------------------------ index arithmetic (ints or expressions)

    def digits(self, dim: int, index: Any) -> list[Any]:
        """The digits of `index` along `dim`, in factor order."""
        out, inner = [], 1
        for position, f in reversed(list(enumerate(self.dims[dim]))):
            digit = index // inner if inner > 1 else index
            out.append(digit % f.extent if position > 0 and f.extent > 1 else (digit if f.extent > 1 else 0))
            inner *= f.extent
        return out[::-1]

    def _weigh(self, indices: Sequence[Any], axis: str) -> Any:
        total: Any = 0
        for dim, index in enumerate(indices):
            for f, digit in zip(self.dims[dim], self.digits(dim, index)):
                if f.axis == axis and f.extent > 1:
                    total = total + digit * f.stride
        return total

    def local_of(self, indices: Sequence[Any]) -> Any:
        """The register index of an element."""
        return self._weigh(indices, "local")

    def thread_of(self, indices: Sequence[Any]) -> Any:
        """The (first) thread that holds an element."""
        return self._weigh(indices, "thread")

    def index_of(self, dim: int, digit: Callable[[Factor], Any]) -> Any:
        """The index along `dim` composed from `digit(factor)` of each factor."""
        total: Any = 0
        inner = 1
        for f in reversed(self.dims[dim]):
            if f.extent > 1:
                value = digit(f)
                total = value * inner + total if inner > 1 else value + total
            inner *= f.extent
        return total

    @staticmethod
    def thread_digit(f: Factor, tid: Any) -> Any:
        """The digit of a thread factor in the linear thread id `tid`."""
        return tid // f.stride % f.extent if f.stride > 1 else tid % f.extent

    def idle_conditions(self, tid: Any, num_threads: int) -> list[Any]:
        """Conditions (all must hold) under which thread `tid` of `num_threads` holds anything; [] if every one does."""
        conditions, position = [], 1
        for f in sorted(self.thread_factors(), key=lambda f: f.stride):
            if f.stride > position:
                conditions.append((tid // position if position > 1 else tid) % (f.stride // position) == 0)
            position = f.stride * f.extent
        if position < num_threads:
            conditions.append(tid < position)
        elif position > num_threads:
            raise LayoutError(f"a fragment over {position} threads is used in a block of {num_threads}")
        return conditions

    # ------------------------------------------------------------------ derived layouts

    def compacted(self) -> Fragment:
        """The same distribution with register strides packed (order kept)."""
        strides: dict[tuple[int, int], int] = {}
        step = 1
        keyed = [
            (f.stride, d, k)
            for d, factors in enumerate(self.dims)
            for k, f in enumerate(factors)
            if not f.is_thread and f.extent > 1
        ]
        for _, d, k in sorted(keyed):
            strides[d, k] = step
            step *= self.dims[d][k].extent
        dims = tuple(
            tuple(replace(f, stride=strides.get((d, k), 0)) if not f.is_thread else f for k, f in enumerate(factors))
            for d, factors in enumerate(self.dims)
        )
        return replace(self, dims=dims)

    def reduce(self, dim: int, keep: bool = False) -> Fragment:
        """The layout of the tile with `dim` removed (or kept with extent 1): its threads all hold the result."""
        freed = tuple(f for f in self.dims[dim] if f.is_thread and f.extent > 1)
        middle = (1,) if keep else ()
        return Fragment(
            self.shape[:dim] + middle + self.shape[dim + 1 :],
            self.dims[:dim] + ((),) * len(middle) + self.dims[dim + 1 :],
            self.replication + freed,
        ).compacted()

    def at(self, dim: int) -> Fragment:
        """The layout of the slice at index 0 of `dim`, with `dim` removed: only the threads that hold it."""
        return Fragment(
            self.shape[:dim] + self.shape[dim + 1 :], self.dims[:dim] + self.dims[dim + 1 :], self.replication
        ).compacted()

    def permuted(self, order: Sequence[int]) -> Fragment:
        """Dimension `k` of the result is dimension `order[k]` of this."""
        return replace(self, shape=tuple(self.shape[d] for d in order), dims=tuple(self.dims[d] for d in order))

    def same_threads(self, other: Fragment) -> bool:
        """True if every element lives in the same threads and the digit sequences agree, whatever the register order."""
        return (
            self.shape == other.shape
            and all(_signature(a) == _signature(b) for a, b in zip(self.dims, other.dims))
            and _span(self.replication) == _span(other.replication)
        )

    # ------------------------------------------------------------------ constructors

    @staticmethod
    def blocked(shape: Sequence[int], num_threads: int, vector: int = 1) -> Fragment:
        """Coalesced: along the last axis `vector` elements a thread, then threads, then the next dimension, then repeats."""
        remaining, stride = num_threads, 1
        dims: list[tuple[Factor, ...]] = []
        repeats: list[tuple[int, int]] = []  # (dim, extent), filled with strides below
        for dim in reversed(range(len(shape))):
            width = vector if dim == len(shape) - 1 else 1
            count = -(-shape[dim] // width)
            threads = min(count, remaining)
            repeats.append((dim, -(-count // threads)))
            dims.insert(0, (thread(threads, stride), local(width, 1)))
            stride *= threads
            remaining //= threads
        step = vector
        built = list(dims)
        for dim, extent in repeats:
            built[dim] = (local(extent, step), *built[dim])
            step *= extent
        return Fragment(tuple(shape), tuple(_trim(f) for f in built))

    @staticmethod
    def replicated(shape: Sequence[int], num_threads: int) -> Fragment:
        """Every thread holds the whole tile, row-major."""
        dims: list[tuple[Factor, ...]] = []
        step = 1
        for extent in reversed(shape):
            dims.insert(0, _trim((local(extent, step),)))
            step *= extent
        return Fragment(tuple(shape), tuple(dims), _trim((thread(num_threads, 1),)))

    def __str__(self) -> str:
        def show(factors):
            return "(" + " ".join(f"{f.extent}{'@' if f.is_thread else ':'}{f.stride}" for f in factors) + ")"

        text = f"Fragment{list(self.shape)} " + " ".join(show(f) for f in self.dims)
        return text + (f" x{show(self.replication)}" if self.replication else "")


def _trim(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    return tuple(f for f in factors if f.extent > 1)


def runs(factors: Sequence[Factor]) -> list[tuple[str, int, int, list[int]]]:
    """Adjacent factors merged: (axis, extent, thread stride or 0, positions). Register strides do not matter here."""
    out: list[tuple[str, int, int, list[int]]] = []
    for k, f in enumerate(factors):
        if f.extent == 1:
            continue
        if out and out[-1][0] == f.axis:
            axis, extent, stride, members = out[-1]
            if axis == "local" or stride == f.stride * f.extent:
                out[-1] = (axis, extent * f.extent, f.stride if axis == "thread" else 0, [*members, k])
                continue
        out.append((f.axis, f.extent, f.stride if f.is_thread else 0, [k]))
    return out


def _signature(factors: Sequence[Factor]) -> list[tuple[str, int, int]]:
    return [run[:3] for run in runs(factors)]


def _span(factors: Sequence[Factor]) -> list[tuple[int, int]]:
    """Replication as merged (stride, extent) runs, so that equal thread sets compare equal."""
    runs: list[list[int]] = []
    for f in sorted((f for f in factors if f.extent > 1), key=lambda f: f.stride):
        if runs and runs[-1][0] * runs[-1][1] == f.stride:
            runs[-1][1] *= f.extent
        else:
            runs.append([f.stride, f.extent])
    return [tuple(r) for r in runs]  # type: ignore[misc]


def agree(factors: Sequence[Factor], other: Sequence[Factor]) -> bool:
    """True if two dimensions have the same digits on the same threads (register strides may differ)."""
    return _signature(factors) == _signature(other)


def covers(outer: Sequence[Factor], inner: Sequence[Factor]) -> bool:
    """True if every thread that `inner` counts over is among those that `outer` counts over."""
    return all(
        any(S <= f.stride and f.stride % S == 0 and f.stride * f.extent <= S * E for S, E in _span(outer))
        for f in inner
        if f.is_thread and f.extent > 1
    )


def packed_factors(factors: Sequence[Factor], pack: int) -> tuple[Factor, ...] | None:
    """The digits of `index // pack`, if the `pack` indices that share a value are registers of one thread; else None."""
    counted = [f for f in factors if f.extent > 1]
    if not counted or counted[-1].is_thread or counted[-1].extent % pack:
        return None
    rest = replace(counted[-1], extent=counted[-1].extent // pack)
    return (*counted[:-1], rest) if rest.extent > 1 else tuple(counted[:-1])


def piece_factors(factors: Sequence[Factor], block: Any, extent: int) -> tuple[tuple[Factor, ...], Any] | None:
    """The digits inside block number `block` (int or expression) of `extent` indices, and the block's first register.

    None if blocks do not begin and end where digits do, or if threads choose among them.
    """
    inner: list[Factor] = []
    count = 1
    rest = [f for f in factors if f.extent > 1]
    while rest and count < extent:
        f = rest.pop()
        wanted = extent // count
        if extent % count or (wanted % f.extent if wanted >= f.extent else f.is_thread or f.extent % wanted):
            return None
        if wanted >= f.extent:
            inner.insert(0, f)
            count *= f.extent
        else:
            inner.insert(0, replace(f, extent=wanted))
            rest.append(replace(f, extent=f.extent // wanted, stride=f.stride * wanted))
            count *= wanted
    if count != extent or any(f.is_thread for f in rest):
        return None
    offset: Any = 0
    for k, f in enumerate(reversed(rest)):
        digit = block if k == len(rest) - 1 else block % f.extent
        offset = digit * f.stride + offset
        block = block // f.extent
    return tuple(inner), offset


def unpacked_factors(factors: Sequence[Factor], pack: int) -> tuple[Factor, ...]:
    """The digits of an index of which `pack` values share each position that `factors` count."""
    counted = [f for f in factors if f.extent > 1]
    if counted and not counted[-1].is_thread:
        return (*counted[:-1], replace(counted[-1], extent=counted[-1].extent * pack))
    return (*counted, local(pack, 0))
