"""What every layout of a tile in memory answers: shapes, indices forward and back, and layouts made of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from ..errors import LayoutError


class IndexMap:
    """A map from logical to physical indices, of a known logical `shape`; `physical` is what a subclass defines."""

    shape: tuple[int, ...]

    def physical(self, indices: Sequence[Any]) -> tuple[Any, ...]:
        """The physical indices of an element; works on ints and on expressions."""
        raise NotImplementedError

    @cached_property
    def physical_shape(self) -> tuple[int, ...]:
        """One more than the largest physical index along each axis, found by evaluating every element."""
        largest: list[int] = []
        for point in product(*map(range, self.shape)):
            found = self.physical(point)
            largest = [max(a, b) for a, b in zip(largest, found)] if largest else list(found)
        return tuple(n + 1 for n in largest)

    def offset(self, indices: Sequence[Any]) -> Any:
        """Element offset of an element: its physical indices, row-major."""
        total: Any = 0
        for extent, index in zip(self.physical_shape, self.physical(indices)):
            total = total * extent + index
        return total

    # ------------------------------------------------------------------ what authors ask

    def get_input_shape(self) -> list[int]:
        """Logical extents."""
        return list(self.shape)

    def get_output_shape(self) -> list[int]:
        """Physical extents: one more than the largest index along each axis."""
        return list(self.physical_shape)

    @cached_property
    def _variables(self) -> list[Any]:
        from .. import ir

        return [ir.var("ijklmnpq"[d] if d < 8 else f"i{d}") for d in range(len(self.shape))]

    def get_forward_vars(self) -> list[Any]:
        """The variables that stand for the logical indices in `get_forward_index`."""
        return list(self._variables)

    def get_forward_index(self) -> list[Any]:
        """The physical indices as expressions of `get_forward_vars`."""
        return list(self.physical(self._variables))

    @property
    def index(self) -> list[Any]:
        """The same as `get_forward_index()`."""
        return self.get_forward_index()

    def map_forward_index(self, indices: Sequence[Any]) -> list[Any]:
        """The physical indices of an element.

        Parameters
        ----------
        indices : sequence of int or Expr
            One for each logical axis.
        """
        return list(self.physical(self._checked(indices)))

    def _checked(self, indices: Sequence[Any]) -> list[Any]:
        given = list(indices) if isinstance(indices, (list, tuple)) else [indices]
        if len(given) != len(self.shape):
            raise LayoutError(f"{len(given)} indices for a layout of shape {self.shape}", fix=f"give {len(self.shape)}")
        nodes: list[Any] = [getattr(i, "node", i) for i in given]
        return [int(n.value) if type(n).__name__ == "IntImm" else n for n in nodes]

    def map_region_bounds(self, region: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        """The least box of physical indices that holds a region: (start, extent) for each axis.

        Parameters
        ----------
        region : sequence of (int, int)
            Start and extent along each logical axis.
        """
        points = [self.physical(p) for p in product(*(range(s, s + n) for s, n in self._checked(region)))]
        if not points:
            raise LayoutError(f"the region {list(region)} is empty")
        axes = list(zip(*points))
        return [(min(a), max(a) + 1 - min(a)) for a in axes]

    def is_equal(self, other: Any) -> bool:
        """True if the other layout has the same shape and puts every element at the same physical indices."""
        if not isinstance(other, IndexMap) or self.shape != other.shape:
            return False
        return all(tuple(self.physical(p)) == tuple(other.physical(p)) for p in product(*map(range, self.shape)))

    # ------------------------------------------------------------------ layouts made of it

    def inverse(self) -> Layout:
        """From physical back to logical indices.

        Raises
        ------
        LayoutError
            If two elements share a place, or some physical place has no element.
        """
        logical = {tuple(self.physical(p)): p for p in product(*map(range, self.shape))}
        if len(logical) != prod(self.shape) or len(logical) != prod(self.physical_shape):
            raise LayoutError(
                f"a layout of {prod(self.shape)} elements on {prod(self.physical_shape)} places, {len(logical)} of them taken, "
                "has no inverse",
                fix="only layouts that use every physical place once have one",
            )
        physical = self.physical_shape
        steps = _inverse_steps(self.shape, physical, logical)

        def back(*indices: Any) -> tuple[Any, ...]:
            if all(isinstance(i, int) for i in indices):
                return logical[indices]
            if steps is None:
                raise LayoutError(
                    "the inverse of this layout is known for numbers only",
                    fix="layouts that permute bits have one for expressions",
                )
            return tuple(_combine(terms, indices) for terms in steps)

        return Layout(physical, back)

    def reshape(self, shape: Sequence[int], *_scale: Any) -> Layout:
        """The same elements, in row-major order, under another logical shape."""
        new = tuple(int(n) for n in shape)
        if prod(new) != prod(self.shape):
            raise LayoutError(f"a layout of shape {self.shape} cannot become one of {new}", fix="keep the number of elements")

        def forward(*indices: Any) -> tuple[Any, ...]:
            flat: Any = 0
            for extent, index in zip(new, indices):
                flat = flat * extent + index
            return self.physical(unravel(flat, self.shape))

        return Layout(new, forward)

    def expand(self, leading: Sequence[int]) -> Layout:
        """New axes in front, which pass through unchanged."""
        extents = tuple(int(n) for n in leading)
        count = len(extents)
        return Layout((*extents, *self.shape), lambda *i: (*i[:count], *self.physical(i[count:])))

    def repeat(self, dim: int, factor: int) -> Layout:
        """`factor` tiles one after the other along a logical axis; a new physical axis in front counts them."""
        axis, factor = int(dim), int(factor)
        if not -len(self.shape) <= axis < len(self.shape) or factor < 1:
            raise LayoutError(
                f"repeat({dim}, {factor}) of a layout of shape {self.shape}", fix="an axis of it and a positive factor"
            )
        axis %= len(self.shape)
        extent = self.shape[axis]
        shape = tuple(n * factor if d == axis else n for d, n in enumerate(self.shape))

        def forward(*indices: Any) -> tuple[Any, ...]:
            inner = [i % extent if d == axis else i for d, i in enumerate(indices)]
            return (indices[axis] // extent, *self.physical(inner))

        return Layout(shape, forward)


class Layout(IndexMap):
    """`T.Layout`: a tile's layout as a function `(i, j, ...) -> physical index or indices`.

    Parameters
    ----------
    shape : sequence of int
        Logical extents.
    forward_fn : callable
        Takes one index for each axis, a Python int or an expression, and uses `+ - * // % ^ & |` of them.

    Examples
    --------
    >>> swizzled = T.Layout((8, 64), lambda i, j: (i, j ^ (i * 8)))
    """

    swizzle = 0
    alignment = 1024

    def __init__(self, shape: Sequence[Any], forward_fn: Callable[..., Any], bits: int = 8) -> None:
        self.shape = tuple(int(n) for n in shape)
        if not callable(forward_fn):
            raise LayoutError(f"the function of a T.Layout is {forward_fn!r}", fix="T.Layout(shape, lambda i, j: ...)")
        self.forward, self.bits = forward_fn, bits

    def physical(self, indices: Sequence[Any]) -> tuple[Any, ...]:
        out = self.forward(*indices)
        return tuple(out) if isinstance(out, (tuple, list)) else (out,)

    def with_bits(self, bits: int) -> Layout:
        """The layout for elements of so many bits."""
        return Layout(self.shape, self.forward, bits)

    def versions(self, count: int) -> Layout:
        """The layout of `count` tiles one after the other (a leading dimension)."""
        return Layout((count, *self.shape), lambda version, *i: (version, *self.physical(i)), self.bits)

    @property
    def size(self) -> int:
        return prod(self.physical_shape)

    @property
    def bytes(self) -> int:
        return -(-self.size * self.bits // 8)

    @cached_property
    def chunk(self) -> int:
        """The largest power of two of elements along the last axis that are adjacent, and whose offset is a multiple of it,
        whenever their start is one; found by evaluating every element."""
        best = self.shape[-1] & -self.shape[-1]
        for lead in product(*map(range, self.shape[:-1])):
            row = [self.offset((*lead, k)) for k in range(self.shape[-1])]
            while best > 1 and not all(
                row[start] % best == 0 and row[start : start + best] == list(range(row[start], row[start] + best))
                for start in range(0, len(row), best)
            ):
                best //= 2
        return best

    def __reduce__(self) -> tuple[Any, ...]:
        """Between processes travel the indices as expressions, for the author's function may be a closure."""
        from .. import ir

        state = {k: v for k, v in vars(self).items() if not isinstance(getattr(type(self), k, None), cached_property)}
        state["forward"] = _Forward(self._variables, [ir.as_expr(i) for i in self.get_forward_index()])
        return _restored, (type(self), state)

    def __str__(self) -> str:
        return f"Layout({list(self.shape)} -> {list(self.physical_shape)}: {', '.join(map(str, self.get_forward_index()))})"


def _restored(kind: type[Layout], state: dict[str, Any]) -> Layout:
    layout = kind.__new__(kind)
    layout.__dict__.update(state)
    return layout


class _Forward:
    """An author's function as what it gave for variables."""

    def __init__(self, variables: Sequence[Any], indices: Sequence[Any]) -> None:
        self.variables, self.indices = tuple(variables), tuple(indices)

    def __reduce__(self) -> tuple[Any, ...]:
        from ..ir.transport import dump_nodes

        return _forward, (len(self.variables), dump_nodes([*self.variables, *self.indices]))

    def __call__(self, *given: Any) -> tuple[Any, ...]:
        from .. import ir

        values = dict(zip(self.variables, map(ir.as_expr, given)))
        found = [ir.simplify(ir.substitute(index, values)) for index in self.indices]
        return tuple([i if (known := ir.const_int(i)) is None else known for i in found])


def _forward(rank: int, data: bytes) -> _Forward:
    from ..ir.transport import load_nodes

    nodes = load_nodes(data)
    return _Forward(nodes[:rank], nodes[rank:])


def unravel(flat: Any, shape: Sequence[int]) -> list[Any]:
    """The indices of position `flat` of a row-major array."""
    out: list[Any] = []
    for axis, extent in reversed(list(enumerate(shape))):
        out.insert(0, flat % extent if axis else flat)
        flat = flat // extent
    return out


# An inverse as expressions. A power-of-two layout that permutes and XORs bits is linear over GF(2): a bit of a logical index is
# the XOR of the bits of the physical ones on which it depends.
_Bits = list[tuple[int, int, int]]  # (physical axis, its bit, bit of the logical index)


def _inverse_steps(
    shape: Sequence[int], physical: Sequence[int], logical: dict[tuple[int, ...], tuple[int, ...]]
) -> list[_Bits] | None:
    """For each logical axis the bits that make it; None if the inverse is not linear in the bits of the physical indices."""
    if any(n & (n - 1) for n in (*shape, *physical)):
        return None
    zero = (0,) * len(physical)
    if any(logical[zero]):
        return None
    out: list[_Bits] = [[] for _ in shape]
    basis: list[tuple[int, int, tuple[int, ...]]] = []
    for axis, extent in enumerate(physical):
        for bit in range(extent.bit_length() - 1):
            image = logical[tuple(1 << bit if d == axis else 0 for d in range(len(physical)))]
            basis.append((axis, bit, image))
            for dim, value in enumerate(image):
                out[dim] += [(axis, bit, k) for k in range(value.bit_length()) if value >> k & 1]
    for place, point in logical.items():
        total = [0] * len(shape)
        for axis, bit, image in basis:
            if place[axis] >> bit & 1:
                total = [a ^ b for a, b in zip(total, image)]
        if tuple(total) != point:
            return None
    return out


def _combine(terms: _Bits, indices: Sequence[Any]) -> Any:
    """The logical index of which each bit is the XOR of some bits of physical indices."""
    bits: dict[int, Any] = {}
    for axis, bit, target in terms:
        value = indices[axis] // (1 << bit) % 2
        bits[target] = value if target not in bits else bits[target] ^ value
    total: Any = 0
    for target, value in sorted(bits.items(), reverse=True):
        total = total + value * (1 << target)
    return total
