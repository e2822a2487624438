"""Values under TVM's names: T.let, T.bind, T.meta_var, T.target, halves of vectors, questions about dtypes; T.thread_return."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError, SemanticError
from ..frontend.builder import require
from .dtypes import dtype
from .dtypes import dtype as dtype_of
from .emit import bind as bind_value
from .expr import Expr, as_expr, constant, convert
from .vector import Shuffle

_F8F6F4 = ("float8_e4m3fn", "float8_e5m2", "float6_e2m3fn", "float6_e3m2fn", "float4_e2m1fn", "float4_e2m1_unpacked")
void = "void"  # the result type of calls that give nothing


def bind(value: Any, type_annotation: Any = None, *, var: Any = None) -> Expr:
    """A name for a value as it is now; what it reads may change afterwards.

    Parameters
    ----------
    value : Expr or number
    type_annotation : dtype, optional
        Convert to this type.
    var : T.var, optional
        The variable that gets the value; a fresh one by default.

    Examples
    --------
    >>> v = T.bind(A[0] + 1)
    """
    expr = as_expr(value, "the value of T.bind") if type_annotation is None else convert(value, dtype(type_annotation))
    if var is None:
        return bind_value(expr, "v")
    node = getattr(var, "node", None)
    if not isinstance(node, ir.Var):
        raise DTypeError(f"var={var!r} of T.bind", fix='v = T.var("v", "int32") makes a variable')
    builder = require("T.bind")
    builder.need_kernel("T.bind")
    builder.emit(ir.Bind(node, convert(expr, var.dtype).node, builder.span()))
    return var


def let(*args: Any) -> Expr:
    """T.let(value) or T.let(var, value): T.bind.

    Examples
    --------
    >>> v = T.let(A[0] + 1)
    """
    if len(args) not in (1, 2):
        raise FrontendError(f"T.let with {len(args)} arguments", fix="T.let(value) or T.let(var, value)")
    return bind(args[0]) if len(args) == 1 else bind(args[1], var=args[0])


def has_let_value(var: Any) -> bool:
    """Whether a variable has got its value: by T.bind, T.let or an assignment of this kernel.

    Examples
    --------
    >>> v = T.bind(A[0] + 1)
    >>> known = T.has_let_value(v)
    """
    return _bound_value(var, "T.has_let_value") is not None


def get_let_value(var: Any) -> Expr | None:
    """The value that a variable got by T.bind, T.let or an assignment; None if it has none.

    Examples
    --------
    >>> v = T.bind(A[0] + 1)
    >>> value = T.get_let_value(v)
    """
    value = _bound_value(var, "T.get_let_value")
    return None if value is None else Expr(value, var.dtype)


def _bound_value(var: Any, what: str) -> Any:
    node = getattr(var, "node", None)
    if not isinstance(var, Expr) or not isinstance(node, ir.Var):
        raise DTypeError(f"{what} of {var!r}", fix='a variable: v = T.bind(x), or v = T.var("v", "int32")')
    blocks = require(what).blocks
    found = (s.value for block in blocks for s in reversed(block) if isinstance(s, ir.Bind) and s.var.same_as(node))
    return next(found, None)


def meta_var(value: Any) -> Any:
    """The value itself: a Python object of the time when the kernel is written.

    Examples
    --------
    >>> rows = T.meta_var(64)
    """
    return value


def target(target_config: Any, host: Any = None) -> Any:
    """A target: `T.target("cuda")`, `T.target({"kind": "cuda", "arch": "sm_90a"})`, for T.func_attr, which needs none.

    Examples
    --------
    >>> T.func_attr({"target": T.target("cuda")})
    """
    from ..target import resolve_target

    return resolve_target(target_config)


def thread_return() -> None:
    """The calling thread ends here. Where only some threads come by, the others do nothing together afterwards.

    Examples
    --------
    >>> if i >= n:
    ...     T.thread_return()
    """
    builder = require("T.thread_return")
    builder.need_kernel("T.thread_return")
    builder.emit(ir.Return(ir.const(0), builder.span()))


def _half(what: str, of: Any, vector: Any, first: bool) -> Expr:
    expr = as_expr(vector, f"the operand of {what}")
    kind = dtype(of)
    if expr.dtype.lanes % 2 or kind.element != expr.dtype.element or kind.lanes != expr.dtype.lanes // 2:
        raise DTypeError(f"{what} of {expr.dtype} as {kind}", fix="half the lanes of the same element type")
    lanes = range(kind.lanes) if first else range(kind.lanes, 2 * kind.lanes)
    return Shuffle([expr], list(lanes))


def vectorlow(dtype: Any, vec: Any) -> Expr:
    """The lower half of a vector's lanes.

    Examples
    --------
    >>> low = T.vectorlow("float16x2", v4)
    """
    return _half("T.vectorlow", dtype, vec, True)


def vectorhigh(dtype: Any, vec: Any) -> Expr:
    """The upper half of a vector's lanes.

    Examples
    --------
    >>> high = T.vectorhigh("float16x2", v4)
    """
    return _half("T.vectorhigh", dtype, vec, False)


def vectorcombine(dtype_: Any, vec1: Any, vec2: Any) -> Expr:
    """Two vectors as one of twice the lanes.

    Examples
    --------
    >>> v4 = T.vectorcombine("float16x4", low, high)
    """
    a, b, kind = as_expr(vec1, "the first operand"), as_expr(vec2, "the second operand"), dtype(dtype_)
    if a.dtype != b.dtype or kind.element != a.dtype.element or kind.lanes != 2 * a.dtype.lanes:
        raise DTypeError(f"T.vectorcombine of {a.dtype} and {b.dtype} as {kind}", fix="twice the lanes of the same element type")
    return Shuffle([a, b], list(range(kind.lanes)))


def get_tvm_dtype(value: Any) -> dtype:
    """The dtype that a string, a Python type or a torch dtype stands for.

    Examples
    --------
    >>> kind = T.get_tvm_dtype("float16")
    """
    return dtype(value)


def undef(dtype: Any = "int32") -> Expr:
    """Any value, of which nothing may depend; it is 0.

    Examples
    --------
    >>> y = T.undef("float32")
    """
    return constant(0, dtype_of(dtype))


def is_float4(value: Any) -> bool:
    """Whether a dtype is a 4-bit floating format.

    Examples
    --------
    >>> small = T.is_float4("float4_e2m1fn")
    """
    return str(dtype(value).element).startswith("float4")


def is_float4_e2m1fn(value: Any) -> bool:
    """Whether a dtype is float4_e2m1fn.

    Examples
    --------
    >>> small = T.is_float4_e2m1fn("float4_e2m1fn")
    """
    return dtype(value).element == "float4_e2m1fn"


def is_float4_e2m1_unpacked(value: Any) -> bool:
    """Whether a dtype is float4_e2m1_unpacked: float4_e2m1fn in a byte of its own, the code in the low half.

    Examples
    --------
    >>> small = T.is_float4_e2m1_unpacked("float4_e2m1_unpacked")
    """
    return dtype(value).element == "float4_e2m1_unpacked"


def is_f8f6f4_family(value: Any) -> bool:
    """Whether a dtype is a floating format of 8, 6 or 4 bits that sm_100's matrix instructions mix.

    Examples
    --------
    >>> mixed = T.is_f8f6f4_family("float8_e4m3fn")
    """
    return str(dtype(value).element) in _F8F6F4


def warpgroup_fence_operand(buffer_or_ptr: Any, offset: Any = 0, num_regs: Any = None, dtype: Any = None) -> None:
    """Registers of a wgmma are not touched by what is written after this. The compiler sees to that for every tile by itself.

    Examples
    --------
    >>> T.warpgroup_fence_operand(C_local)
    """
    from .buffer import Buffer, Region

    if not isinstance(buffer_or_ptr, (Buffer, Region)):
        raise SemanticError(f"T.warpgroup_fence_operand of {buffer_or_ptr!r}", fix="name the accumulator: a register tile")
    require("T.warpgroup_fence_operand").need_kernel("T.warpgroup_fence_operand")
