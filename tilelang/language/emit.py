"""How the names of the language become statements: regions, tile operators, calls with effects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, SemanticError, ShapeError
from ..frontend.builder import require
from .buffer import Buffer, Element, MutableScalar, Region
from .dtypes import dtype
from .elementwise import Elementwise
from .expr import Expr, apply, as_expr, from_tvm, is_tvm_value
from .shape import node_of

# The key of `annotations=` that labels a statement for a schedule (ws_schedule.py).
WSID = "tl.ws_id"


def labelled(label: str, body: Any, span: Any) -> Any:
    """The statement, labelled."""
    return ir.AttrStmt(ir.const(0), WSID, ir.StringImm(label), body, span)


def merge_options(options: dict[str, Any], annotations: dict[str, Any] | None, what: str) -> None:
    """Take options by name out of `annotations`; SemanticError for a name that is none. What is given directly wins."""
    for name, value in (annotations or {}).items():
        if name == WSID:
            options[WSID] = value
        elif name not in options:
            raise SemanticError(f"{what} has no option {name!r}", fix="one of " + ", ".join(options))
        else:
            options[name] = value if options[name] is None else options[name]


def whole(operand: Any, what: str) -> Region:
    """A buffer, region or element as a region; DTypeError for anything else."""
    if isinstance(operand, Region):
        return operand
    if isinstance(operand, Buffer):
        n = operand.ndim
        return Region(operand, (0,) * n, operand.shape, (False,) * n, False)
    if isinstance(operand, Element):
        n = len(operand.indices)
        return Region(operand.buffer, operand.indices, (1,) * n, (True,) * n, False)
    raise DTypeError(f"{what} must be a buffer or a region of one, got {type(operand).__name__} {operand!r}")


def tile(operand: Any, what: str, ndim: int | None = None) -> Region:
    """An operand that has a shape: not a single element."""
    if isinstance(operand, Element):
        raise ShapeError(f"{what} is the single element {operand}", fix="pass the buffer, or a slice of it")
    region = whole(operand, what)
    if ndim is not None and len(region.shape) != ndim:
        raise ShapeError(f"{what} is {region}, which has {len(region.shape)} dimensions; {ndim} are needed")
    return region


def region_node(region: Region) -> Any:
    """The TensorRegion of a region."""
    return ir.region(region.buffer.node, [(node_of(s), node_of(e)) for s, e in zip(region.starts, region.extents, strict=True)])


def name_of(region: Region) -> str:
    """How messages call it: the buffer's name, with the index if it is not all of it."""
    whole_shape = region.buffer.shape
    same = len(region.shape) == len(whole_shape) and all(a is b or _equal(a, b) for a, b in zip(region.shape, whole_shape))
    return region.buffer.name if same else str(region)


def _equal(a: Any, b: Any) -> bool:
    return isinstance(a, int) and isinstance(b, int) and a == b


def argument(value: Any) -> Any:
    """Any operand as a node."""
    if isinstance(value, Region):
        return region_node(value)
    if isinstance(value, Buffer):
        return region_node(whole(value, value.name))
    if hasattr(value, "element"):  # an Address
        return value.node
    return as_expr(value).node if isinstance(value, (Expr, int, float, bool)) else value


def statement(name: str, args: tuple = (), attrs: dict[str, Any] | None = None, what: str | None = None) -> None:
    """Emit `Evaluate(Call(name, args, attrs))`; attributes that are None are left out."""
    what = what or "T." + name.removeprefix("tl.")
    builder = require(what)
    builder.need_kernel(what)
    kept = {k: v for k, v in (attrs or {}).items() if v is not None}
    label = kept.pop(WSID, None)
    call = ir.call(name, [argument(a) for a in args], attrs=kept or None, span=builder.span())
    made = ir.evaluate(call, builder.span())
    builder.emit(made if label is None else labelled(str(label), made, builder.span()))
    _note_writes(builder, args)


def _note_writes(builder: Any, args: tuple) -> None:
    """Any region or address among the arguments may have been written."""
    for arg in args:
        if isinstance(arg, (Buffer, Region)):
            builder.wrote(arg.buffer if isinstance(arg, Region) else arg)
        elif hasattr(arg, "element"):
            builder.wrote(arg.element.buffer)


def effect(name: str, args: tuple, of: dtype, hint: str, attrs: dict[str, Any] | None = None) -> Expr:
    """A call that must happen exactly here (atomics, shuffles, votes): bound at once; returns the bound value."""
    what = "T." + name.removeprefix("tl.")
    builder = require(what)
    builder.need_kernel(what)
    kept = {k: v for k, v in (attrs or {}).items() if v is not None}
    call = ir.call(name, [argument(a) for a in args], ret=of.in_ir, attrs=kept or None, span=builder.span())
    result = bind(Expr(call, of), hint)
    _note_writes(builder, args)
    return result


def drop_result(builder: Any, value: Any) -> bool:
    """Make the call that gave `value` a statement, if it is an author's function called just now: it may return nothing."""
    block = builder.blocks[-1]
    if not (isinstance(value, Expr) and isinstance(value.node, ir.Var) and block and isinstance(block[-1], ir.Bind)):
        return False
    last = block[-1]
    if not (last.var.same_as(value.node) and ir.is_call(last.value, "tl.call_extern")):
        return False
    block[-1] = ir.evaluate(last.value, last.span)
    return True


def bind(value: Expr, hint: str) -> Expr:
    """`Bind(var, value)`; returns the variable."""
    builder = require("binding a value")
    builder.need_kernel(f"the value {value}")
    var = ir.var(builder.next_name(hint), value.dtype.in_ir)
    builder.emit(ir.Bind(var, value.node, builder.span()))
    return Expr(var, value.dtype)


def call(name: str, args: tuple, of: dtype) -> Expr:
    """A pure call as an expression; expensive, so that assignment binds it."""
    return apply("call", (name, str(of), *args), of, cost=100)


def snapshot(value: Any, hint: str = "v") -> Any:
    """The value as it is now: what reads memory or is costly is bound, the rest passes."""
    if isinstance(value, Region):
        starts = tuple(snapshot(s, hint) for s in value.starts)
        extents = tuple(snapshot(e, hint) for e in value.extents)
        return Region(value.buffer, starts, extents, value.points, value.soft)
    if isinstance(value, Elementwise):
        lanes = value.lanes()
        if lanes is None:
            raise DTypeError(f"{value} as a value", fix="assign it to a slice: tile[...] = ...")
        value = lanes
    if is_tvm_value(value):
        value = from_tvm(value)
    if not isinstance(value, Expr) or value.cheap:
        return value
    builder = require("a value")
    if not builder.recording or (builder.kernel() is None and value.pure):
        return value
    if value.constant() is not None or isinstance(value.node, ir.Var):
        return value
    return bind(value, hint)


def alloc(name: str, shape: tuple, of: dtype, scope: str, what: str) -> Buffer:
    """A buffer allocated here; in global memory before the launch, whose blocks share it."""
    builder = require(what)
    if scope != "global":
        builder.need_kernel(what)
    buffer = Buffer(builder.next_name(name), shape, of, scope)
    with before_launch(builder, scope == "global" and builder.kernel() is not None):
        builder.emit(ir.alloc(buffer.node, builder.span()))
    return buffer


@contextmanager
def before_launch(builder: Any, needed: bool = True, depth: int = 0) -> Iterator[None]:
    """Statements go before the kernel that is being written (`depth` 0), or before what stands open in it (1)."""
    if not needed:
        yield
        return
    frames = [f for f in builder.frames if f.kind != "unrolled"]
    launch = next(k for k, f in enumerate(frames) if f.kind == "kernel")
    outer, builder.blocks = builder.blocks, builder.blocks[: launch + 1 + depth]
    try:
        yield
    finally:
        builder.blocks = outer


__all__ = [
    "WSID",
    "MutableScalar",
    "alloc",
    "argument",
    "bind",
    "call",
    "effect",
    "labelled",
    "merge_options",
    "name_of",
    "region_node",
    "snapshot",
    "statement",
    "tile",
    "whole",
]
