"""Pointers of instructions that authors issue by hand, and the loops around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError
from ..frontend.builder import require
from .buffer import Buffer, BufferData, Element, Region
from .dtypes import dtype
from .emit import whole
from .expr import Expr
from .extern import Address
from .tvm_buffers import index_to_coordinates

LOCAL, SHARED, FRAGMENT = ("local",), ("shared.dyn", "shared"), "local.fragment"


def pointer(value: Any, offset: Any, what: str, scopes: tuple[str, ...] | None = None) -> Address:
    """The address `offset` elements (row-major) behind a buffer, its data, an element or an address.

    Raises
    ------
    DTypeError
        For anything that has no address.
    SemanticError
        If the memory is in none of `scopes`.
    """
    if isinstance(value, Address):
        element = value.element
    elif isinstance(value, (Buffer, BufferData)):
        buffer = value.buffer if isinstance(value, BufferData) else value
        element = Element(buffer, (0,) * buffer.ndim)
    elif isinstance(value, Element):
        element = value
    elif isinstance(value, Region):
        element = Element(value.buffer, tuple(value.starts))
    else:
        raise DTypeError(f"{what} is {value!r}", fix="a buffer, buffer.data, T.address_of or T.access_ptr")
    if scopes is not None and element.buffer.scope() not in scopes:
        raise SemanticError(f"{what} is {element.buffer.name}, in {element.buffer.scope()} memory", fix=f"memory of {scopes[0]}")
    if isinstance(offset, int) and offset == 0:
        return Address(element)
    return Address(Element(element.buffer, _moved(element, offset)))


def _moved(element: Element, offset: Any) -> tuple[Any, ...]:
    indices, shape = list(element.indices), element.buffer.shape
    if len(indices) == 1:
        return (indices[0] + offset,)
    linear: Any = 0
    for index, extent in zip(indices, shape, strict=True):
        linear = linear * extent + index
    return tuple(index_to_coordinates(linear + offset, shape))


def matrix_at(operand: Any, row: Any, column: Any, what: str) -> Element:
    """The element (row, column) of the last two dimensions of a buffer or region."""
    region = whole(operand, what)
    if len(region.starts) < 2:
        raise SemanticError(f"{what} is {region}, which has one dimension", fix="a tile of two dimensions")
    starts = list(region.starts)
    return Element(region.buffer, (*starts[:-2], starts[-2] + row, starts[-1] + column))


def unrolled(extents: tuple[int, ...], body: Callable[..., None], what: str) -> None:
    """Nested unrolled loops whose body is emitted by `body(i, j, ...)`; an extent of 1 passes the number 0."""
    builder = require(what)
    builder.need_kernel(what)
    variables = [ir.var(builder.unique("ijkl"[d]), "int32") if n > 1 else None for d, n in enumerate(extents)]
    outer = builder.blocks
    builder.blocks = [*outer, type(outer[-1])()]
    body(*(0 if v is None else Expr(v, dtype("int32")) for v in variables))
    nest = ir.seq(builder.blocks.pop())
    builder.blocks = outer
    for extent, variable in reversed(list(zip(extents, variables, strict=True))):
        if variable is not None:
            bounds = ir.const(0, "int32"), ir.const(extent, "int32")
            nest = ir.For(variable, *bounds, ir.ForKind.UNROLLED, nest, None, None, None, builder.span())
    builder.emit(nest)
