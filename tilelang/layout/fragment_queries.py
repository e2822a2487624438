"""What authors ask of a register layout, and the layouts that they build from it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod
from typing import TYPE_CHECKING, Any

from ..errors import LayoutError

if TYPE_CHECKING:
    from .fragment import Fragment


class FragmentQueries:
    """The part of `Fragment` that existing programs call."""

    def _self(self) -> Fragment:
        return self  # type: ignore[return-value]

    def get_input_shape(self) -> list[int]:
        """Logical extents."""
        return list(self._self().shape)

    def get_output_shape(self) -> list[int]:
        """Registers (elements) of a thread, as a list of one extent."""
        return [self._self().local_size]

    def get_thread_size(self) -> int:
        """One more than the largest thread id that holds anything."""
        return self._self().num_threads

    @property
    def replicate_size(self) -> int:
        """Copies of every element."""
        return prod(f.extent for f in self._self().replication)

    def get_forward_vars(self) -> list[Any]:
        """The variables that stand for the logical indices, and the copy's number, in `thread` and `get_forward_index`."""
        from .. import ir

        names = [*("ijklmnpq"[: len(self._self().shape)]), *(["rep"] if self.replicate_size > 1 else [])]
        known = _VARIABLES.setdefault(tuple(names), [ir.var(n) for n in names])
        return list(known)

    @property
    def thread(self) -> Any:
        """The thread that holds an element, as an expression of `get_forward_vars`."""
        variables = self.get_forward_vars()
        rank = len(self._self().shape)
        return self.map_forward_thread(variables[:rank], variables[rank] if len(variables) > rank else 0)

    def get_forward_index(self) -> list[Any]:
        """The register of an element, as a list of one expression of `get_forward_vars`."""
        return self.map_forward_index(self.get_forward_vars()[: len(self._self().shape)])

    @property
    def index(self) -> list[Any]:
        """The same as `get_forward_index()`."""
        return self.get_forward_index()

    def map_forward_index(self, indices: Sequence[Any]) -> list[Any]:
        """The register that holds an element, in a list.

        Parameters
        ----------
        indices : sequence of int or Expr
            One for each logical axis.
        """
        return [self._self().local_of(self._point(indices))]

    def map_forward_thread(self, indices: Sequence[Any], rep: Any = 0) -> Any:
        """The thread that holds copy `rep` of an element."""
        fragment = self._self()
        found, rest = fragment.thread_of(self._point(indices)), getattr(rep, "node", rep)
        for f in reversed(fragment.replication):
            found = found + rest % f.extent * f.stride
            rest = rest // f.extent
        return found

    def _point(self, indices: Sequence[Any]) -> list[Any]:
        given = list(indices) if isinstance(indices, (list, tuple)) else [indices]
        if len(given) != len(self._self().shape):
            raise LayoutError(f"{len(given)} indices for a fragment of shape {self._self().shape}")
        return [getattr(i, "node", i) for i in given]

    def is_equal(self, other: Any) -> bool:
        """True if both put every element into the same registers of the same threads."""
        mine = self._self()
        if not isinstance(other, FragmentQueries) or mine.shape != other._self().shape:
            return False
        theirs = other._self()
        if _copies(mine) != _copies(theirs):
            return False
        return all(
            mine.thread_of(p) == theirs.thread_of(p) and mine.local_of(p) == theirs.local_of(p)
            for p in product(*map(range, mine.shape))
        )

    def repeat(self, repeats: Sequence[int], repeat_on_thread: bool = False, lower_dim_first: bool = True) -> Fragment:
        """Tiles side by side: a fragment of shape `repeats * shape`.

        Parameters
        ----------
        repeats : sequence of int
            How many along each axis.
        repeat_on_thread : bool
            Each tile in threads of its own; else in further registers of the same threads.
        lower_dim_first : bool
            The tiles along the last axis come next to each other; False: those along the first.

        Examples
        --------
        >>> T.Fragment((8, 8), lambda i, j: (i * 4 + j // 2, j % 2)).repeat([2, 1], repeat_on_thread=True)
        """
        from .fragment import Factor, Fragment

        mine = self._self()
        counts = [int(r) for r in repeats]
        if len(counts) != len(mine.shape) or min(counts, default=1) < 1:
            raise LayoutError(f"repeat({repeats}) of a fragment of shape {mine.shape}", fix="a positive count for each axis")
        for dim in range(len(mine.shape)):
            if counts[dim] > 1 and mine.is_padded(dim):
                raise LayoutError(
                    f"axis {dim} of {mine} is padded from {mine.shape[dim]} to {mine.padded(dim)} and cannot be repeated"
                )
        step = mine.num_threads if repeat_on_thread else mine.local_size
        dims = list(mine.dims)
        order = range(len(counts))
        for dim in reversed(order) if lower_dim_first else order:
            if counts[dim] > 1:
                dims[dim] = (Factor(counts[dim], "thread" if repeat_on_thread else "local", step), *dims[dim])
            step *= counts[dim]
        shape = tuple(n * r for n, r in zip(mine.shape, counts))
        return Fragment(shape, tuple(dims), mine.replication)

    def replicate(self, replicate: int) -> Fragment:
        """The same fragment in `replicate` groups of threads, one after the other."""
        from .fragment import Fragment, thread

        mine = self._self()
        if isinstance(replicate, bool) or not isinstance(replicate, int) or replicate < 1:
            raise LayoutError(f"replicate({replicate!r})", fix="a positive number of copies")
        copies = (thread(replicate, mine.num_threads),) if replicate > 1 else ()
        return Fragment(mine.shape, mine.dims, (*copies, *mine.replication))

    def condense_rep_var(self) -> Fragment:
        """This fragment: copies are counted by their own digits, of which none is superfluous."""
        return self._self()


_VARIABLES: dict[tuple[str, ...], list[Any]] = {}


def _copies(fragment: Fragment) -> set[int]:
    """The threads that hold copies of the element at thread 0."""
    return {
        sum(d * f.stride for d, f in zip(digits, fragment.replication))
        for digits in product(*(range(f.extent) for f in fragment.replication))
    }
