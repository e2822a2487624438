"""Expressions of TIR as C++ text with no more parentheses than a reader wants."""

from __future__ import annotations

import math
from typing import Any

from .. import ir
from ..errors import UnsupportedError
from ..transform.bounds import Bounds
from .calls import CallPrinter
from .functions import base_name, find_function
from .literals import float_literal, int_literal, string_literal
from .names import Names
from .strength import ADD, AND, BIT_AND, BIT_OR, BIT_XOR, COND, EQUAL, MUL, OR, PRIMARY, RELATION, SHIFT, UNARY
from .types import PROMOTED_INTEGERS, STANDARD, is_float, is_integer, is_vector, type_name
from .wgmma_use import WgmmaUse

_COMPARISONS = {
    ir.EQ: ("==", EQUAL),
    ir.NE: ("!=", EQUAL),
    ir.LT: ("<", RELATION),
    ir.LE: ("<=", RELATION),
    ir.GT: (">", RELATION),
    ir.GE: (">=", RELATION),
}
_BITS = {ir.BitwiseAnd: ("&", BIT_AND), ir.BitwiseOr: ("|", BIT_OR), ir.BitwiseXor: ("^", BIT_XOR)}
_SIGNED = frozenset(("int8", "int16", "int32", "int64"))


# Functions that take a vector as one value.
WHOLE_VECTORS = frozenset(
    (
        "tl.lane",
        "tl.pack",
        "tl.store_as",
        "tl.atomic_add_lanes",
        "tl.atomic_fetch_add_lanes",
        "tl.shfl",
        "tl.shfl_xor",
        "tl.shfl_up",
        "tl.shfl_down",
    )
)


def _has_lanes(expr: Any) -> bool:
    return isinstance(expr, ir.Expr) and hasattr(expr.ty, "dtype") and is_vector(ir.dtype_of(expr))


def _is_widening(expr: Any) -> bool:
    return isinstance(expr, ir.Cast) and ir.dtype_of(expr) == "int64" and ir.dtype_of(expr.value) == "int32"


class ExprPrinter(CallPrinter):
    """Prints expressions; collects the headers that their functions need.

    Parameters
    ----------
    names : Names
        Identifiers of scalar and buffer variables.
    bounds : Bounds
        Ranges of the variables in scope: they decide whether `/` may stand for floor division.
    fast_math : bool
        Approximate functions and division for float32 and narrower.
    num_threads : int
        Threads of the block.
    """

    def __init__(self, names: Names, bounds: Bounds, fast_math: bool = False, num_threads: int = 0) -> None:
        self.names, self.bounds, self.fast_math, self.num_threads = names, bounds, fast_math, num_threads
        self.headers: set[str] = {"tl/core.h"}
        self.wgmma = WgmmaUse()
        self.span: Any = None  # of the statement under way, for errors
        self._methods: dict[type, Any] = {}

    # ------------------------------------------------------------------ entry points

    def text(self, expr: Any, context: int = COND) -> str:
        """The text of an expression, in parentheses if it binds looser than `context`."""
        text, strength = self.render(expr)
        return text if strength >= context else f"({text})"

    def render(self, expr: Any) -> tuple[str, int]:
        """The text of an expression and its binding strength."""
        kind = type(expr)
        method = self._methods.get(kind)
        if method is None:
            method = self._methods[kind] = getattr(self, f"_{kind.__name__}", None) or self._by_group(kind)
        return method(expr)

    def _by_group(self, kind: type) -> Any:
        if kind in _COMPARISONS:
            return self._comparison
        if kind in _BITS:
            return self._bitwise
        return self._unknown

    def _unknown(self, expr: Any) -> tuple[str, int]:
        raise UnsupportedError(
            f"{type(expr).__name__} expressions cannot be written as device code: {expr}",
            fix="this is a defect of the compiler if the kernel is ordinary; please report it",
            span=self.source(expr),
        )

    def source(self, node: Any = None) -> Any:
        """The user's place of a node, or of the statement around it."""
        span = getattr(node, "span", None)
        return ir.span_to_source(span if span is not None else self.span)

    def use(self, header: str) -> None:
        self.headers.add(header)

    # ------------------------------------------------------------------ leaves

    def _IntImm(self, expr: ir.IntImm) -> tuple[str, int]:
        text = int_literal(int(expr.value), ir.dtype_of(expr))
        return text, UNARY if text.startswith("-") else PRIMARY

    def _FloatImm(self, expr: ir.FloatImm) -> tuple[str, int]:
        text = float_literal(expr.value, ir.dtype_of(expr))
        if not math.isfinite(expr.value):
            self.use("tl/limits.h")
        return text, UNARY if text.startswith("-") else PRIMARY

    def _StringImm(self, expr: ir.StringImm) -> tuple[str, int]:
        return string_literal(str(expr.value)), PRIMARY

    def _Var(self, expr: ir.Var) -> tuple[str, int]:
        if expr not in self.names:
            raise UnsupportedError(
                f"the variable `{expr.name}` is used outside the statement that defines it",
                fix="define it before the use, at the same or an outer level",
                span=self.source(expr),
            )
        return self.names[expr], PRIMARY

    def element(self, buf: ir.Var, index: Any) -> tuple[str, int]:
        """An element of a flat buffer; a scalar buffer is the variable itself."""
        name, _ = self._Var(buf)
        if ir.scope_of(buf) == "local.var":
            return name, PRIMARY
        return f"{name}[{self.text(index)}]", PRIMARY

    def _TensorLoad(self, expr: ir.BufferLoad) -> tuple[str, int]:
        return self.element(expr.source, expr.indices[0])

    # ------------------------------------------------------------------ arithmetic

    def _operand(self, expr: Any, other: Any, context: int) -> str:
        """One side of a binary operator: its integer constant needs no type if the other side has it."""
        value = ir.const_int(expr)
        if value is not None and ir.const_int(other) is None and is_integer(dtype := ir.dtype_of(expr)):
            text = int_literal(value, dtype, bare=True)
            return f"({text})" if text.startswith("-") and context > UNARY else text
        return self.text(expr, context)

    def _narrowed(self, text: str, strength: int, dtype: str) -> tuple[str, int]:
        """C++ computes small integers as int: cut the result back."""
        return (f"{type_name(dtype)}({text})", PRIMARY) if dtype in PROMOTED_INTEGERS else (text, strength)

    def _infix(self, expr: Any, symbol: str, strength: int, regroup: tuple[type, ...] = ()) -> tuple[str, int]:
        dtype = ir.dtype_of(expr)
        right = strength if regroup and is_integer(dtype) and isinstance(expr.b, regroup) else strength + 1
        b = expr.b
        if _is_widening(b) and ir.const_int(expr.a) is None:  # the left side is int64 already: C++ converts this one
            b = b.value
            right = strength if regroup and isinstance(b, regroup) else strength + 1
        text = f"{self._operand(expr.a, expr.b, strength)} {symbol} {self._operand(b, expr.a, right)}"
        return self._narrowed(text, strength, dtype)

    def _Add(self, expr: ir.Add) -> tuple[str, int]:
        value = ir.const_number(expr.b)
        if (
            value is not None
            and -(2**31) < value < 0
            and ir.dtype_of(expr) in _SIGNED
            and ir.dtype_of(expr) not in PROMOTED_INTEGERS
        ):
            return f"{self.text(expr.a, ADD)} - {-int(value)}", ADD
        return self._infix(expr, "+", ADD, (ir.Add, ir.Sub))

    def _Sub(self, expr: ir.Sub) -> tuple[str, int]:
        return self._infix(expr, "-", ADD)

    def _Mul(self, expr: ir.Mul) -> tuple[str, int]:
        return self._infix(expr, "*", MUL, (ir.Mul,))

    def _Div(self, expr: ir.Div) -> tuple[str, int]:
        if self.fast_math and ir.dtype_of(expr) != "float64" and is_float(ir.dtype_of(expr)):
            self.use("tl/math.h")
            return f"tl::fast_div({self.text(expr.a)}, {self.text(expr.b)})", PRIMARY
        return self._infix(expr, "/", MUL)

    def _Mod(self, expr: ir.Mod) -> tuple[str, int]:
        if is_float(ir.dtype_of(expr)):
            return self._call_function("tirx.fmod", [expr.a, expr.b], expr)
        return self._infix(expr, "%", MUL)

    def _plain_division(self, expr: Any) -> bool:
        """True if C++'s division rounds as floor division does here."""
        if ir.dtype_of(expr).startswith("uint"):
            return True
        return self.bounds.nonnegative(expr.a) and self.bounds.of(expr.b)[0] > 0

    def _FloorDiv(self, expr: ir.FloorDiv) -> tuple[str, int]:
        if is_float(ir.dtype_of(expr)):
            self.use("tl/math.h")
            return f"tl::floor({self.text(expr.a, MUL)} / {self.text(expr.b, UNARY)})", PRIMARY
        return self._infix(expr, "/", MUL) if self._plain_division(expr) else self._core("floordiv", expr)

    def _FloorMod(self, expr: ir.FloorMod) -> tuple[str, int]:
        if is_float(ir.dtype_of(expr)):
            raise UnsupportedError("% of floating numbers has no device function", fix="use T.fmod(a, b)", span=self.source(expr))
        return self._infix(expr, "%", MUL) if self._plain_division(expr) else self._core("floormod", expr)

    def _core(self, name: str, expr: Any) -> tuple[str, int]:
        if is_vector(ir.dtype_of(expr)) and name not in ("min", "max"):
            return self._lanewise(f"tl::{name}", [expr.a, expr.b])
        return f"tl::{name}({self.text(expr.a)}, {self.text(expr.b)})", PRIMARY

    def _Min(self, expr: ir.Min) -> tuple[str, int]:
        return self._core("min", expr)

    def _Max(self, expr: ir.Max) -> tuple[str, int]:
        return self._core("max", expr)

    # ------------------------------------------------------------------ bits and logic

    def _bitwise(self, expr: Any) -> tuple[str, int]:
        symbol, strength = _BITS[type(expr)]
        dtype = ir.dtype_of(expr)
        sides = []
        for side, other in ((expr.a, expr.b), (expr.b, expr.a)):
            # Few readers know how bit operators bind: only a chain of the same one goes without parentheses.
            sides.append(self._operand(side, other, strength if type(side) is type(expr) else UNARY))
        return (
            self._narrowed(f" {symbol} ".join(sides), strength, dtype)
            if dtype != "bool"
            else (f"bool({f' {symbol} '.join(sides)})", PRIMARY)
        )

    def _shift(self, expr: Any, symbol: str, name: str) -> tuple[str, int]:
        dtype, amount = ir.dtype_of(expr), ir.const_int(expr.b)
        if is_vector(dtype):
            return self._core(name, expr)
        # C++ leaves shifts by less than 0 or by the width undefined; tl::shr and tl::shl do what PTX does.
        low, high = (amount, amount) if amount is not None else self.bounds.of(expr.b)
        if low < 0 or high >= int(dtype.lstrip("uint") or 0) or (amount is None and symbol == "<<"):
            return self._core(name, expr)
        by = str(amount) if amount is not None else self.text(expr.b, UNARY)
        return self._narrowed(f"{self.text(expr.a, UNARY)} {symbol} {by}", SHIFT, dtype)

    def _LShift(self, expr: ir.LShift) -> tuple[str, int]:
        return self._shift(expr, "<<", "shl")

    def _RShift(self, expr: ir.RShift) -> tuple[str, int]:
        return self._shift(expr, ">>", "shr")

    def _BitwiseNot(self, expr: ir.BitwiseNot) -> tuple[str, int]:
        return self._narrowed("~" + self.text(expr.a, UNARY), UNARY, ir.dtype_of(expr))

    def _comparison(self, expr: Any) -> tuple[str, int]:
        symbol, strength = _COMPARISONS[type(expr)]
        b = expr.b.value if _is_widening(expr.b) and ir.const_int(expr.a) is None else expr.b
        return f"{self._operand(expr.a, expr.b, SHIFT)} {symbol} {self._operand(b, expr.a, SHIFT)}", strength

    def _And(self, expr: ir.And) -> tuple[str, int]:
        return f"{self.text(expr.a, AND)} && {self.text(expr.b, AND)}", AND

    def _Or(self, expr: ir.Or) -> tuple[str, int]:
        sides = [self.text(s, OR if isinstance(s, ir.Or) else BIT_OR) for s in (expr.a, expr.b)]
        return " || ".join(sides), OR

    def _Not(self, expr: ir.Not) -> tuple[str, int]:
        return "!" + self.text(expr.a, UNARY), UNARY

    def _choice(self, condition: Any, yes: Any, no: Any) -> tuple[str, int]:
        if is_vector(ir.dtype_of(condition)):
            self.use("tl/vector.h")
            return self.called("tl::select", [condition, yes, no])
        return f"{self.text(condition, OR)} ? {self.text(yes, OR)} : {self.text(no)}", COND

    def _Select(self, expr: ir.Select) -> tuple[str, int]:
        return self._choice(expr.condition, expr.true_value, expr.false_value)

    def _Let(self, expr: ir.Let) -> tuple[str, int]:
        return self.render(ir.substitute(expr.body, {expr.var: expr.value}))

    # ------------------------------------------------------------------ conversions

    def _Cast(self, expr: ir.Cast) -> tuple[str, int]:
        to, origin = ir.dtype_of(expr), ir.dtype_of(expr.value)
        if to == origin:
            return self.render(expr.value)
        if is_vector(to):
            self.use("tl/vector.h")
            return f"tl::cast_lanes<{type_name(to.partition('x')[0], self.source(expr))}>({self.text(expr.value)})", PRIMARY
        widening = (
            is_integer(to)
            and (is_integer(origin) or origin == "bool")
            or (is_float(to) and to in STANDARD and origin in STANDARD)
        )
        if widening:  # C++ converts these as we mean it
            return f"{type_name(to, self.source(expr))}({self.text(expr.value)})", PRIMARY
        value = self.text(expr.value)
        if origin in ("int32", "uint32") and is_float(to) and self._exact_in_float(expr.value):
            value = f"float({value})"  # rounds once: wider integers take a detour to avoid rounding twice
        return f"tl::cast<{type_name(to, self.source(expr))}>({value})", PRIMARY

    def _exact_in_float(self, expr: Any) -> bool:
        low, high = self.bounds.of(expr)
        return -(2**24) <= low and high <= 2**24

    # ------------------------------------------------------------------ vectors

    def _Broadcast(self, expr: ir.Broadcast) -> tuple[str, int]:
        self.use("tl/vector.h")
        return f"tl::broadcast<{ir.const_int(expr.lanes)}>({self.text(expr.value)})", PRIMARY

    def _Ramp(self, expr: ir.Ramp) -> tuple[str, int]:
        self.use("tl/vector.h")
        return f"tl::ramp<{ir.const_int(expr.lanes)}>({self.text(expr.base)}, {self.text(expr.stride)})", PRIMARY

    def _lanewise(self, function: str, args: list[Any]) -> tuple[str, int]:
        """A function of scalars, for each lane of its arguments."""
        self.use("tl/vector.h")
        lanes = next(ir.dtype_of(a).partition("x")[2] for a in args if _has_lanes(a))
        texts = [self.argument(a) if _has_lanes(a) else f"tl::broadcast<{lanes}>({self.argument(a)})" for a in args]
        # Of named types: NVRTC takes a generic lambda for a function of the host.
        names = [f"x{i}" for i in range(len(args))]
        types = [type_name(ir.dtype_of(a).partition("x")[0], self.source(a)) for a in args]
        parameters = ", ".join(f"{t} {x}" for t, x in zip(types, names))
        return self.called("tl::lanewise", [], f"[]({parameters}) {{ return {function}({', '.join(names)}); }}", *texts)

    # ------------------------------------------------------------------ calls

    def _Call(self, expr: ir.Call) -> tuple[str, int]:
        op = ir.call_name(expr)
        special = getattr(self, "_op_" + base_name(op), None)
        return special(expr) if special is not None else self._call_function(op, list(ir.items(expr.args)), expr)

    def _call_function(self, op: str, args: list[Any], expr: Any) -> tuple[str, int]:
        fast = self.fast_math and is_float(ir.dtype_of(expr)) and ir.dtype_of(expr) != "float64"
        function = find_function(op, fast)
        if function is None:
            raise UnsupportedError(
                f"the operator {op!r} has no device function",
                fix="use another operator, or T.call_extern with your own function",
                span=self.source(expr),
            )
        self.use(function.header)
        template = self.template_of(expr) if isinstance(expr, ir.Call) else []
        text = function.text + (f"<{', '.join(template)}>" if template else "")
        if isinstance(expr, ir.Call) and ir.call_name(expr) not in WHOLE_VECTORS and any(_has_lanes(a) for a in args):
            return self._lanewise(text, args)
        return self.called(text, args)

    def argument(self, expr: Any) -> str:
        """One argument of a call; a buffer stands for its address."""
        if isinstance(expr, ir.BufferRegion):
            raise UnsupportedError(
                f"a region of `{expr.source.name}` is passed to a device function as a whole",
                fix="pass an address",
                span=self.source(expr),
            )
        return self.text(expr)

    def _op_address_of(self, expr: ir.Call) -> tuple[str, int]:
        load = expr.args[0]
        name, _ = self._Var(load.source)
        if ir.scope_of(load.source) in ("local.var", "tensor_map"):
            return f"&{name}", UNARY
        if ir.const_int(load.indices[0]) == 0:
            return name, PRIMARY
        return f"{name} + {self.text(load.indices[0], ADD)}", ADD
