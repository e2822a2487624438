"""T.any_of, T.all_of: one truth value from the elements of a region."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError
from ..frontend.builder import require
from .buffer import Buffer, Element, Region
from .dtypes import dtype
from .emit import alloc, bind, tile
from .expr import Expr, as_condition, logical
from .shape import node_of


def any_of(buffer: Any) -> Expr:
    """True if any element of a buffer or region is not zero; every thread looks at all elements.

    Parameters
    ----------
    buffer : buffer or region of any scope and number type

    Examples
    --------
    >>> if T.any_of(mask[by, 0:8]):
    ...     T.copy(A, B)
    """
    return _fold(buffer, "T.any_of", "or")


def all_of(buffer: Any) -> Expr:
    """True if no element of a buffer or region is zero; every thread looks at all elements.

    Examples
    --------
    >>> if T.all_of(mask):
    ...     T.clear(C)
    """
    return _fold(buffer, "T.all_of", "and")


def _fold(operand: Any, what: str, op: str) -> Expr:
    if not isinstance(operand, (Buffer, Region)):
        raise DTypeError(
            f"{what} takes a buffer or a region of one, got {type(operand).__name__} {operand}",
            fix="compare one element directly: x[i] != 0",
        )
    region = tile(operand, f"the operand of {what}")
    builder = require(what)
    builder.need_kernel(what)
    found = alloc(what[2:5], (1,), dtype("bool"), "local.var", what)
    found.write((0,), op == "and")
    variables = [ir.var(builder.unique(f"i{d}"), "int32") for d in range(len(region.starts))]
    indices = tuple(low + Expr(v, dtype("int32")) for low, v in zip(region.starts, variables, strict=True))
    outer = builder.blocks
    builder.blocks = [*outer, type(outer[-1])()]
    found.write((0,), logical(op, Element(found, (0,)), as_condition(Element(region.buffer, indices))))
    body = ir.seq(builder.blocks.pop())
    builder.blocks = outer
    for var, extent in reversed(list(zip(variables, region.extents, strict=True))):
        body = ir.For(var, ir.const(0, "int32"), node_of(extent), ir.ForKind.SERIAL, body, span=builder.span())
    builder.emit(body)
    return bind(Element(found, (0,)), what[2:])
