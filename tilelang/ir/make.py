"""Small constructors: constants, buffers, calls of our own operators, statement sequences, spans."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import tvm_ffi
from tvm import tirx
from tvm.ir.op import register_op_attr

from ..errors import SourceSpan
from .nodes import (
    AllocBuffer,
    BufferLoad,
    BufferRegion,
    Call,
    CallEffectKind,
    Cast,
    Evaluate,
    Expr,
    FloatImm,
    IntImm,
    Op,
    Range,
    SeqStmt,
    SourceName,
    Span,
    Stmt,
    Var,
    decl_buffer,
)

_EFFECTS = {
    "pure": CallEffectKind.Pure,
    "read": CallEffectKind.ReadState,
    "update": CallEffectKind.UpdateState,
    "opaque": CallEffectKind.Opaque,
}
_registered: dict[str, Op] = {}
_effect_of: dict[str, str] = {}
_assumed: set[str] = set()  # called before anything said what they do: opaque until then


def register_op(name: str, effect: str = "opaque") -> Op:
    """Make `name` (such as "tl.copy") a TVM operator; effect is pure, read, update or opaque."""
    if name in _assumed and effect != "opaque":
        _assumed.discard(name)
        register_op_attr(name, "TCallEffectKind", _EFFECTS[effect].value, level=11)  # above the default level
        _effect_of[name] = effect
    if name not in _registered:
        register_op_attr(name, "TCallEffectKind", _EFFECTS[effect].value)
        register_op_attr(name, "TScriptPrinterName", name)  # how TVMScript prints it; without one it warns
        _registered[name] = Op.get(name)
        _effect_of[name] = effect
    return _registered[name]


def registered_effects() -> dict[str, str]:
    """Every operator that was registered here, with its effect."""
    return dict(_effect_of)


def call(
    name: str, args: Sequence[Any] = (), ret: str = "void", attrs: dict[str, Any] | None = None, span: Span | None = None
) -> Call:
    """Call operator `name`; unregistered names are registered as opaque."""
    if name not in _registered:
        _assumed.add(name)
    return Call(_registered.get(name) or register_op(name), [as_expr(a) for a in args], attrs=attrs, ret_ty=ret, span=span)


def pure_call(name: str, args: Sequence[Any], ret: str, span: Span | None = None) -> Call:
    """A call without effects: its value depends on its arguments alone."""
    register_op(name, "pure")
    return call(name, args, ret, span=span)


_size = tvm_ffi.get_global_func("ffi.ArraySize")
_item = tvm_ffi.get_global_func("ffi.ArrayGetItem")


def items(array: Any) -> tuple:
    """The elements of an array of nodes, in less than half the time that iterating over it takes."""
    return tuple([_item(array, i) for i in range(_size(array))])


def is_call(node: Any, name: str) -> bool:
    """True if `node` is a call of the operator `name`."""
    return type(node) is Call and call_name(node) == name


def call_name(node: Call) -> str:
    """The operator's name, or "" for calls of anything else."""
    op = node.op
    return op.name if type(op) is Op else ""


def const(value: int | float | bool, dtype: str = "int32") -> Expr:
    """A constant of scalar dtype."""
    if "fnu" in dtype and value < 0:  # TVM takes these formats for unsigned
        return Cast(dtype, tirx.const(float(value), "float32"))
    return tirx.const(value, dtype)


def as_expr(value: Any, dtype: str = "int32") -> Any:
    """Python numbers become constants (`dtype` for ints); nodes pass."""
    if not isinstance(value, (int, float)):
        return value
    if isinstance(value, bool):
        return tirx.const(value, "bool")
    return tirx.const(value, dtype if isinstance(value, int) else "float32")


def const_int(expr: Any) -> int | None:
    """The value of an int constant (or Python int), else None."""
    if type(expr) is IntImm:  # the classes of nodes are abstract ones, whose isinstance is slow
        return int(expr.value)
    if isinstance(expr, int):
        return int(expr)
    return None


def const_number(expr: Any) -> int | float | None:
    """The value of any scalar constant, else None."""
    if isinstance(expr, (int, float)):
        return expr
    if isinstance(expr, (IntImm, FloatImm)):
        return expr.value
    return None


def dtype_of(expr: Any) -> str:
    """The dtype of an expression as a string, such as "float16" or "int32"."""
    return str(expr.ty.dtype)


def var(name: str, dtype: str = "int32") -> Var:
    """A fresh scalar variable."""
    return Var(name, dtype)


def buffer(
    shape: Sequence[Any],
    dtype: str,
    name: str,
    scope: str = "global",
    strides: Sequence[Any] | None = None,
    span: Span | None = None,
) -> Var:
    """A fresh buffer variable; `scope` as in docs/architecture.md, `strides` in elements."""
    return decl_buffer(
        [as_expr(s) for s in shape],
        dtype,
        name,
        strides=None if strides is None else [as_expr(s) for s in strides],
        scope=scope,
        span=span,
        layout=None,
    )


def shape_of(buf: Var) -> list[Any]:
    """The buffer's shape; constant extents as Python ints."""
    return [c if (c := const_int(s)) is not None else s for s in items(buf.ty.shape)]


def static_shape(buf: Var) -> tuple[int, ...]:
    """The buffer's shape, which must be constant (register and shared tiles are)."""
    shape = shape_of(buf)
    assert all(isinstance(s, int) for s in shape), f"{buf.name} has a symbolic shape"
    return tuple(shape)


def strides_of(buf: Var) -> list[Any]:
    """Element strides, row-major when the buffer declares none; constants as Python ints."""
    declared = items(buf.ty.strides)
    if declared:
        return [c if (c := const_int(s)) is not None else s for s in declared]
    strides: list[Any] = []
    step: Any = 1
    for extent in reversed(shape_of(buf)):
        strides.insert(0, step)
        step = step * extent
    return strides


def scope_of(buf: Var) -> str:
    """Storage scope: global, shared.dyn, shared.barrier, shared.tmem, local.fragment, local, local.var."""
    return str(buf.ty.storage_scope) or "global"


def buffer_dtype(buf: Var) -> str:
    return str(buf.ty.dtype)


def load(buf: Var, indices: Sequence[Any], span: Span | None = None) -> BufferLoad:
    """The element of `buf` at `indices`."""
    return tirx.BufferLoad(buf, [as_expr(i) for i in indices], span)


def buffer_region(buf: Var, ranges: Sequence[Range]) -> BufferRegion:
    return tirx.BufferRegion(buf, list(ranges))


def region(buf: Var, ranges: Sequence[tuple[Any, Any]]) -> BufferRegion:
    """`ranges`: (start, extent) of each dimension."""
    return buffer_region(buf, [Range.from_min_extent(as_expr(lo), as_expr(n)) for lo, n in ranges])


def full_region(buf: Var) -> BufferRegion:
    return region(buf, [(0, s) for s in buf.ty.shape])


def address_of(access: BufferLoad) -> Expr:
    """The address of a buffer element (for device functions that take pointers)."""
    return tirx.address_of(access)


def evaluate(value: Expr, span: Span | None = None) -> Evaluate:
    return Evaluate(value, span=span)


def seq(stmts: Iterable[Stmt | None]) -> Stmt:
    """One statement from several: nested sequences flattened, None dropped, empty becomes a no-op."""
    flat: list[Stmt] = []
    for stmt in stmts:
        if stmt is None:
            continue
        if type(stmt) is SeqStmt:
            flat.extend(items(stmt.seq))
        elif not is_noop(stmt):
            flat.append(stmt)
    if len(flat) == 1:
        return flat[0]
    return SeqStmt(flat) if flat else noop()


def noop() -> Stmt:
    return Evaluate(tirx.const(0, "int32"))


def is_noop(stmt: Stmt) -> bool:
    return type(stmt) is Evaluate and const_int(stmt.value) is not None


def statements(stmt: Stmt) -> list[Stmt]:
    """The statements of a sequence, or the statement itself."""
    return list(items(stmt.seq)) if type(stmt) is SeqStmt else [stmt]


def alloc(buf: Var, span: Span | None = None) -> AllocBuffer:
    return AllocBuffer(buf, {}, span) if span is not None else AllocBuffer(buf)


def span_to_source(span: Span | None) -> SourceSpan | None:
    """TVM's span as ours."""
    if span is None:
        return None
    return SourceSpan(str(span.source_name.name), int(span.line), int(span.column), int(span.end_line), int(span.end_column))


def make_span(file: str, line: int, column: int, end_line: int, end_column: int) -> Span:
    return Span(SourceName(file), line, end_line, column, end_column)


def zero(dtype: str) -> Expr:
    """The zero of a scalar dtype."""
    if dtype == "bool":
        return tirx.const(False, "bool")
    if dtype.startswith(("int", "uint")):
        return IntImm(dtype, 0)
    return FloatImm(dtype, 0.0)
