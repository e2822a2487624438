"""Printing, assertions and hints to the simplifier."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError
from ..frontend.builder import require
from .buffer import Buffer, MutableScalar, Region
from .emit import drop_result, statement, whole
from .expr import Expr, as_condition, as_expr


def print(obj: Any = None, msg: str = "", warp_group_id: int = 0, warp_id: int = 0) -> None:
    """Print a tile in order, a value, or (a string alone) a message.

    Each block prints a tile, a message and a value that all its threads share once; a value that differs between threads, or
    a branch that not all of them take, prints in each thread.

    Parameters
    ----------
    obj : Expr, buffer or region, or str
    msg : str
        Text before the values.
    warp_group_id, warp_id : int
        Whose first thread prints a tile (or its own thread-private array).

    Examples
    --------
    >>> T.print(x, msg="x is")
    """
    if isinstance(obj, str):
        msg, obj = obj + msg, None
    if not isinstance(msg, str):
        raise DTypeError(f"msg of T.print must be a string, got {type(msg).__name__}")
    attrs: dict[str, Any] = {"msg": msg}
    if warp_group_id or warp_id:
        attrs.update(warp_group_id=int(warp_group_id), warp_id=int(warp_id))
    if obj is None:
        args: tuple = ()
    elif isinstance(obj, (Buffer, Region)) and not isinstance(obj, MutableScalar):
        args = (whole(obj, "T.print"),)
    else:
        args = (as_expr(obj, "the argument of T.print"),)
    statement("tl.print", args, attrs)


def device_assert(cond: Any, msg: str = "", no_stack_info: bool = False) -> None:
    """Stop the kernel with a message where `cond` is false.

    Examples
    --------
    >>> T.device_assert(x > 0, "x is not positive")
    """
    place = require("T.device_assert").place
    text = msg if no_stack_info or place is None else f"{msg or 'assertion failed'} ({place})"
    statement("tl.device_assert", (as_condition(cond),), {"msg": text})


def assume(cond: Any = None) -> None:
    """Tell the simplifier that `cond` holds.

    Examples
    --------
    >>> T.assume(n % 8 == 0)
    """
    if cond is None:
        raise DTypeError("T.assume without a condition")
    statement("tl.assume", (as_condition(cond),))


def evaluate(value: Any) -> None:
    """Evaluate an expression for its effect; around a statement of the language (`T.ptx_commit_group()`) it does nothing more.

    Examples
    --------
    >>> T.evaluate(T.call_extern("int32", "my_square", m))
    """
    from .._lazy import ir

    builder = require("T.evaluate")
    if builder.kernel() is None and isinstance(value, Expr) and isinstance(value.node, ir.Var):
        return  # the result of T.call_packed, which is emitted by now
    builder.need_kernel("T.evaluate")
    if value is None:  # a statement of the language (T.ptx_commit_group()), which is emitted by now
        return
    if not drop_result(builder, value):
        builder.emit(ir.evaluate(as_expr(value).node, builder.span()))
