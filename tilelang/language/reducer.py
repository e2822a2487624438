"""Deferred reductions: contributions from any iteration of a T.Parallel nest, combined over threads once, at the end.

acc = T.alloc_reducer((64,), "float32", op="sum")
T.reducer_init(acc)
for k in T.serial(8):
    for i, j in T.Parallel(64, 32):
        T.reducer_update(acc[i], A[i, k * 32 + j])
T.finalize_reducer(acc, out)
"""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError
from ..frontend.builder import require
from .allocate import _scalar_dtype
from .buffer import Buffer, Element, Region
from .copy import copy
from .dtypes import dtype
from .emit import name_of, statement, whole
from .expr import as_expr, convert
from .extern import address_of
from .shape import as_shape, static

OPS = ("sum", "max", "min", "bitand", "bitor", "bitxor")
_NODES = {"sum": "Add", "max": "Max", "min": "Min", "bitand": "BitwiseAnd", "bitor": "BitwiseOr", "bitxor": "BitwiseXor"}


class Reducer(Buffer):
    """What T.alloc_reducer makes. Storing `acc[i] op value` back into `acc[i]` contributes `value`."""

    kind_name = "reducer"

    def __init__(self, name: str, shape: tuple, of: dtype, op: str) -> None:
        super().__init__(name, shape, of, "local.fragment")
        self.op = op

    def write(self, indices: tuple, value: Any) -> None:
        expr = as_expr(value, f"a contribution to {self.name}")
        element = Element(self, indices)
        rest = _without(expr.node, element.node, getattr(ir, _NODES[self.op]))
        if rest is None:
            raise SemanticError(
                f"{element} of the reducer {self.name} is assigned {expr}, which does not combine {element} by {self.op}",
                fix=f"contribute with T.reducer_update({element}, value); start with T.reducer_init({self.name}, value)",
            )
        _update(element, type(expr)(rest, expr.dtype, pure=False))


def _without(node: Any, own: Any, operator: Any) -> Any:
    """The other terms of a combination in which `own` occurs once; None if it is none."""
    if not isinstance(node, operator):
        return None
    for side, other in ((node.a, node.b), (node.b, node.a)):
        if ir.structural_equal(side, own):
            return other
        inner = _without(side, own, operator)
        if inner is not None:
            return operator(inner, other)
    return None


def alloc_reducer(shape: Any, dtype: Any, op: str = "sum", replication: str | None = None) -> Reducer:
    """A tile of deferred reductions, to which any iteration of a T.Parallel nest may contribute.

    Each thread keeps what its own iterations contribute; `finalize_reducer` combines the threads.

    Parameters
    ----------
    shape : sequence of int
    dtype : dtype
    op : str
        sum, max, min, bitand, bitor or bitxor.
    replication : str, optional
        "all" or "none", accepted for older programs: threads are found by the layouts of the nests.

    Examples
    --------
    >>> acc = T.alloc_reducer((64,), "float32", op="max")
    """
    kind = getattr(op, "value", op)
    if kind not in OPS:
        raise SemanticError(f"op={op!r} of T.alloc_reducer", fix="one of " + ", ".join(OPS))
    if replication not in (None, "all", "none"):
        raise SemanticError(f"replication={replication!r} of T.alloc_reducer", fix='"all", "none", or leave it out')
    of = _scalar_dtype(dtype, "a reducer")
    if of.is_bool or (kind.startswith("bit") and not of.is_int):
        raise DTypeError(f"a reducer of {of} by {kind}", fix="bit operations take integers, the others any number type")
    builder = require("T.alloc_reducer")
    builder.need_kernel("T.alloc_reducer")
    reducer = Reducer(builder.next_name("reducer"), static(as_shape(shape, "T.alloc_reducer"), "T.alloc_reducer"), of, kind)
    builder.emit(ir.alloc(reducer.node, builder.span()))
    statement("tl.alloc_reducer", (whole(reducer, reducer.name),), {"kind": kind}, "T.alloc_reducer")
    return reducer


def _reducer(value: Any, what: str) -> Reducer:
    buffer = value.buffer if isinstance(value, (Element, Region)) else value
    if not isinstance(buffer, Reducer):
        raise DTypeError(f"{what} of {value}, which is no reducer", fix="allocate it with T.alloc_reducer")
    return buffer


def reducer_init(reducer: Any, init: Any = None) -> None:
    """Start an epoch: forget earlier contributions.

    Parameters
    ----------
    reducer : reducer
    init : number or Expr, optional
        Combined into the result once; nothing by default.

    Examples
    --------
    >>> T.reducer_init(acc)
    """
    buffer = _reducer(reducer, "T.reducer_init")
    args: tuple = (whole(buffer, buffer.name),)
    if init is not None:
        args += (convert(init, buffer.dtype),)
    statement("tl.reducer_init", args, None, "T.reducer_init")


def reducer_update(target: Any, value: Any) -> None:
    """Contribute `value` to one element of a reducer, in the epoch that T.reducer_init began.

    Parameters
    ----------
    target : element of a reducer
    value : Expr

    Examples
    --------
    >>> T.reducer_update(acc[i], x[i, j])
    """
    _reducer(target, "T.reducer_update")
    if not isinstance(target, Element):
        raise SemanticError(f"T.reducer_update of {target}", fix="index one element of the reducer, as in acc[i]")
    _update(target, as_expr(value, "the value of T.reducer_update"))


def _update(element: Element, value: Any) -> None:
    buffer = element.buffer
    value = convert(value, buffer.dtype)
    statement("tl.reducer_update", (address_of(element), value), {"kind": buffer.op}, "T.reducer_update")  # type: ignore[attr-defined]


def finalize_reducer(reducer: Any, dst: Any = None, batch: int = 1, annotations: Any = None) -> None:
    """Combine what all threads contributed; the reducer then is an ordinary fragment that holds the results.

    Parameters
    ----------
    reducer : reducer
    dst : buffer or region, optional
        Also copy the results there.
    batch : int
        Accepted; the compiler groups the combinations.

    Examples
    --------
    >>> T.finalize_reducer(acc, out)
    """
    buffer = _reducer(reducer, "T.finalize_reducer")
    if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
        raise SemanticError(f"batch={batch!r} of T.finalize_reducer must be a positive int")
    statement("tl.finalize_reducer", (whole(buffer, name_of(whole(buffer, ""))),), None, "T.finalize_reducer")
    if dst is not None:
        copy(buffer, dst)
