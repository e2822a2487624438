"""T.call_packed: functions of the host that are registered by name, called between launches."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, UnsupportedError
from ..frontend.builder import require
from .buffer import Buffer, BufferData, Element, Region
from .dtypes import dtype
from .emit import region_node, whole
from .expr import Expr, as_expr
from .extern import Address
from .pointer import Pointer


def call_packed(*args: Any, span: Any = None) -> Expr:
    """Call a function of the host that is registered with tvm-ffi, before, between or behind launches (not inside T.Kernel).

    The call happens in the order of the statements, on the thread that calls the kernel; on a GPU the current stream is that of
    the launches, so that what the function enqueues there runs in order with them.

    Parameters
    ----------
    *args
        The function's name, then what it receives: a buffer or a region of one in global memory as a `tvm_ffi.Tensor` over the
        same memory, which is good until the function returns; `A.data`, T.address_of or T.access_ptr as a pointer; a number or
        an integer expression of dimensions and parameters; a string; None.

    Returns
    -------
    Expr
        What the function returned, as an int32 for later launches and calls; a function whose result nobody reads may return
        anything.

    Raises
    ------
    UnsupportedError
        In device code, and for a value that only the device knows.
    HostCallError
        When the kernel is called: for a name that is not registered, and for a function that raises.

    Examples
    --------
    >>> # elsewhere: tvm_ffi.register_global_func("mine.scale", lambda x, by: torch.from_dlpack(x).mul_(by))
    >>> T.call_packed("mine.scale", A, 2.0)
    >>> # and then `with T.Kernel(...)`
    """
    builder = require("T.call_packed")
    if not args or not isinstance(args[0], str):
        raise DTypeError(
            f"T.call_packed of {args[0]!r}" if args else "T.call_packed without a function",
            fix='T.call_packed("name", A, n): the name of a function that tvm_ffi.register_global_func registers',
        )
    if builder.kernel() is not None:
        raise UnsupportedError(
            f"T.call_packed of {args[0]!r} inside T.Kernel: a device cannot call functions of the host",
            fix="move it before or behind the `with T.Kernel(...)` block; T.call_extern calls device functions",
        )
    nodes = [ir.StringImm(args[0]), *(_argument(value, args[0]) for value in args[1:])]
    call = ir.call("tl.call_packed", nodes, ret="int32", span=builder.span())
    var = ir.var(builder.next_name("result"), "int32")
    builder.emit(ir.Bind(var, call, builder.span()))
    return Expr(var, dtype("int32"))


def _argument(value: Any, function: str) -> Any:
    what = f"an argument of {function!r}"
    if value is None:
        return ir.call("tl.none", [], ret="handle")
    if isinstance(value, str):
        return ir.StringImm(value)
    if isinstance(value, Element):
        raise UnsupportedError(f"{what} is the element {value}, which the host does not read", fix="pass the tensor or a slice")
    if isinstance(value, BufferData):
        value = Address(Element(value.buffer, (0,) * value.buffer.ndim))
    if isinstance(value, Address):
        return _in_memory(value.element.buffer, what) and value.node
    if isinstance(value, Pointer):
        return ir.address_of(ir.load(value.node, [0] * len(value.node.ty.shape)))
    if isinstance(value, (Buffer, Region)):
        region = whole(value, what)
        axes = [ir.const(d) for d, point in enumerate(region.points) if not point]
        return _in_memory(region.buffer, what) and ir.call("tl.host_tensor", [region_node(region), *axes], ret="handle")
    return as_expr(value, what).node


def _in_memory(buffer: Buffer, what: str) -> bool:
    if buffer.scope() != "global":
        raise DTypeError(f"{what} is {buffer.name}, which is in {buffer.scope()}", fix="pass a tensor or T.alloc_global memory")
    return True
