"""Values of expressions, for all lanes at once."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilelang import ir
from tilelang.interpreter.dtypes import cast
from tilelang.interpreter.effects import EFFECTS
from tilelang.interpreter.functions import find_function
from tilelang.interpreter.memory import gather
from tilelang.interpreter.state import State, refuse

if TYPE_CHECKING:
    from tilelang.interpreter.machine import Machine


def _floor_divide(a: Any, b: Any) -> Any:
    return np.floor_divide(a, b)


def _divide(a: Any, b: Any) -> Any:
    if np.asarray(a).dtype.kind not in "iu":
        return np.divide(a, b)
    quotient = np.floor_divide(a, b)  # of integers: towards zero
    return quotient + ((np.remainder(a, b) != 0) & ((np.asarray(a) < 0) != (np.asarray(b) < 0)))


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ir.Add: np.add,
    ir.Sub: np.subtract,
    ir.Mul: np.multiply,
    ir.Div: _divide,
    ir.Mod: np.fmod,
    ir.FloorDiv: _floor_divide,
    ir.FloorMod: np.remainder,
    ir.Min: np.fmin,
    ir.Max: np.fmax,
    ir.EQ: operator.eq,
    ir.NE: operator.ne,
    ir.LT: operator.lt,
    ir.LE: operator.le,
    ir.GT: operator.gt,
    ir.GE: operator.ge,
    ir.BitwiseAnd: np.bitwise_and,
    ir.BitwiseOr: np.bitwise_or,
    ir.BitwiseXor: np.bitwise_xor,
    ir.LShift: np.left_shift,
    ir.RShift: np.right_shift,
}


def base_name(call: Any) -> str:
    """A call's operator without its dialect."""
    return ir.call_name(call).partition(".")[2]


class Evaluator:
    """Evaluates expressions in a state."""

    def __init__(self, state: State, machine: Machine) -> None:
        self.state, self.machine = state, machine

    def __call__(self, expr: Any) -> Any:
        """A NumPy scalar, or an array with one entry a lane, of the expression's dtype."""
        kind = type(expr)
        if kind is ir.IntImm or kind is ir.FloatImm:
            return cast(expr.value, ir.dtype_of(expr))
        if kind is ir.Var:
            try:
                return self.state.values[expr]
            except KeyError:
                raise refuse(f"`{expr.name}`, which has no value here,", self.state.place) from None
        if kind in _BINARY:
            return cast(_BINARY[kind](self(expr.a), self(expr.b)), ir.dtype_of(expr))
        if kind is ir.And or kind is ir.Or:
            return self._logical(expr, kind is ir.And)
        if kind is ir.Cast:
            return cast(self(expr.value), ir.dtype_of(expr))
        if kind is ir.BufferLoad:
            return self.load(expr)
        if kind is ir.Call:
            return self._call(expr)
        if kind is ir.Not:
            return np.logical_not(self(expr.a))
        if kind is ir.BitwiseNot:
            return np.invert(self(expr.a))
        if kind is ir.Select:
            return self._select(expr.condition, expr.true_value, expr.false_value)
        if kind is ir.Let:
            self.state.values[expr.var] = self(expr.value)
            return self(expr.body)
        raise refuse(f"the expression {expr}", self.state.place)

    def integer(self, expr: Any, what: str) -> int:
        """A value that all lanes agree on."""
        return int(self.state.uniform(self(expr), what))

    def load(self, expr: Any) -> Any:
        """An element of a buffer."""
        state, buf = self.state, expr.source
        array = state.arrays[buf]
        index = tuple(self(i) for i in expr.indices)
        if not state.private(buf):
            return gather(array, index)
        if state.lanes == "thread":
            return gather(array[state.thread], index)
        if state.lanes == "threads":
            found = gather(array, (np.arange(state.threads), *index))
            # Values that all threads share stay scalars, so that they may decide what the whole block does.
            return found.flat[0] if (found == found.flat[0]).all() else found
        first = gather(array[0], index)  # iterations of T.Parallel belong to no thread
        if not (array == array[0]).all():
            raise refuse(f"`{buf.name}`, which differs between threads, read in T.Parallel,", state.place)
        return first

    def _logical(self, expr: Any, both: bool) -> Any:
        left = self(expr.a)
        if np.ndim(left) == 0:
            return self(expr.b) if bool(left) == both else np.bool_(not both)
        with self.state.masked(left if both else np.logical_not(left)):
            right = self(expr.b)
        return np.logical_and(left, right) if both else np.logical_or(left, right)

    def _select(self, condition: Any, yes: Any, no: Any) -> Any:
        chosen = self(condition)
        if np.ndim(chosen) == 0:
            return self(yes if chosen else no)
        with self.state.masked(chosen):
            first = self(yes)
        with self.state.masked(np.logical_not(chosen)):
            second = self(no)
        return np.where(chosen, first, second)

    def _call(self, call: Any) -> Any:
        name = base_name(call)
        if name == "if_then_else":
            return self._select(*call.args)
        if name == "reinterpret":
            from tilelang.interpreter.dtypes import numpy_dtype

            return np.asarray(self(call.args[0])).view(numpy_dtype(ir.dtype_of(call)))[()]
        if name in EFFECTS:
            return EFFECTS[name](self.machine, call, True)
        function = find_function(name)
        if function is None:
            raise refuse(f"T.{name}", self.state.place)
        return cast(function(*(self(a) for a in call.args)), ir.dtype_of(call))
