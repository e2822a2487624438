"""Another shape or element type for the elements of a buffer: T.view, T.reshape, T.Tensor(shape, dtype, buffer.data)."""

from __future__ import annotations

from functools import reduce
from operator import mul
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, ShapeError
from ..frontend.builder import require
from .buffer import Buffer, BufferData
from .dtypes import dtype as _dtype
from .expr import Expr
from .shape import Extent, as_shape, same, shape_text


def reshape(src: Any, shape: Any) -> Buffer:
    """The elements of `src`, in row-major order, under another shape; nothing moves.

    Parameters
    ----------
    src : buffer
        In global or shared memory, in registers, or a private array.
    shape : sequence of int or Expr
        As many elements as `src` has.

    Raises
    ------
    ShapeError
        If the numbers of elements are not provably equal.

    Examples
    --------
    >>> rows = T.reshape(scores, (64, 4, 16))   # scores: 64 x 64
    """
    return view(src, shape)


def view(src: Any, shape: Any = None, dtype: Any = None, strides: Any = None) -> Buffer:
    """The bits of `src` under another shape, element type or (in global memory) strides; nothing moves.

    Parameters
    ----------
    src : buffer
    shape : sequence of int or Expr, optional
        That of `src` unless given.
    dtype : dtype, optional
        That of `src` unless given.
    strides : sequence of int or Expr, optional
        In elements; only for tensors in global memory.

    Raises
    ------
    ShapeError
        If the numbers of bits are not provably equal.

    Examples
    --------
    >>> codes = T.view(S, (64, 64), dtype="int32")
    """
    if not isinstance(src, Buffer):
        raise DTypeError(f"T.view of {src!r}", fix="pass a whole buffer; slice the view instead")
    of = src.dtype if dtype is None else _dtype(dtype)
    dims = src.shape if shape is None else as_shape(shape, "T.view")
    steps = None if strides is None else as_shape(strides, "the strides of T.view")
    if steps is None and not same(_bits(src.shape, src.dtype), _bits(dims, of)):
        raise ShapeError(
            f"a view of {src.name} as {shape_text(dims)} of {of} has another size: "
            f"{_bits(dims, of)} bits, not {_bits(src.shape, src.dtype)}",
            fix=f"{src.name} is {shape_text(src.shape)} of {src.dtype}; choose a shape with the same number of bits",
        )
    return declare(src, dims, of, steps)


def declare(src: Buffer, shape: tuple[Extent, ...], of: _dtype, strides: tuple[Extent, ...] | None = None) -> Buffer:
    """A buffer that starts where `src` does."""
    builder = require("T.view")
    if not shape:
        raise ShapeError(f"a view of {src.name} with an empty shape", fix="give at least one extent")
    if strides is not None and (src.scope() != "global" or len(strides) != len(shape)):
        raise ShapeError(
            f"strides {shape_text(strides)} for a view of {src.name} as {shape_text(shape)}",
            fix="only tensors in global memory have strides, one for each dimension",
        )
    if src.strides is not None:
        raise ShapeError(f"a view of {src.name}, which has strides", fix="declare it as T.Tensor, or index it as it is")
    made = Buffer(builder.next_name(f"{src.name}_view"), shape, of, src.scope(), strides, base=src)
    whole = [ir.full_region(b) for b in (made.node, made.root.node)]
    builder.emit(ir.evaluate(ir.call("tl.view", whole, span=builder.span()), builder.span()))
    return made


def from_data(data: Any, shape: tuple[Extent, ...], of: _dtype, strides: tuple[Extent, ...] | None, what: str) -> Buffer:
    """`T.Tensor(shape, dtype, buffer.data)`: a buffer over the memory of another."""
    if not isinstance(data, BufferData):
        raise DTypeError(f"{what} over {data!r}", fix="pass the .data of a buffer")
    return declare(data.buffer, shape, of, strides)


def _bits(shape: tuple[Extent, ...], of: _dtype) -> Extent:
    total: Any = reduce(mul, shape, of.bits if of.bits != 6 else 8)
    return total if isinstance(total, Expr) else int(total)
