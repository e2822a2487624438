"""Buffers under TVM's names: T.Buffer, T.match_buffer, T.decl_buffer, T.alloc_buffer, T.tvm_access_ptr."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import FrontendError, SemanticError, ShapeError
from ..frontend.builder import require
from .allocate import alloc_fragment, alloc_global, alloc_local, alloc_shared, alloc_var
from .buffer import Buffer, BufferData, Element, Region
from .dtypes import dtype
from .expr import Expr, binary
from .extern import Address
from .pointer import Pointer, tensor_over
from .shape import Extent, as_shape, same, shape_text
from .tensor import TensorType, _tensor
from .view import from_data

_ALLOCATORS = {
    "shared": alloc_shared,
    "shared.dyn": alloc_shared,
    "local.fragment": alloc_fragment,
    "local": alloc_local,
    "global": alloc_global,
    "": alloc_global,
}


class ScopedTensorType(TensorType):
    """The annotation of a macro's parameter that lives on chip."""

    def __init__(self, shape: tuple[Extent, ...], of: dtype, scope: str) -> None:
        super().__init__(shape, of)
        self.scope = scope


class _BufferName:
    """`T.Buffer(shape, dtype)` describes a parameter; with `data` it declares a buffer over a pointer."""

    def __call__(
        self,
        shape: Any,
        dtype: Any = "float32",
        data: Any = None,
        strides: Any = None,
        elem_offset: Any = None,
        scope: str = "global",
        align: int = 0,
        offset_factor: int = 0,
        buffer_type: str = "",
        axis_separators: Any = None,
    ) -> Any:
        if data is not None:
            return decl_buffer(shape, dtype, data, strides, elem_offset, scope)
        if scope not in ("global", "", None):
            return _scoped(shape, dtype, scope, "T.Buffer")
        return _tensor(shape, dtype, strides or None, "T.Buffer")

    def __getitem__(self, item: Any) -> TensorType:
        *shape, of = item if isinstance(item, tuple) else (item, "float32")
        return _tensor(shape[0] if len(shape) == 1 else tuple(shape), of, None, "T.Buffer")

    def __repr__(self) -> str:
        return "T.Buffer"


def _scoped(shape: Any, of: Any, scope: str, what: str) -> ScopedTensorType:
    return ScopedTensorType(as_shape(shape, what), dtype(of), scope)


class _ScopedName:
    """`T.SharedBuffer(shape, dtype)` and the like: annotations of macro parameters."""

    def __init__(self, name: str, scope: str) -> None:
        self.name, self.scope = name, scope

    def __call__(
        self, shape: Any, dtype: Any = "float32", data: Any = None, strides: Any = None, **options: Any
    ) -> ScopedTensorType:
        return _scoped(shape, dtype, options.get("scope") or self.scope, f"T.{self.name}")

    def __getitem__(self, item: Any) -> ScopedTensorType:
        *shape, of = item if isinstance(item, tuple) else (item, "float32")
        return _scoped(shape[0] if len(shape) == 1 else tuple(shape), of, self.scope, f"T.{self.name}")

    def __repr__(self) -> str:
        return f"T.{self.name}"


# `Buffer` is T.Buffer; the class of the language's own buffers is language.buffer.Buffer.
BufferName = _BufferName()
SharedBuffer = _ScopedName("SharedBuffer", "shared.dyn")
FragmentBuffer = _ScopedName("FragmentBuffer", "local.fragment")
LocalBuffer = _ScopedName("LocalBuffer", "local")


def alloc_buffer(
    shape: Any, dtype: Any = "float32", scope: str = "global", annotations: Any = None, *unused: Any, **options: Any
) -> Any:
    """A buffer in any scope, as TVM's alloc_buffer.

    Parameters
    ----------
    scope : str
        global (a workspace, outside T.Kernel), shared, shared.dyn, local.fragment, local or local.var; wmma.matrix_a,
        wmma.matrix_b or wmma.accumulator for matrices of a warp (T.tvm_mma_sync).

    Examples
    --------
    >>> S = T.alloc_buffer((64, 64), "float16", scope="shared")
    """
    if scope == "local.var":
        return alloc_var(dtype)
    from .warp_matrix import SCOPES, alloc_matrices

    if scope in SCOPES:
        return alloc_matrices(shape, dtype, scope)
    if scope not in _ALLOCATORS:
        known = ", ".join([*(s for s in _ALLOCATORS if s), *SCOPES])
        raise SemanticError(f"T.alloc_buffer with scope {scope!r}", fix=f"one of {known}")
    return _ALLOCATORS[scope](shape, dtype)


def decl_buffer(
    shape: Any,
    dtype: Any = "float32",
    data: Any = None,
    strides: Any = None,
    elem_offset: Any = None,
    scope: str = "global",
    align: int = 0,
    offset_factor: int = 0,
    buffer_type: str = "",
    axis_separators: Any = None,
) -> Any:
    """Declare a buffer: over `data` (a pointer parameter, an address, or another buffer's `.data`), else a new allocation.

    Examples
    --------
    >>> B = T.decl_buffer((128, 4), "float32", data=A.data)
    """
    if data is None:
        return alloc_buffer(shape, dtype, scope)
    if isinstance(data, BufferData):
        if elem_offset is None or (isinstance(elem_offset, int) and elem_offset == 0):
            dims = as_shape(shape, "T.decl_buffer")
            steps = as_shape(strides, "the strides of T.decl_buffer") if strides else None
            return from_data(data, dims, _as_dtype(dtype), steps, "T.decl_buffer")
        if data.buffer.scope() != "global":
            raise FrontendError(
                f"T.decl_buffer at element {elem_offset} of {data.buffer.name}, which is in {data.buffer.scope()}",
                fix="declare it over the whole tile and add the offset to the indices",
            )
    return tensor_over(data, shape, dtype, strides, "T.decl_buffer", elem_offset)


def match_buffer(
    param: Any,
    shape: Any = None,
    dtype: Any = "float32",
    data: Any = None,
    strides: Any = None,
    elem_offset: Any = None,
    scope: str = "global",
    align: int = -1,
    offset_factor: int = 0,
    buffer_type: str = "default",
    axis_separators: Any = None,
) -> Any:
    """Say what a parameter annotated `T.handle` points to; or name a region of a buffer.

    Parameters
    ----------
    param : pointer parameter, buffer or region
    shape, dtype, strides
        Of the tensor that the caller passes.

    Examples
    --------
    >>> A = T.match_buffer(a, (M, K), "float16")
    """
    if isinstance(param, Pointer):
        return tensor_over(param, shape, dtype, strides, "T.match_buffer", elem_offset)
    if isinstance(param, (Buffer, Region)):
        wanted = param.shape if shape is None else as_shape(shape, "T.match_buffer")
        if len(wanted) != len(param.shape) or not all(same(a, b) for a, b in zip(wanted, param.shape)):
            raise ShapeError(
                f"T.match_buffer of {param}, which is {shape_text(param.shape)}, with shape {shape_text(wanted)}",
                fix="give the shape of the region",
            )
        return param
    raise FrontendError(f"T.match_buffer of {param!r}", fix="annotate the parameter with T.handle, or pass a region of a buffer")


def index_to_coordinates(index: Any, shape: Sequence[Any]) -> list[Any]:
    """The indices of the `index`-th element of a row-major shape.

    Examples
    --------
    >>> i, j = T.index_to_coordinates(n, (64, 32))
    """
    out: list[Any] = []
    rest = index
    for position, extent in reversed(list(enumerate(shape))):
        out.insert(0, binary("floormod", rest, extent) if position else rest)
        if position:
            rest = binary("floordiv", rest, extent)
    return [x.constant() if isinstance(x, Expr) and x.constant() is not None else x for x in out]


class TypeAnnotation:
    """`T.type_annotation(dtype)`: the element type of a T.tvm_access_ptr."""

    def __init__(self, of: dtype) -> None:
        self.dtype = of


def type_annotation(dtype: Any) -> TypeAnnotation:
    """The first argument of T.tvm_access_ptr.

    Examples
    --------
    >>> T.type_annotation("float16")
    """
    return TypeAnnotation(_as_dtype(dtype))


def _as_dtype(value: Any) -> dtype:
    return dtype(value)


def tvm_access_ptr(ptype: Any, data: Any, offset: Any, extent: Any, rw_mask: int) -> Address:
    """The address of element `offset` (counted row-major) of `buffer.data`.

    Parameters
    ----------
    ptype : T.type_annotation(dtype)
    data : buffer.data
    offset, extent : int or Expr
        In elements.
    rw_mask : int
        1 read, 2 write, 3 both.

    Examples
    --------
    >>> T.tvm_access_ptr(T.type_annotation("float16"), S.data, 8, 8, 1)
    """
    if not isinstance(data, (BufferData, Buffer)):
        raise FrontendError(f"T.tvm_access_ptr into {data!r}", fix="pass buffer.data")
    if rw_mask not in (1, 2, 3):
        raise SemanticError(f"rw_mask={rw_mask!r} of T.tvm_access_ptr", fix="1 (read), 2 (write) or 3 (both)")
    require("T.tvm_access_ptr")
    buffer = data.buffer if isinstance(data, BufferData) else data
    if isinstance(ptype, TypeAnnotation) and ptype.dtype != buffer.dtype:
        raise SemanticError(
            f"T.tvm_access_ptr of {ptype.dtype} into {buffer.name}, which is {buffer.dtype}", fix="use the buffer's own dtype"
        )
    return Address(Element(buffer, tuple(index_to_coordinates(offset, buffer.shape))))
