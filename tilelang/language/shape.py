"""Extents: Python ints where constant, expressions otherwise."""

from __future__ import annotations

from typing import Any, Union

from .._lazy import ir
from ..errors import DTypeError, ShapeError
from ..frontend.builder import current
from .expr import Expr

Extent = Union[int, Expr]


def node_of(extent: Extent, of: str = "int32") -> Any:
    """The TIR expression of an extent or index; an int that does not fit 32 bits becomes int64."""
    if isinstance(extent, Expr):
        return extent.node
    return ir.const(extent, of if -(2**31) <= extent < 2**31 else "int64")


def simplify(extent: Any) -> Extent:
    """An int where the analyzer finds one, else the simplified expression."""
    if not isinstance(extent, Expr):
        return int(extent)
    builder = current()
    if builder is None or not builder.recording:  # outside a trace an expression is only a recipe
        return extent
    node = ir.simplify(extent.node)
    value = ir.const_int(node)
    return value if value is not None else Expr(node, extent.dtype, extent.pure, extent.cost)


def same(a: Extent, b: Extent) -> bool:
    """True if the two extents are provably equal."""
    if isinstance(a, int) and isinstance(b, int):
        return a == b
    return ir.can_prove(ir.EQ(*_same_type(node_of(a), node_of(b))))


def _same_type(a: Any, b: Any) -> tuple[Any, Any]:
    ta, tb = ir.dtype_of(a), ir.dtype_of(b)
    if ta == tb:
        return a, b
    return (ir.Cast("int64", a) if ta != "int64" else a), (ir.Cast("int64", b) if tb != "int64" else b)


def as_extent(value: Any, what: str) -> Extent:
    """A positive extent of a shape: int, or integer expression."""
    if isinstance(value, Expr):
        if not value.dtype.is_int:
            raise DTypeError(f"{what} is {value} of dtype {value.dtype}; extents are integers")
        found = value.constant()
        if found is None:
            return value
        value = found
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        hint = "write // instead of / for the integer quotient" if isinstance(value, float) else ""
        raise DTypeError(f"{what} is {value!r}; extents are integers", fix=hint)
    value = int(value.__index__())
    if value < 0:
        raise ShapeError(f"{what} is {value}; extents are not negative")
    return value


def as_shape(shape: Any, what: str) -> tuple[Extent, ...]:
    """A shape from an int, an expression, or a sequence of them."""
    if isinstance(shape, (list, tuple)):
        return tuple(as_extent(s, f"extent {k} of {what}") for k, s in enumerate(shape))
    return (as_extent(shape, f"the extent of {what}"),)


def extent_text(extent: Extent) -> str:
    return str(extent)


def shape_text(shape: Any) -> str:
    """`128 x 64`."""
    return " x ".join(extent_text(s) for s in shape) if shape else "scalar"


def product(shape: tuple[Extent, ...]) -> Extent:
    total: Any = 1
    for extent in shape:
        total = total * extent
    return total


def static(shape: tuple[Extent, ...], what: str) -> tuple[int, ...]:
    """The shape of an on-chip tile, which must be constant and not empty."""
    for k, extent in enumerate(shape):
        if not isinstance(extent, int):
            raise ShapeError(
                f"extent {k} of {what} is {extent}, known only at run time",
                fix="tiles on chip have constant shapes: use a Python int",
            )
        if extent < 1:
            raise ShapeError(f"extent {k} of {what} is {extent}", fix="extents of a tile are at least 1")
    return shape  # type: ignore[return-value]
