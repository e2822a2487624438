"""Expressions under the names of TVM's node classes: T.Add(a, b) is a + b, T.EQ(a, b) is a == b."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from ..errors import DTypeError, FrontendError
from .dtypes import dtype
from .expr import Expr, as_condition, as_expr, binary, compare, constant, convert, logical, logical_not
from .extern import _argument, _as_dtype
from .select import max as larger
from .select import min as smaller


def _binary(name: str, text: str, make: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    def function(a: Any, b: Any, span: Any = None) -> Any:
        return make(a, b)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{text}.\n\n    Examples\n    --------\n    >>> T.{name}(a, b)\n    "
    return function


_OPERATIONS: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "Add": ("a + b", lambda a, b: binary("add", a, b)),
    "Sub": ("a - b", lambda a, b: binary("sub", a, b)),
    "Mul": ("a * b", lambda a, b: binary("mul", a, b)),
    "Div": ("a / b; of integers the quotient rounded toward zero", lambda a, b: _divide(a, b)),
    "Mod": ("The remainder with the sign of a", lambda a, b: binary("truncmod", a, b)),
    "FloorDiv": ("a // b", lambda a, b: binary("floordiv", a, b)),
    "FloorMod": ("a % b", lambda a, b: binary("floormod", a, b)),
    "Min": ("The smaller value", lambda a, b: smaller(a, b)),
    "Max": ("The larger value", lambda a, b: larger(a, b)),
    "EQ": ("a == b", lambda a, b: compare("eq", a, b)),
    "NE": ("a != b", lambda a, b: compare("ne", a, b)),
    "LT": ("a < b", lambda a, b: compare("lt", a, b)),
    "LE": ("a <= b", lambda a, b: compare("le", a, b)),
    "GT": ("a > b", lambda a, b: compare("gt", a, b)),
    "GE": ("a >= b", lambda a, b: compare("ge", a, b)),
    "And": ("a and b", lambda a, b: logical("and", a, b)),
    "Or": ("a or b", lambda a, b: logical("or", a, b)),
}


def _divide(a: Any, b: Any) -> Any:
    integers = all((isinstance(x, int) and not isinstance(x, bool)) or (isinstance(x, Expr) and x.dtype.is_int) for x in (a, b))
    return binary("truncdiv" if integers else "div", a, b)


NODES: dict[str, Callable[..., Any]] = {name: _binary(name, text, make) for name, (text, make) in _OPERATIONS.items()}


def Not(a: Any, span: Any = None) -> Any:
    """not a.

    Examples
    --------
    >>> T.Not(a > 0)
    """
    return logical_not(a)


def IntImm(dtype: Any, value: int, span: Any = None) -> Expr:
    """An integer constant.

    Examples
    --------
    >>> T.IntImm("int32", 3)
    """
    return constant(int(_number(value, "T.IntImm")), _as_dtype(dtype))


def FloatImm(dtype: Any, value: float, span: Any = None) -> Expr:
    """A floating constant.

    Examples
    --------
    >>> T.FloatImm("float32", 0.5)
    """
    return convert(float(_number(value, "T.FloatImm")), _as_dtype(dtype))


def _number(value: Any, what: str) -> Any:
    if isinstance(value, (bool, complex)) or not isinstance(value, Number):
        raise DTypeError(f"the value of {what} is {value!r}", fix="a Python number; T.cast converts values of the kernel")
    return value


def StringImm(value: str, span: Any = None) -> str:
    """A string constant, for calls that take one.

    Examples
    --------
    >>> T.StringImm("text")
    """
    return str(value)


def likely(cond: Any, span: Any = None) -> Any:
    """The condition itself.

    Examples
    --------
    >>> if T.likely(i < n):
    ...     A[i] = 0
    """
    return as_condition(cond)


def tvm_thread_invariant(cond: Any) -> Any:
    """The condition itself; that it is the same in all threads, the compiler finds out.

    Examples
    --------
    >>> if T.tvm_thread_invariant(n > 8):
    ...     A[i] = 0
    """
    return as_condition(cond)


def ignore_loop_partition(predicate: Any) -> Any:
    """The predicate itself: loops are not split at conditions here.

    Examples
    --------
    >>> if T.ignore_loop_partition(i < n):
    ...     A[i] = 0
    """
    return as_condition(predicate)


def Let(var: Expr, value: Any, body: Any, span: Any = None) -> Any:
    """`body` with `value` for `var`, a variable of T.var.

    Examples
    --------
    >>> v = T.var("v", "float32")
    >>> y = T.Let(v, A[0] + 1, v * v)
    """
    from .tvm_values import bind

    if not isinstance(var, Expr):
        raise FrontendError(f"T.Let of {var!r}", fix='v = T.var("v", "float32") makes a variable')
    bind(value, var=var)
    return as_expr(body, "the body of T.Let")


def call_pure_extern(*args: Any, dtype: Any = None, span: Any = None) -> Expr:
    """Call a device function without side effects: `T.call_pure_extern(dtype, func_name, *args)`, or with `dtype` as a keyword.

    The result is an expression.

    Examples
    --------
    >>> y = T.call_pure_extern("float32", "my_square", x)
    """
    from .extern import call_extern

    found = call_extern(*args, dtype=dtype)
    if found is None:
        raise DTypeError("T.call_pure_extern without a result type", fix='T.call_pure_extern("float32", "name", x)')
    return found


def call_intrin(dtype: Any, func_name: Any, *args: Any, annotations: Any = None, span: Any = None) -> Any:
    """Call an operator of the device library by its name, such as "tl.sync_threads" or "tirx.exp2".

    Examples
    --------
    >>> y = T.call_intrin("float32", "tirx.exp2", x)
    """
    from ..codegen.calls import CallPrinter
    from ..codegen.functions import base_name, find_function
    from .emit import call, effect, statement

    op = str(getattr(func_name, "name", func_name))
    op = op.removeprefix("tir.") if op.startswith("tir.") else op
    name = base_name(op)
    function = find_function(f"tl.{name}")
    if function is None and not hasattr(CallPrinter, f"_op_{name}"):
        raise FrontendError(
            f"T.call_intrin of {op!r}, which this version does not know",
            fix="use the T.* name, or T.call_extern with a device function",
        )
    nodes = tuple(_argument(a) for a in args)
    if dtype in ("void", "handle", None, ""):
        statement(f"tl.{name}", nodes, dict(annotations or {}), "T.call_intrin")
        return None
    if function is not None and function.header == "tl/math.h" and not annotations:
        return call(f"tl.{name}", tuple(as_expr(a, f"an operand of {op}") for a in args), _as_dtype(dtype))
    return effect(f"tl.{name}", nodes, _as_dtype(dtype), "result", dict(annotations or {}))


def Call(dtype: Any, op: Any, args: Any, annotations: Any = None, span: Any = None) -> Any:
    """T.call_intrin under the name of TVM's node: `T.Call(dtype, op, [operands])`.

    Examples
    --------
    >>> y = T.Call("float32", "tirx.exp2", [x])
    """
    if not isinstance(args, (list, tuple)):
        raise DTypeError(f"the operands of T.Call are {args!r}", fix="a list of them")
    return call_intrin(dtype, op, *args, annotations=annotations)


__all__ = ["NODES", "dtype"]
