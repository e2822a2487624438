"""C++ from outside: calls by name, source text, addresses."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError
from ..frontend.builder import require
from .buffer import Buffer, BufferData, Element, Region
from .dtypes import dtype
from .emit import effect, statement, whole
from .expr import Expr, as_expr


def _argument(value: Any) -> Any:
    if isinstance(value, BufferData):
        value = value.buffer
    if isinstance(value, (Buffer, Region)) and not isinstance(value, Element):
        return address_of(value)
    if isinstance(value, str):
        return ir.StringImm(value)
    return as_expr(value) if not isinstance(value, Address) else value


class Address:
    """The address of an element, for calls that take pointers."""

    kind_name = "address"

    def __init__(self, element: Element) -> None:
        self.element = element

    @property
    def node(self) -> Any:
        return ir.address_of(self.element.node)

    def __str__(self) -> str:
        return f"address of {self.element}"


def address_of(obj: Any, span: Any = None) -> Address:
    """The address of an element, or of the first one of a buffer or region.

    Examples
    --------
    >>> T.call_extern("void", "touch", T.address_of(A[i]))
    """
    require("T.address_of")
    region = whole(obj, "T.address_of")
    return Address(Element(region.buffer, tuple(region.starts)))


def access_ptr(
    base: Any, access_type: str | int = "r", *extents: Any, offset: Any = 0, extent: Any = None, ignore_last_ndim: int = 0
) -> Address:
    """A pointer into `base` for a call that reads ("r"), writes ("w") or both ("rw").

    `offset` counts elements from there, row by row; `A.access_ptr("w", offset=4)` is the same.

    Examples
    --------
    >>> T.call_extern("void", "touch", T.access_ptr(A[i], "w", offset=4))
    """
    if access_type not in ("r", "w", "rw", "wr", 1, 2, 3):
        raise SemanticError(f"access_type={access_type!r}", fix="r, w or rw")
    address = address_of(base)
    if isinstance(offset, int) and offset == 0:
        return address
    buffer, indices = address.element.buffer, list(address.element.indices)
    if len(indices) == 1 or buffer.strides is not None:
        indices[-1] = indices[-1] + offset
        return Address(Element(buffer, tuple(indices)))
    from .tvm_buffers import index_to_coordinates

    flat: Any = 0
    for index, size in zip(indices, buffer.shape):
        flat = flat * size + index
    return Address(Element(buffer, tuple(index_to_coordinates(flat + offset, buffer.shape))))


def call_extern(*args: Any, dtype: Any = None, span: Any = None) -> Expr | None:
    """Call a device function by its name: `T.call_extern(dtype, func_name, *args)`, or with `dtype` as a keyword.

    Buffers pass as pointers. A result is bound at once; `dtype` "void" (or "handle") makes a statement.

    Examples
    --------
    >>> y = T.call_extern("float32", "my_square", x)
    >>> y = T.call_extern("my_square", x, dtype="float32")
    """
    if dtype is None:
        dtype, *args = args or (None,)  # type: ignore[assignment]
    func_name, *values = args or (None,)
    if not isinstance(func_name, str):
        raise DTypeError(
            f"T.call_extern: the function's name must be a string, got {func_name!r}", fix='T.call_extern("float32", "name", x)'
        )
    nodes = tuple(_argument(a) for a in values)
    name = ir.StringImm(func_name)
    if dtype in ("void", "handle", None, ""):
        statement("tl.call_extern", (name, *nodes))
        return None
    return effect("tl.call_extern", (name, *nodes), _as_dtype(dtype), "result")


def _as_dtype(value: Any) -> dtype:
    return dtype(value)


def import_source(source: str | None = None) -> None:
    """Put C++ text before the kernel.

    Examples
    --------
    >>> T.import_source("// C++ before the kernel")
    """
    if source is None:
        return
    if not isinstance(source, str):
        raise DTypeError(f"T.import_source takes text, got {type(source).__name__}")
    builder = require("T.import_source")
    builder.attributes["tl.prelude"] = builder.attributes.get("tl.prelude", "") + source + "\n"
