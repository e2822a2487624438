"""Values of a kernel: an expression with a dtype, Python's operators, and a node in TIR once one is needed.

Outside a trace (closures, annotations) an expression only keeps its *recipe*, the operation and its operands, so that
`T.dynamic("m") * 2` at module level does not import TVM; the node is made at first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .._lazy import ir
from ..errors import DTypeError, FrontendError
from ..frontend.builder import current
from .dtypes import dtype
from .promotion import of_number, promote, with_number

_COMPARE = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_SIGNS = {"add": "+", "sub": "-", "mul": "*", "div": "/", "floordiv": "//", "floormod": "%", "bitand": "&", "bitor": "|",
          "bitxor": "^", "shl": "<<", "shr": ">>", **_COMPARE}  # fmt: skip
_INDEX_COST = 32  # a pure integer expression up to this many nodes is repeated rather than bound


class Expr:
    """A value that is known on the device only.

    Attributes
    ----------
    dtype : dtype
        Its element type.
    pure : bool
        False if it reads memory that can change.
    cost : int
        About how many nodes it has.
    """

    __slots__ = ("_node", "recipe", "_dtype", "pure", "cost", "reads", "epoch", "__weakref__")
    __array_ufunc__ = None  # NumPy scalars on the left leave the operation to us

    def __init__(self, node: Any, of: dtype, pure: bool = True, cost: int = 1, recipe: tuple | None = None) -> None:
        self._node, self._dtype, self.pure, self.cost, self.recipe = node, of, pure, cost, recipe
        self.reads: tuple = ()  # buffers, at `epoch`
        self.epoch = 0

    @property
    def node(self) -> Any:
        """The TIR expression."""
        if self.reads:
            self.check_current()
        if self._node is None and self.recipe is not None:
            self._node = _build(self.recipe)
        return self._node

    def __tvm_ffi_object__(self) -> Any:
        """What a function of TVM (`tirx.reinterpret`, `tirx.Select`) gets for the value."""
        return self.node

    def check_current(self) -> None:
        """Refuse a value that was read before a write and would be evaluated after it.

        Assignment in a kernel binds such values; this happens inside one expression, and in plain Python functions.
        """
        builder = current()
        if builder is None:
            return
        for buffer in self.reads:
            if builder.writes.get(buffer, 0) > self.epoch:
                raise FrontendError(
                    f"an element of {buffer} was read before a statement that may change it, and is used after",
                    fix="assign the element to a name of the kernel first (in a helper: decorate it with @T.macro)",
                )

    def read_epoch(self) -> int:
        """When its memory was read."""
        return self.epoch

    @property
    def dtype(self) -> dtype:
        return self._dtype

    @property
    def cheap(self) -> bool:
        """A pure integer or bool small enough to be written again at each use."""
        return self.pure and not self.dtype.is_float and self.cost <= _INDEX_COST

    # -- Python protocol ----------------------------------------------------------------------------------------------
    def _no_python(self, what: str, fix: str) -> FrontendError:
        return FrontendError(f"{what} of a value that is known on the device only: {self}", fix=fix)

    def constant(self) -> int | float | bool | None:
        """Its value if it folded to a constant."""
        if self._node is None and self.recipe is not None:
            return self.recipe[1] if self.recipe[0] == "const" else None
        value = ir.const_number(self.node)
        return bool(value) if value is not None and self.dtype.is_bool else value

    def __bool__(self) -> bool:
        value = self.constant()
        if value is None:
            raise self._no_python(
                "Python's truth value",
                "use if, and, or, not in the kernel itself (not in a plain Python function), T.if_then_else, T.min, T.max",
            )
        return bool(value)

    def __index__(self) -> int:
        value = self.constant()
        if isinstance(value, int):
            return value
        raise self._no_python("the Python integer", "pass a Python int, or a loop of T (T.serial) where the extent is symbolic")

    def __int__(self) -> int:
        value = self.constant()
        if value is None:
            raise self._no_python("int()", 'write T.cast(x, "int32")')
        return int(value)

    def __float__(self) -> float:
        value = self.constant()
        if value is None:
            raise self._no_python("float()", 'write T.cast(x, "float32")')
        return float(value)

    def __iter__(self):
        raise FrontendError(
            f"cannot iterate over the value {self}", fix="write `for i in T.serial(n)` or `range(n)` to loop n times"
        )

    def __hash__(self) -> int:
        return id(self)

    def __str__(self) -> str:
        if self._node is None and self.recipe is not None:
            return _describe(self.recipe)
        return str(self.node)

    def __repr__(self) -> str:
        return f"<{self.dtype} {self}>"

    # -- operators ----------------------------------------------------------------------------------------------------
    def __add__(self, other: Any) -> Any:
        return binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return binary("div", other, self)

    def __floordiv__(self, other: Any) -> Any:
        return binary("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return binary("floordiv", other, self)

    def __mod__(self, other: Any) -> Any:
        return binary("floormod", self, other)

    def __rmod__(self, other: Any) -> Any:
        return binary("floormod", other, self)

    def __divmod__(self, other: Any) -> tuple[Any, Any]:
        return self // other, self % other

    def __rdivmod__(self, other: Any) -> tuple[Any, Any]:
        return other // self, other % self

    def __and__(self, other: Any) -> Any:
        return binary("bitand", self, other)

    def __rand__(self, other: Any) -> Any:
        return binary("bitand", other, self)

    def __or__(self, other: Any) -> Any:
        return binary("bitor", self, other)

    def __ror__(self, other: Any) -> Any:
        return binary("bitor", other, self)

    def __xor__(self, other: Any) -> Any:
        return binary("bitxor", self, other)

    def __rxor__(self, other: Any) -> Any:
        return binary("bitxor", other, self)

    def __lshift__(self, other: Any) -> Any:
        return binary("shl", self, other)

    def __rlshift__(self, other: Any) -> Any:
        return binary("shl", other, self)

    def __rshift__(self, other: Any) -> Any:
        return binary("shr", self, other)

    def __rrshift__(self, other: Any) -> Any:
        return binary("shr", other, self)

    def __lt__(self, other: Any) -> Any:
        return compare("lt", self, other)

    def __le__(self, other: Any) -> Any:
        return compare("le", self, other)

    def __gt__(self, other: Any) -> Any:
        return compare("gt", self, other)

    def __ge__(self, other: Any) -> Any:
        return compare("ge", self, other)

    def __eq__(self, other: Any) -> Any:
        return False if other is None else compare("eq", self, other)

    def __ne__(self, other: Any) -> Any:
        return True if other is None else compare("ne", self, other)

    def __neg__(self) -> Any:
        if self.dtype.is_bool:
            raise DTypeError("- of a bool", fix="use not, or cast to an integer")
        return binary("sub", 0, self) if self.dtype.is_int else binary("mul", self, -1)

    def __pos__(self) -> Expr:
        return self

    def __invert__(self) -> Any:
        if self.dtype.is_bool:
            return logical_not(self)
        if not self.dtype.is_int:
            raise DTypeError(f"~ of a {self.dtype}", fix="bit operations take integers")
        return apply("bitnot", (self,), self.dtype)

    def __abs__(self) -> Any:
        from .math import abs as magnitude

        return magnitude(self)

    def __pow__(self, other: Any) -> Any:
        from .math import pow as power

        return power(self, other)

    def __rpow__(self, other: Any) -> Any:
        from .math import pow as power

        return power(other, self)

    def __matmul__(self, other: Any) -> Any:
        raise FrontendError("@ has no meaning on values in a kernel", fix="multiply tiles with T.gemm(A, B, C)")

    __rmatmul__ = __matmul__

    def astype(self, to: Any) -> Any:
        """The value converted to dtype `to`."""
        return convert(self, dtype(to))


# -- construction -----------------------------------------------------------------------------------------------------
def _fold(name: str, a: Any, b: Any, raw: Callable) -> Any:
    x, y = ir.const_number(a), ir.const_number(b)
    if x is None or y is None:
        return raw(a, b)
    result = {"eq": x == y, "ne": x != y, "lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y}[name]
    return ir.const(result, "bool")


def _extreme(a: Any, b: Any, raw: Callable, pick: Callable) -> Any:
    x, y = ir.const_number(a), ir.const_number(b)
    return raw(a, b) if x is None or y is None else ir.const(pick(x, y), ir.dtype_of(a))


def _cast(a: Any, to: str) -> Any:
    value, kind = ir.const_number(a), dtype(to)
    if value is not None and kind.lanes == 1:
        if kind.is_float:
            return ir.const(float(value), kind.in_ir)
        if isinstance(value, int) and (kind.is_bool or kind.min <= value <= kind.max):
            return ir.const(bool(value) if kind.is_bool else int(value), to)
    return ir.Cast(kind.in_ir, a)


def _and(a: Any, b: Any) -> Any:
    x, y = ir.const_int(a), ir.const_int(b)
    if x is not None:
        return b if x else a
    return (a if y else b) if y is not None else ir.And(a, b)


def _or(a: Any, b: Any) -> Any:
    x, y = ir.const_int(a), ir.const_int(b)
    if x is not None:
        return a if x else b
    return (b if y else a) if y is not None else ir.Or(a, b)


def _not(a: Any) -> Any:
    value = ir.const_int(a)
    return ir.Not(a) if value is None else ir.const(not value, "bool")


def _branch(c: Any, a: Any, b: Any) -> Any:
    value = ir.const_int(c)
    return ir.if_then_else(c, a, b) if value is None else (a if value else b)


def _select(c: Any, a: Any, b: Any) -> Any:
    value = ir.const_int(c)
    return ir.Select(c, a, b) if value is None else (a if value else b)


_symbols: dict[tuple[str, str], Any] = {}


def _symbol(name: str, of: str) -> Any:
    key = (name, of)
    if key not in _symbols:
        _symbols[key] = ir.var(name, dtype(of).in_ir)
    return _symbols[key]


def _subtract(a: Any, b: Any) -> Any:
    """a - b; TVM refuses to fold an unsigned difference below zero, which wraps."""
    left, right, of = ir.const_int(a), ir.const_int(b), dtype(ir.dtype_of(a))
    if of.is_unsigned and left is not None and right is not None:
        return ir.const((left - right) % 2**of.bits, str(of))
    return a - b


def _pure_call(name: str, of: str, *args: Any) -> Any:
    """A call without effects; a dict at the end holds its attributes."""
    attrs = args[-1] if args and isinstance(args[-1], dict) else None
    ir.register_op(name, "pure")
    return ir.call(name, args[:-1] if attrs is not None else args, dtype(of).in_ir, attrs)


_BUILD: dict[str, Callable[..., Any]] = {
    "const": lambda value, of: ir.const(value, dtype(of).in_ir),
    "symbol": _symbol,
    "add": lambda a, b: a + b,
    "sub": _subtract,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: ir.Div(a, b),
    "floordiv": lambda a, b: a // b,
    "floormod": lambda a, b: a % b,
    "truncdiv": lambda a, b: ir.Div(a, b),
    "truncmod": lambda a, b: ir.Mod(a, b),
    "min": lambda a, b: _extreme(a, b, ir.Min, min),
    "max": lambda a, b: _extreme(a, b, ir.Max, max),
    "bitand": lambda a, b: a & b,
    "bitor": lambda a, b: a | b,
    "bitxor": lambda a, b: a ^ b,
    "bitnot": lambda a: ~a,
    "shl": lambda a, b: a << b,
    "shr": lambda a, b: a >> b,
    "eq": lambda a, b: _fold("eq", a, b, ir.EQ),
    "ne": lambda a, b: _fold("ne", a, b, ir.NE),
    "lt": lambda a, b: _fold("lt", a, b, ir.LT),
    "le": lambda a, b: _fold("le", a, b, ir.LE),
    "gt": lambda a, b: _fold("gt", a, b, ir.GT),
    "ge": lambda a, b: _fold("ge", a, b, ir.GE),
    "and": _and,
    "or": _or,
    "not": _not,
    "cast": _cast,
    "broadcast": lambda a, lanes: ir.Broadcast(a, lanes),
    "if_then_else": _branch,
    "select": _select,
    "ramp": lambda base, stride, lanes: ir.Ramp(base, stride, lanes),
    "call": _pure_call,
}


def _build(recipe: tuple) -> Any:
    name, *args = recipe
    return _BUILD[name](*[a.node if isinstance(a, Expr) else a for a in args])


def _describe(recipe: tuple) -> str:
    name, *args = recipe
    if name in ("const", "symbol"):
        return str(args[0])
    if name in _SIGNS:
        return f"({args[0]} {_SIGNS[name]} {args[1]})"
    return f"{name}({', '.join(str(a) for a in args)})"


def apply(name: str, args: tuple, of: dtype, pure: bool = True, cost: int = 0) -> Expr:
    """The expression `name(args)`; args are expressions of the right dtypes, and plain data."""
    reads: tuple = ()
    epoch = None
    for a in args:
        if isinstance(a, Expr):
            pure = pure and a.pure
            cost += a.cost
            if a.reads:
                reads += tuple(b for b in a.reads if b not in reads)
                epoch = a.read_epoch() if epoch is None else min(epoch, a.read_epoch())
    recipe = (name, *args)
    builder = current()
    if builder is not None and builder.recording:
        result = Expr(_build(recipe), of, pure, cost + 1)
    else:
        result = Expr(None, of, pure, cost + 1, recipe)
    result.reads, result.epoch = reads, epoch or 0
    return result


def symbol(name: str, of: Any = "int32") -> Expr:
    """The symbolic dimension `name`: one variable for each name and dtype."""
    return Expr(None, dtype(of), recipe=("symbol", name, str(dtype(of))))


def constant(value: int | float | bool, of: Any = None) -> Expr:
    """A constant; the dtype of a Python number is int32 (int64 if it needs it), float32 or bool."""
    kind = dtype(of) if of is not None else of_number(value)
    if kind.lanes > 1:
        return apply("broadcast", (constant(value, kind.element), kind.lanes), kind)
    if kind.is_int and not kind.min <= value <= kind.max:
        raise DTypeError(f"the constant {value} does not fit {kind} ({kind.min} to {kind.max})")
    value = float(value) if kind.is_float else bool(value) if kind.is_bool else int(value)
    return apply("const", (value, str(kind)), kind)


def _number(value: Any) -> int | float | bool | None:
    """A Python or NumPy number as a Python number; None for anything else."""
    if isinstance(value, (bool, int, float)):
        return value
    if type(value).__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    return None


def is_tvm_value(value: Any) -> bool:
    """True for a scalar that TVM's own functions made (`tirx.const(4, "uint16")`, `tirx.reinterpret(...)`)."""
    return type(value).__module__.partition(".")[0] == "tvm" and isinstance(value, ir.Expr) and not ir.is_buffer_var(value)


def from_tvm(value: Any) -> Expr:
    """An expression of TVM as one of ours; what reads memory is bound when it is assigned, as any other."""
    loads = ir.collect(value, (ir.BufferLoad, ir.Call))
    return Expr(value, dtype(ir.dtype_of(value)), pure=not loads, cost=1 + len(ir.collect(value, ir.Expr)))


def as_expr(value: Any, what: str = "operand") -> Expr:
    """An expression from an expression or a Python number; DTypeError for anything else."""
    if isinstance(value, Expr):
        return value
    number = _number(value)
    if number is not None:
        return constant(number)
    if is_tvm_value(value):
        return from_tvm(value)
    lanes = value.lanes() if hasattr(value, "lanes") else None
    if lanes is not None:
        return lanes
    kind = getattr(value, "kind_name", type(value).__name__)
    fix = "index it down to one element, or use a tile operator (T.copy, T.fill, ...)" if hasattr(value, "kind_name") else ""
    raise DTypeError(
        f"{what} must be a scalar value, got {kind} {value if hasattr(value, 'kind_name') else repr(value)}", fix=fix
    )


def convert(value: Any, to: dtype) -> Expr:
    """`value` as an expression of dtype `to`."""
    number = _number(value)
    if number is not None and not isinstance(value, Expr):
        if not to.is_float and isinstance(number, float):
            return apply("cast", (constant(number), str(to)), to)
        return constant(number, to)
    expr = as_expr(value)
    if expr.dtype == to:
        return expr
    if expr.dtype.lanes != to.lanes:
        if expr.dtype.lanes > 1:
            raise DTypeError(f"cannot convert {expr.dtype} to {to}", fix="convert to a vector with the same number of lanes")
        return apply("broadcast", (convert(expr, to.element), to.lanes), to)
    return apply("cast", (expr, str(to)), to)


def unify(a: Any, b: Any, sign: str) -> tuple[Expr, Expr, dtype]:
    """Both operands in their common dtype."""
    if type(a).__name__ in ("str", "NoneType") or type(b).__name__ in ("str", "NoneType"):
        raise DTypeError(f"{sign} of {a!r} and {b!r}", fix="both sides must be numbers or values")
    na, nb = (None if isinstance(a, Expr) else _number(a)), (None if isinstance(b, Expr) else _number(b))
    if na is not None and nb is None:
        b = as_expr(b, f"right side of {sign}")
        common = with_number(na, b.dtype)
    elif nb is not None and na is None:
        a = as_expr(a, f"left side of {sign}")
        common = with_number(nb, a.dtype)
    else:
        a, b = as_expr(a, f"left side of {sign}"), as_expr(b, f"right side of {sign}")
        common = promote(a.dtype, b.dtype)
    return convert(a, common), convert(b, common), common


def binary(name: str, a: Any, b: Any) -> Any:
    """`a <name> b` after promotion."""
    sign = _SIGNS.get(name, name)
    for side in (a, b):
        if hasattr(side, "kind_name") and not isinstance(side, Expr):
            if name in _SIGNS and hasattr(side, "of_operator"):
                return side.of_operator(name, sign, a, b)
            as_expr(side, f"an operand of {sign}")
    a, b, common = unify(a, b, sign)
    if name == "div" and not common.is_float:
        raise DTypeError(
            f"/ of two integers ({a.dtype} and {b.dtype}) has no single meaning in a kernel",
            fix='write // for the integer quotient, or T.cast(x, "float32") / y for the real one',
        )
    if name in ("bitand", "bitor", "bitxor", "shl", "shr"):
        if common.is_float:
            raise DTypeError(f"{sign} of {common}", fix="bit operations take integers; use T.reinterpret for the bits of a float")
        if common.is_bool:
            if name in ("shl", "shr"):
                a, b, common = convert(a, dtype("int32")), convert(b, dtype("int32")), dtype("int32")
            else:
                name = {"bitand": "and", "bitor": "or", "bitxor": "ne"}[name]
    elif common.is_bool and name in ("add", "sub", "mul", "floordiv", "floormod"):
        common = dtype("int32")
        a, b = convert(a, common), convert(b, common)
    if name in ("floordiv", "floormod", "truncdiv", "truncmod"):
        if common.is_float:
            if name.startswith("trunc"):
                raise DTypeError(f"{name} of {common}", fix="use T.trunc(a / b)")
            return _float_floor(name, a, b)
        if b.constant() == 0:
            raise DTypeError(f"{sign} by the constant 0")
    return apply(name, (a, b), common)


def _float_floor(name: str, a: Expr, b: Expr) -> Any:
    from .math import floor

    quotient = floor(a / b)
    return quotient if name == "floordiv" else a - quotient * b


def compare(name: str, a: Any, b: Any) -> Any:
    """A comparison; the result is bool (or a vector of bools)."""
    a, b, common = unify(a, b, _COMPARE[name])
    return apply(name, (a, b), dtype("bool") if common.lanes == 1 else dtype(f"boolx{common.lanes}"))


def as_condition(value: Any, what: str = "condition") -> Expr:
    """A bool expression; numbers compare against zero as in Python."""
    expr = as_expr(value, what)
    return expr if expr.dtype.is_bool else compare("ne", expr, 0)


def logical(name: str, a: Any, b: Any) -> Expr:
    """`a and b`, `a or b` as a bool."""
    return apply(name, (as_condition(a), as_condition(b)), dtype("bool"))


def logical_not(a: Any) -> Expr:
    return apply("not", (as_condition(a),), dtype("bool"))
