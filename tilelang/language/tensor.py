"""Tensors of a signature: T.Tensor, T.StridedTensor, symbolic dimensions, T.const and T.empty."""

from __future__ import annotations

import re
from typing import Any

from ..errors import DTypeError, FrontendError, SemanticError, ShapeError
from ..frontend.builder import require
from .buffer import Buffer
from .dtypes import dtype
from .dtypes import dtype as _dtype  # where a parameter is called dtype
from .expr import Expr, symbol
from .shape import Extent, as_shape, shape_text


class TensorType:
    """The annotation of a tensor parameter: shape, dtype, and strides in elements (None: compact row-major)."""

    def __init__(self, shape: tuple[Extent, ...], of: dtype, strides: tuple[Extent, ...] | None = None) -> None:
        self.shape, self.dtype, self.strides = shape, of, strides

    def __repr__(self) -> str:
        strided = "" if self.strides is None else f", strides={shape_text(self.strides)}"
        return f"T.Tensor(({shape_text(self.shape)}), {self.dtype}{strided})"


def _tensor(shape: Any, of: Any, strides: Any, what: str) -> TensorType:
    dims = as_shape(shape, what)
    if not dims:
        raise ShapeError(f"{what} with an empty shape", fix="a scalar parameter is annotated with its dtype, such as T.float32")
    steps = None if strides is None else as_shape(strides, f"the strides of {what}")
    if steps is not None and len(steps) != len(dims):
        raise ShapeError(f"{what} has {len(dims)} dimensions and {len(steps)} strides")
    return TensorType(dims, dtype(of), steps)


def _annotation_or_view(shape: Any, of: Any, strides: Any, data: Any, scope: Any, what: str) -> Any:
    kind = _tensor(shape, of, strides, what)
    if data is not None:
        from .view import from_data

        return from_data(data, kind.shape, kind.dtype, kind.strides, what)
    if scope not in (None, "global"):
        raise FrontendError(f"{what} describes a parameter in global memory: scope={scope!r} has no meaning here")
    return kind


class _TensorName:
    """`T.Tensor(shape, dtype)` and `T.Tensor[shape, dtype]`."""

    def __call__(self, shape: Any, dtype: Any = "float32", data: Any = None, scope: Any = None) -> Any:
        """The annotation of a parameter; with `data=buffer.data`, a view of that buffer."""
        return _annotation_or_view(shape, dtype, None, data, scope, "T.Tensor")

    def __getitem__(self, item: Any) -> TensorType:
        if not isinstance(item, tuple) or len(item) < 2:
            raise FrontendError("T.Tensor[...] takes a shape and a dtype", fix='T.Tensor[(M, N), "float16"]')
        *shape, of = item
        return _tensor(shape[0] if len(shape) == 1 else tuple(shape), of, None, "T.Tensor")

    def __repr__(self) -> str:
        return "T.Tensor"


class _StridedTensorName:
    """`T.StridedTensor(shape, strides, dtype)` and the subscript form."""

    def __call__(self, shape: Any, strides: Any, dtype: Any = "float32", scope: Any = None, *, data: Any = None) -> Any:
        """The annotation of a parameter; with `data=buffer.data`, a view of that buffer."""
        return _annotation_or_view(shape, dtype, strides, data, scope, "T.StridedTensor")

    def __getitem__(self, item: Any) -> TensorType:
        if not isinstance(item, tuple) or len(item) != 3:
            raise FrontendError("T.StridedTensor[...] takes a shape, strides and a dtype")
        return _tensor(item[0], item[2], item[1], "T.StridedTensor")

    def __repr__(self) -> str:
        return "T.StridedTensor"


Tensor = _TensorName()
StridedTensor = _StridedTensorName()


def _names(name: str, what: str) -> list[str]:
    if not isinstance(name, str):
        raise DTypeError(f"{what}({name!r})", fix=f'{what}("m"): a name, or several in one string')
    names = [n for n in re.split(r"[,\s]+", name) if n]
    for n in names:
        if not n.isidentifier():
            raise FrontendError(f"{what}({name!r}): {n!r} is not a name")
    if not names:
        raise FrontendError(f"{what} without a name", fix=f'{what}("m")')
    return names


def dynamic(name: str, dtype: Any = "int32") -> Any:
    """Symbolic dimensions: one for each name (separated by commas or spaces), known when the kernel is called.

    The same name and dtype is the same dimension wherever it is written.

    Examples
    --------
    >>> m, n = T.dynamic("m, n")
    """
    symbols = [symbol(n, dtype) for n in _names(name, "T.dynamic")]
    return symbols[0] if len(symbols) == 1 else tuple(symbols)


def symbolic(name: str, dtype: Any = "int32") -> Any:
    """The older name of `dynamic`.

    Examples
    --------
    >>> n = T.symbolic("n")
    """
    return dynamic(name, dtype)


def const(name: str, dtype: Any = "int32") -> Any:
    """Shape constants of an eager function: taken from the tensors of each call, Python ints in the kernel.

    Examples
    --------
    >>> M = T.const("M")
    """
    builder = require("T.const")
    names = _names(name, "T.const")
    if builder.recording and not builder.attributes.get("eager"):
        raise FrontendError("T.const in a @T.prim_func", fix="use a Python int of an enclosing function, or T.dynamic")
    values: list[Any] = []
    for n in names:
        if builder.recording:
            if n not in builder.constants:
                raise MissingConstantError(
                    f"Cannot find value for constexpr variable {n!r}", fix=f"use {n} as a dimension or stride of a tensor"
                )
            values.append(builder.constants[n])
        else:
            value = _const_symbol(n, dtype)
            builder.attributes.setdefault("const", {})[n] = value
            values.append(value)
    return values[0] if len(values) == 1 else tuple(values)


class MissingConstantError(SemanticError):
    """A T.const that no tensor dimension or keyword determines."""

    code = "TL0206"


def _const_symbol(name: str, of: Any) -> Expr:
    value = symbol(name, of)
    value.recipe = ("symbol", name, str(_dtype(of)), "const")
    return value


def empty(*shape: Any, dtype: Any = "float32") -> Buffer:
    """An output tensor, which the launcher allocates and the function returns.

    Accepts (shape, dtype), (shape), or dimensions one by one.

    Examples
    --------
    >>> C = T.empty((M, N), "float32")
    """
    builder = require("T.empty")
    written, of = shape[0] if len(shape) == 1 else shape, dtype
    if len(shape) == 2 and (isinstance(shape[0], (list, tuple)) or _is_dtype(shape[1])):
        written, of = shape
    dims = as_shape(written, "T.empty")
    if not dims:
        raise ShapeError("T.empty with an empty shape", fix="give at least one dimension")
    if builder.kernel() is not None:
        raise FrontendError("T.empty inside T.Kernel", fix="allocate outputs before the launch; T.alloc_global makes a workspace")
    buffer = Buffer(builder.next_name("out"), dims, _dtype(of))
    builder.outputs.append(buffer)
    return buffer


def _is_dtype(value: Any) -> bool:
    return not isinstance(value, (int, Expr))
