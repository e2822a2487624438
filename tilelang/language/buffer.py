"""Buffers of a kernel and what indexing them gives: an element, a region, or a mutable scalar."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError, SemanticError, ShapeError
from ..frontend.builder import current, require
from .dtypes import dtype
from .elementwise import SliceArithmetic
from .elementwise import store as store_slice
from .expr import Expr, as_expr, convert, from_tvm, is_tvm_value
from .shape import Extent, extent_text, node_of, shape_text, simplify


class Buffer:
    """A tensor parameter or an allocated tile.

    Attributes
    ----------
    shape : tuple of int or Expr
    dtype : dtype
    strides : tuple or None
        In elements; None is compact row-major.
    root : Buffer
        The buffer whose memory this is: itself, unless it is a view.
    annotated : Layout, SharedLayout, Fragment or None
        What T.annotate_layout has said of it so far.
    """

    kind_name = "buffer"

    def __init__(
        self,
        name: str,
        shape: tuple[Extent, ...],
        of: dtype,
        scope: str = "global",
        strides: tuple[Extent, ...] | None = None,
        base: Buffer | None = None,
    ) -> None:
        self.name, self.shape, self.dtype, self._scope, self.strides = name, tuple(shape), of, scope, strides
        self.root: Buffer = self if base is None else base.root
        self._node: Any = None
        self.annotated: Any = None

    @property
    def data(self) -> BufferData:
        """The memory behind the buffer, for `T.Tensor(shape, dtype, buffer.data)`."""
        return BufferData(self)

    @property
    def node(self) -> Any:
        """The TIR buffer variable."""
        if self._node is None:
            builder = current()
            self._node = ir.buffer(
                [node_of(s) for s in self.shape],
                self.dtype.in_ir,
                self.name,
                self._scope,
                strides=None if self.strides is None else [node_of(s) for s in self.strides],
                span=builder.span() if builder is not None else None,
            )
        return self._node

    @property
    def ndim(self) -> int:
        return len(self.shape)

    def scope(self) -> str:
        """Where it lives: global, shared.dyn, local.fragment, local or local.var."""
        return self._scope

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"<{self._scope} buffer {self.name}: {self.dtype}[{shape_text(self.shape)}]>"

    def __len__(self) -> int:
        if self.shape and isinstance(self.shape[0], int):
            return self.shape[0]
        raise FrontendError(f"len() of {self.name}, whose first extent is symbolic", fix=f"use {self.name}.shape[0]")

    def __bool__(self) -> bool:
        raise TypeErrorInKernel(f"the buffer {self.name} as a condition", fix=f"compare an element, as in {self.name}[0] != 0")

    def __iter__(self):
        raise FrontendError(
            f"cannot iterate over the buffer {self.name}", fix="loop over indices: for i in T.serial(n), or T.Parallel"
        )

    def __getitem__(self, index: Any) -> Element | Region:
        return access(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        access(self, index).store(value)

    def write(self, indices: tuple[Extent, ...], value: Any) -> None:
        """Emit the store of `value`, converted to the buffer's dtype, at constant or computed indices."""
        builder = require(f"a store to {self.name}")
        builder.need_kernel(f"a store to {self.name}")
        value = convert(as_storable(value, self), self.dtype)
        builder.emit(ir.BufferStore(self.node, value.node, [node_of(i, "int32") for i in indices], builder.span()))
        builder.wrote(self)

    def access_ptr(
        self, access_mask: str | int, ptr_type: Any = "handle", content_lanes: int = 1, offset: Any = 0, extent: Any = None
    ) -> Any:
        """`T.access_ptr(buffer, access_mask, offset=offset)`."""
        from .extern import access_ptr

        return access_ptr(self, access_mask, offset=offset)

    def vload(self, begin: Any, dtype: Any = None) -> Any:
        """The element at `begin`, or with a vector dtype as many elements of the last axis from there."""
        return access(self, self._from(begin, dtype))

    def vstore(self, begin: Any, value: Any) -> None:
        """Store a value, or the lanes of a vector along the last axis from `begin`."""
        self[self._from(begin, as_expr(value).dtype)] = value

    def _from(self, begin: Any, of: Any) -> tuple[Any, ...]:
        from .vector import Ramp

        indices = tuple(begin) if isinstance(begin, (tuple, list)) else (begin,)
        lanes = 1 if of is None else dtype(of).lanes
        return indices if lanes == 1 else (*indices[:-1], Ramp(indices[-1], 1, lanes))

    def _arithmetic(self, *_: Any) -> Any:
        raise DTypeError(
            f"arithmetic on the whole buffer {self.name}",
            fix="index it in a loop (for i, j in T.Parallel(...)), or use a tile operator",
        )

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _arithmetic
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __neg__ = __pow__ = __matmul__ = _arithmetic
    __lt__ = __le__ = __gt__ = __ge__ = _arithmetic


class BufferData:
    """The memory of a buffer, without shape or element type."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer

    def __repr__(self) -> str:
        return f"{self.buffer.name}.data"


class TypeErrorInKernel(FrontendError, TypeError):
    """An object of the wrong kind in a place that takes another."""

    code = "TL0102"


VECTOR_LANES = (2, 4, 8, 16, 32, 64)


class Region(SliceArithmetic):
    """A box of a buffer. `extents` has an int or Expr for each dimension; `soft` where the author did not write an extent."""

    kind_name = "region"

    def __init__(
        self, buffer: Buffer, starts: tuple[Extent, ...], extents: tuple[Extent, ...], points: tuple[bool, ...], soft: bool
    ) -> None:
        self.buffer, self.starts, self.extents, self.points, self.soft = buffer, starts, extents, points, soft

    @property
    def dtype(self) -> dtype:
        return self.buffer.dtype

    @property
    def shape(self) -> tuple[Extent, ...]:
        """Extents of the dimensions that were not indexed by a single value, as in NumPy."""
        return tuple(e for e, point in zip(self.extents, self.points, strict=True) if not point)

    def scope(self) -> str:
        return self.buffer.scope()

    def lanes(self) -> Lanes | None:
        """A few consecutive elements of the last axis as one vector value; None for any other region."""
        count = self.extents[-1] if self.extents else 0
        if not isinstance(count, int) or count not in VECTOR_LANES or self.points[-1] or not all(self.points[:-1]):
            return None
        return _gathered(self.buffer, self.starts[:-1], self.starts[-1], 1, count)

    def __str__(self) -> str:
        parts = [
            str(s) if point else f"{s}:{simplify(s + e)}"
            for s, e, point in zip(self.starts, self.extents, self.points, strict=True)
        ]
        return f"{self.buffer.name}[{', '.join(parts)}]"

    def __getitem__(self, index: Any) -> Any:
        """Index the region by its own axes."""
        free = [d for d, point in enumerate(self.points) if not point]
        parts = expand_index(index, len(free), str(self))
        starts, extents, points = list(self.starts), list(self.extents), list(self.points)
        for dim, part in zip(free, parts, strict=False):
            start, extent, point = one_index(part, self.extents[dim], str(self), dim)
            starts[dim], extents[dim], points[dim] = simplify(self.starts[dim] + start), extent, point
        if all(points):
            return Element(self.buffer, tuple(starts))
        return Region(self.buffer, tuple(starts), tuple(extents), tuple(points), False)

    def __setitem__(self, index: Any, value: Any) -> None:
        self[index].store(value)

    def store(self, value: Any) -> None:
        """Assign a scalar, or elements of a slice of the same extents."""
        store_slice(self, value)

    def __iter__(self):
        raise FrontendError(f"cannot iterate over {self}", fix="loop over indices: for i in T.serial(n), or T.Parallel")

    def __bool__(self) -> bool:
        raise TypeErrorInKernel(f"the region {self} as a condition", fix="compare one element")


class Element(Expr):
    """One element of a buffer: a load where a value is wanted, a place where one is stored or a copy starts."""

    __slots__ = ("buffer", "indices")

    def __init__(self, buffer: Buffer, indices: tuple[Extent, ...]) -> None:
        super().__init__(None, buffer.dtype, pure=False, cost=1 + sum(i.cost for i in indices if isinstance(i, Expr)))
        self.buffer, self.indices = buffer, indices
        builder = current()
        self.reads, self.epoch = (buffer.root,), builder.epoch if builder is not None else 0

    @property
    def node(self) -> Any:
        self.check_current()
        if self._node is None:
            self._node = ir.load(self.buffer.node, [node_of(i) for i in self.indices])
        return self._node

    def store(self, value: Any) -> None:
        """Emit the store of `value`, converted to the buffer's dtype."""
        self.buffer.write(self.indices, value)

    def __str__(self) -> str:
        return f"{self.buffer.name}[{', '.join(str(i) for i in self.indices)}]"


class MutableScalar(Element):
    """A name that can be assigned again: T.alloc_var, or a macro's T.Ref parameter."""

    __slots__ = ("fresh",)

    def __init__(self, buffer: Buffer, indices: tuple[Extent, ...] = (0,), fresh: bool = False) -> None:
        super().__init__(buffer, indices)
        self.fresh = fresh

    def check_current(self) -> None:
        """Always current: the name stands for what the scalar holds when it is used."""

    def read_epoch(self) -> int:
        builder = current()
        return builder.epoch if builder is not None else 0

    def __str__(self) -> str:
        return self.buffer.name if self.buffer.scope() == "local.var" else super().__str__()

    def __getitem__(self, index: Any) -> Element | Region:
        """`x[0]`, for code that treats the scalar as a buffer of one element."""
        return access(self.buffer, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        self.buffer[index] = value


def as_storable(value: Any, buffer: Buffer) -> Any:
    """Refuse what is no scalar with a message that names the destination."""
    if isinstance(value, Buffer) or (isinstance(value, Region) and value.lanes() is None):
        raise ShapeError(
            f"{value} is not one element and cannot be stored into an element of {buffer.name}", fix="index it, or use T.copy"
        )
    return as_expr(value, f"the value stored into {buffer.name}") if not isinstance(value, (int, float, bool)) else value


def expand_index(index: Any, ndim: int, name: str) -> list[Any]:
    """The index as a list with `...` expanded; at most `ndim` entries."""
    parts = list(index) if isinstance(index, tuple) else [index]
    dots = [k for k, p in enumerate(parts) if p is Ellipsis]
    if len(dots) > 1:
        raise FrontendError(f"more than one ... in an index of {name}")
    if dots:
        parts[dots[0] : dots[0] + 1] = [slice(None)] * (ndim - len(parts) + 1)
    if len(parts) > ndim:
        raise ShapeError(f"{name} has {ndim} dimension{'s' * (ndim != 1)} but the index has {len(parts)}")
    return parts


def one_index(part: Any, extent: Extent, name: str, dim: int, past_end: bool = False) -> tuple[Extent, Extent, bool]:
    """(start, extent, is a single value) of one entry of an index, bounds checked where both are constant.

    With `past_end` a slice may end beyond the axis, as the last tile of a ragged tensor does: copies guard it.
    """
    if isinstance(part, slice):
        if part.step is not None and part.step != 1:
            raise FrontendError(
                f"slice step {part.step} in an index of {name}", fix="slices of a tile are contiguous; loop with a step instead"
            )
        start = _index(0 if part.start is None else part.start, extent, name, dim, True)
        stop = extent if part.stop is None else _index(part.stop, extent, name, dim, True, past_end)
        length = simplify(stop - start)
        if isinstance(length, int) and length <= 0:
            raise ShapeError(f"the slice {extent_text(start)}:{extent_text(stop)} of axis {dim} of {name} is empty")
        return start, length, False
    return _index(part, extent, name, dim, False), 1, True


def _index(part: Any, extent: Extent, name: str, dim: int, is_bound: bool, past_end: bool = False) -> Extent:
    if is_tvm_value(part):
        part = from_tvm(part)
    if isinstance(part, bool) or (not isinstance(part, Expr) and not hasattr(part, "__index__")):
        raise DTypeError(f"index {part!r} of axis {dim} of {name} is not an integer")
    if isinstance(part, Expr):
        if not part.dtype.element.is_int:
            raise DTypeError(f"index {part} of axis {dim} of {name} has dtype {part.dtype}", fix='cast it: T.cast(x, "int32")')
        value = part.constant() if part.dtype.lanes == 1 else None
        if value is None:
            return part
        part = value
    part = int(part.__index__())
    if part < 0:
        if isinstance(extent, int) and part + extent < 0:
            raise SemanticError(f"index {part} is outside axis {dim} of {name}, which has extent {extent}")
        return simplify(extent + part)
    if isinstance(extent, int) and not past_end and (part > extent if is_bound else part >= extent):
        raise SemanticError(f"index {part} is outside axis {dim} of {name}, which has extent {extent}")
    return part


class Lanes(Expr):
    """Elements of a buffer that a T.Ramp or a slice names, as one vector value; assigned to, they are stored lane by lane."""

    __slots__ = ("elements",)
    elements: list[Any]

    def store(self, value: Any) -> None:
        from .emit import snapshot
        from .vector import extract_lane

        kind = dtype(f"{self.elements[0].dtype}x{len(self.elements)}")
        vector = convert(value, kind)
        lanes = [extract_lane(vector, k) for k in range(len(self.elements))]
        if self.elements[0].buffer.root in vector.reads:  # all lanes are read before the first is written
            lanes = [snapshot(lane, "lane") for lane in lanes]
        for element, lane in zip(self.elements, lanes, strict=True):
            element.store(lane)


def _gathered(buffer: Buffer, outer: Sequence[Any], base: Any, stride: Any, count: int) -> Lanes:
    from .vector import pack

    elements = [access(buffer, (*outer, simplify(base + stride * k))) for k in range(count)]
    plain = pack(elements)
    found = Lanes(plain._node, plain.dtype, False, plain.cost, plain.recipe)
    found.reads, found.epoch, found.elements = plain.reads, plain.epoch, elements
    return found


def _stepped(buffer: Buffer, parts: list[Any]) -> Lanes | None:
    """`buffer[..., start:stop:step]` as a vector, where all of it is one."""
    *outer, last = parts
    if any(isinstance(p, slice) for p in outer):
        return None
    start, length, _ = one_index(slice(last.start, last.stop), buffer.shape[-1], buffer.name, buffer.ndim - 1, past_end=True)
    if not isinstance(length, int) or not isinstance(last.step, int) or last.step < 1:
        return None
    count = -(-length // last.step)
    return _gathered(buffer, outer, start, last.step, count) if count in VECTOR_LANES else None


def access(buffer: Buffer, index: Any) -> Any:
    """`buffer[index]`: an element if every axis has a single value, else a region.

    Axes that the index leaves out are whole, but soft: a copy may give them the other side's extents.
    """
    parts = expand_index(index, buffer.ndim, buffer.name)
    if parts and hasattr(parts[-1], "stride") and len(parts) == buffer.ndim:
        *outer, steps = parts
        return _gathered(buffer, outer, steps.base, steps.stride, steps.count)
    if parts and isinstance(parts[-1], slice) and parts[-1].step is not None and len(parts) == buffer.ndim:
        stepped = _stepped(buffer, parts)
        if stepped is not None:
            return stepped
    soft = all(not isinstance(p, slice) for p in parts)
    starts, extents, points = [], [], []
    for dim, extent in enumerate(buffer.shape):
        part = parts[dim] if dim < len(parts) else slice(None)
        start, length, point = one_index(part, extent, buffer.name, dim, past_end=buffer.scope() == "global")
        starts.append(start)
        extents.append(length)
        points.append(point)
    if all(points):
        return Element(buffer, tuple(starts))
    return Region(buffer, tuple(starts), tuple(extents), tuple(points), soft)
