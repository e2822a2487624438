"""Pointers: parameters that are addresses, and tensors made over them."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError, ShapeError
from ..frontend.builder import require
from .buffer import Buffer, BufferData, Element, Region
from .dtypes import dtype
from .dtypes import dtype as _dtype
from .expr import Expr, apply, as_expr
from .extern import Address
from .shape import Extent, as_shape, same, simplify


class PointerType:
    """The annotation of a pointer parameter: `a: T.ptr`, `a: T.ptr(T.float16)`, `a: T.handle`."""

    dtype_name = "int64"  # a tensor of pointers holds addresses

    def __init__(self, of: dtype | None = None, what: str = "T.ptr") -> None:
        self.dtype, self.what = of, what

    def __call__(self, dtype: Any = None, storage_scope: str = "global", *, is_size_var: bool = False) -> PointerType:
        if storage_scope not in ("", "global"):
            raise DTypeError(f"{self.what} to {storage_scope} memory as a parameter", fix="parameters point to global memory")
        return PointerType(None if dtype is None else _dtype(dtype), self.what)

    def __repr__(self) -> str:
        return self.what if self.dtype is None else f"{self.what}({self.dtype})"


ptr = PointerType()
handle = PointerType(what="T.handle")
Ptr = PointerType(what="T.Ptr")
buffer_var = PointerType(what="T.buffer_var")


class Pointer:
    """A pointer parameter of the kernel; T.make_tensor or T.match_buffer says what lies behind it."""

    kind_name = "pointer"

    def __init__(self, name: str, kind: PointerType) -> None:
        self.name, self.kind = name, kind
        self.tensor: Buffer | None = None
        self.raw = False  # T.make_tensor made it: the caller may pass an address

    def __str__(self) -> str:
        return self.name

    @property
    def buffer(self) -> Buffer:
        """The parameter as a buffer; of one element if nothing was made over it."""
        if self.tensor is None:
            self.tensor = Buffer(self.name, (1,), self.kind.dtype or dtype("uint8"))
        return self.tensor

    @property
    def node(self) -> Any:
        """The same as a variable of the IR."""
        return self.buffer.node


def _strides(strides: Any, shape: tuple[Extent, ...], what: str) -> tuple[Extent, ...] | None:
    if strides is None or (isinstance(strides, (list, tuple)) and not strides):
        return None
    steps = as_shape(strides, f"the strides of {what}")
    if len(steps) != len(shape):
        raise ShapeError(f"{what} has {len(shape)} dimensions and {len(steps)} strides", fix="give one stride for each dimension")
    return steps


def tensor_over(pointer: Any, shape: Any, of: Any, strides: Any, what: str, offset: Any = None) -> Buffer:
    """A buffer over a pointer parameter (which it then describes), another buffer's storage, or an address."""
    dims = as_shape(shape, what)
    if not dims:
        raise ShapeError(f"{what} with an empty shape", fix="give at least one dimension")
    kind, steps = _dtype(of), _strides(strides, dims, what)
    builder = require(what)
    if isinstance(pointer, Pointer) and pointer.tensor is None and offset is None:
        if builder.kernel() is not None and any(isinstance(e, Expr) and not _is_parameter(e) for e in (*dims, *(steps or ()))):
            return _declare(pointer.node, dims, kind, steps, what, None)
        pointer.tensor = Buffer(
            builder.unique(pointer.name) if pointer.name not in builder.taken else pointer.name, dims, kind, "global", steps
        )
        return pointer.tensor
    return _declare(pointer, dims, kind, steps, what, offset)


def _is_parameter(extent: Expr) -> bool:
    return extent.recipe is not None and extent.recipe[0] == "symbol"


def _declare(source: Any, dims: tuple, kind: dtype, steps: tuple | None, what: str, offset: Any) -> Buffer:
    """A buffer at an address known on the device: `tl.make_tensor`."""
    builder = require(what)
    buffer = Buffer(builder.next_name("tensor"), dims, kind, "global", steps)
    first = ir.address_of(ir.load(buffer.node, [0] * len(dims)))
    call = ir.call("tl.make_tensor", [first, _address(source, what, offset)], span=builder.span())
    builder.emit(ir.evaluate(call, builder.span()))
    return buffer


def _address(source: Any, what: str, offset: Any) -> Any:
    if isinstance(source, Pointer):
        source = source.tensor
    if isinstance(source, (Buffer, BufferData, Region)):
        source = source.buffer if isinstance(source, (BufferData, Region)) else source
        source = Address(Element(source, (0,) * source.ndim))
    if isinstance(source, Address):
        if source.element.buffer.scope() != "global":
            raise FrontendError(
                f"{what} over {source.element.buffer.name}, which is in {source.element.buffer.scope()}",
                fix="T.view gives a tile another shape or dtype",
            )
        return source.node
    if offset is not None:
        raise FrontendError(f"{what} with an element offset over the address {source}", fix="add the bytes to the address")
    if isinstance(source, Expr) or isinstance(source, int):
        address = as_expr(source, f"the pointer of {what}")
        if not address.dtype.is_int or address.dtype.bits != 64:
            raise DTypeError(f"{what} over {address} of dtype {address.dtype}", fix="an address is an int64 or uint64")
        return address.node
    if not hasattr(source, "dtype_name") and hasattr(source, "ty"):
        return ir.address_of(ir.load(source, [0] * len(source.ty.shape)))
    raise DTypeError(f"{what} over {source!r}", fix="pass a T.ptr parameter, an address (int64), or the data of a buffer")


def make_tensor(ptr: Any, shape: Any, dtype: Any = "float32", strides: Any = None) -> Buffer:
    """A tensor over a pointer.

    Parameters
    ----------
    ptr : pointer parameter, address or Expr
        A parameter annotated `T.ptr` (the caller passes a tensor, or an address as an int), T.address_of(...), or an int64
        with an address, such as an element of a table of pointers.
    shape : sequence of int or Expr
    dtype : dtype
    strides : sequence, optional
        In elements; row-major without.

    Examples
    --------
    >>> A = T.make_tensor(a_ptr, (M, K), "float16")
    """
    if isinstance(ptr, Pointer):
        ptr.raw = True
    return tensor_over(ptr, shape, dtype, strides, "T.make_tensor")


def make_tensor_from_addr(
    addr: Any, shape: Any, dtype: Any = "float32", strides: Any = None, storage_scope: str = "global"
) -> Buffer:
    """A tensor at an address that the device computes (int64 or uint64).

    Examples
    --------
    >>> X = T.make_tensor_from_addr(table[g], (M, K), "float16")
    """
    if storage_scope != "global":
        raise DTypeError(f"T.make_tensor_from_addr in {storage_scope} memory", fix="addresses are those of global memory")
    return tensor_over(addr, shape, dtype, strides, "T.make_tensor_from_addr")


def isnullptr(var: Any, span: Any = None) -> Expr:
    """Whether a pointer is null: a T.ptr parameter for which the caller passed None, or the address 0.

    Parameters
    ----------
    var : pointer parameter, buffer, its data, or an address

    Examples
    --------
    >>> if T.isnullptr(A.data):
    ...     B[i, j] = 0
    """
    require("T.isnullptr").need_kernel("T.isnullptr")
    if isinstance(var, Pointer):
        node = ir.address_of(ir.load(var.node, [0] * len(var.node.ty.shape)))
    elif isinstance(var, Address):
        node = var.node
    elif isinstance(var, (Buffer, BufferData, Region)):
        buffer = var if isinstance(var, Buffer) else var.buffer
        node = Address(Element(buffer, (0,) * buffer.ndim)).node
    else:
        raise DTypeError(f"T.isnullptr of {var!r}", fix="a T.ptr parameter, a buffer, or T.address_of(...)")
    return apply("call", ("tl.is_null", "bool", node), dtype("bool"))


def handle_add_byte_offset(handle: Any, offset: Any) -> Address:
    """The address `offset` bytes behind a pointer; a multiple of what its elements take.

    Examples
    --------
    >>> T.call_extern("void", "touch", T.handle_add_byte_offset(A.data, 64))
    """
    from .pointers import pointer

    if isinstance(handle, Pointer):
        handle = handle.buffer
    start = pointer(handle, 0, "the pointer of T.handle_add_byte_offset")
    size = start.element.buffer.dtype.bytes
    count = as_expr(offset, "the offset of T.handle_add_byte_offset")
    if not same(as_shape(count % size, "the offset")[0], 0):
        raise DTypeError(
            f"{offset} bytes behind {start.element.buffer.name}, whose elements take {size}", fix="a multiple of that"
        )
    return pointer(start, simplify(count // size), "the pointer of T.handle_add_byte_offset")
