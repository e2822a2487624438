"""What the rewritten function calls: one method for each construct, on the current builder."""

from __future__ import annotations

import builtins
import functools
import operator
from collections.abc import Callable, Iterable
from typing import Any

from .._lazy import ir
from ..errors import FrontendError
from ..language.buffer import Buffer, Element, MutableScalar, Region, TypeErrorInKernel
from ..language.dtypes import dtype
from ..language.emit import drop_result, snapshot, statement
from ..language.expr import Expr, as_condition, convert, from_tvm, is_tvm_value, logical, logical_not
from ..language.kernel import Context
from ..language.loops import Loop, serial
from ..language.scheduler import PersistentLoop
from ..language.select import if_then_else
from ..language.select import max as larger
from ..language.select import min as smaller
from ..language.tensor import TensorType
from ..language.tvm_frames import BoundAxis, ThreadLoop, launch_thread
from .branches import Branch
from .builder import Builder, require
from .iteration import DeviceLoop, HostLoop, TracedLoop, WhileLoop, launch_counts
from .names import Poison, Undeclared, unbound
from .source import Source

_BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "//": operator.floordiv, "%": operator.mod,
    "**": operator.pow, "<<": operator.lshift, ">>": operator.rshift, "&": operator.and_, "|": operator.or_, "^": operator.xor,
    "@": operator.matmul,
}  # fmt: skip
_IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {"+": operator.iadd, "|": operator.ior, "*": operator.imul, "-": operator.isub,
                                                   "&": operator.iand, "^": operator.ixor}  # fmt: skip
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge, "==": operator.eq, "!=": operator.ne,
    "is": operator.is_, "is not": operator.is_not, "in": lambda a, b: a in b, "not in": lambda a, b: a not in b,
}  # fmt: skip


class Hooks:
    """The hooks of one function; `source` turns the numbers of places into spans."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.spans = source.spans

    def error(self, message: str, fix: str, place: int, kind: type[FrontendError] = FrontendError) -> FrontendError:
        return kind(message, fix=fix, span=self.spans[place])

    def at(self, place: int) -> None:
        require("a statement").place = self.spans[place]

    # -- names --------------------------------------------------------------------------------------------------------
    def enter(self) -> int:
        """The nesting depth at which this activation starts, for `ret`."""
        return len(require("a kernel function").frames)

    unbound = staticmethod(unbound)

    def argument(self, value: Any, name: str) -> Any:
        """A parameter of a nested function or macro: by value."""
        return snapshot(value, name)

    def read(self, value: Any, name: str, place: int) -> Any:
        if isinstance(value, Poison) and not isinstance(value, Undeclared):
            raise self.error(*value.explain(name), place)
        return value

    def hint(self, names: tuple[str, ...]) -> None:
        require("an assignment").pending = [n for n in names if n != "_"]

    def value(self, value: Any, place: int) -> Any:
        if isinstance(value, (Loop, Context)):
            raise self.error(f"{_what(value)} as a value", "use it in a for or with statement", place)
        return value

    def assign(self, name: str, old: Any, value: Any, fresh: bool, place: int) -> Any:
        """What the name is bound to: stores if it is a mutable scalar, binds what would change or cost."""
        builder = require("an assignment")
        if isinstance(value, Loop) and value.kind == "bound":
            value = BoundAxis(value)
        if isinstance(value, (launch_thread, BoundAxis)):
            value = builder.enter(value, [name])
        self.value(value, place)
        if isinstance(value, Poison):
            raise self.error(*value.explain(name), place)
        is_new = fresh and isinstance(value, MutableScalar) and value.fresh
        if is_new:
            value.fresh = False
        elif isinstance(old, MutableScalar):
            if isinstance(value, (Expr, int, float, bool)) or (isinstance(value, Region) and old.dtype.lanes > 1):
                old.store(value)
                builder.pending = []
                return old
            raise self.error(
                f"{name} is a scalar made by T.alloc_var; it cannot become {_what(value)}", "use another name", place
            )
        else:
            value = _snapshot_items(value, name) if fresh else snapshot(value, name)
        builder.pending = []
        return value

    def named(self, name: str, old: Any, value: Any, fresh: bool, place: int) -> Any:
        """`name := value`, inside the assignment under way."""
        builder = require("an assignment")
        held, builder.pending = builder.pending, [name]
        found = self.assign(name, old, value, fresh, place)
        builder.pending = held
        return found

    def typed(self, value: Any, annotation: Callable[[], Any], place: int) -> Any:
        """`x: T.float32 = value` converts; other annotations are Python's business."""
        kind = annotation()
        if isinstance(kind, dtype) and isinstance(value, (Expr, int, float, bool)) and not isinstance(value, MutableScalar):
            return convert(value, kind)
        if isinstance(kind, TensorType):
            raise self.error("a T.Tensor annotation with a value", "annotate the parameter alone: A: T.Tensor(...)", place)
        return value

    def declare(self, name: str, old: Any, annotation: Callable[[], Any], place: int) -> Any:
        """`A: T.Tensor(...)` in the body of an eager function declares its parameter A."""
        builder = require("an annotation")
        kind = annotation()
        if isinstance(kind, TensorType):
            declare = builder.attributes.get("declare")
            if declare is None:
                raise self.error(
                    f"{name}: T.Tensor(...) in the body", "in a @T.prim_func annotate the parameter in the signature", place
                )
            return declare(name, kind, self.spans[place])
        return old

    def unpack(self, value: Any, count: int, star: int, place: int) -> tuple:
        """The values for a tuple target, taken before any of them is assigned."""
        if isinstance(value, (Expr, Buffer, Region)):
            raise self.error(f"cannot unpack {_what(value)} into {count} names", "assign it to one name", place)
        try:
            values = list(value)
        except TypeError:
            raise self.error(f"cannot unpack {_what(value)} into {count} names", "assign a tuple or list", place) from None
        if star >= 0:
            tail = count - star - 1
            if len(values) < count - 1:
                raise self.error(f"{len(values)} values for at least {count - 1} names", "give as many values as names", place)
            end = len(values) - tail
            values = [*values[:star], values[star:end], *values[end:]]
        if len(values) != count:
            raise self.error(f"{len(values)} values for {count} names", "give as many values as names", place)
        pending = require("an assignment")
        held, pending.pending = pending.pending, []
        names = held if len(held) == count else ["v"] * count
        out = tuple(v if isinstance(v, MutableScalar) and v.fresh else snapshot(v, n) for v, n in zip(values, names, strict=True))
        pending.pending = []
        return out

    def setitem(self, target: Any, index: Any, value: Any, place: int) -> None:
        require("an assignment").pending = []
        if isinstance(target, (Buffer, Region, MutableScalar)):
            target[index] = value
        elif isinstance(target, (list, dict)):
            held = target[index] if not isinstance(target, dict) or index in target else None
            if isinstance(held, MutableScalar) and not isinstance(value, MutableScalar):
                held.store(value)
            else:
                self.host_change(f"an entry of a Python {type(target).__name__}", place)
                target[index] = snapshot(value)
        else:
            raise self.error(f"cannot assign to an index of {_what(target)}", "index a buffer", place)

    def host_change(self, what: str, place: int) -> None:
        """Changing Python data inside device control flow would happen once, whatever the device does."""
        if require("an assignment").symbolic_depth():
            raise self.error(
                f"{what} changes inside a loop or branch that runs on the device",
                "use T.alloc_var, T.alloc_local or a tile",
                place,
            )

    def aug(self, name: str, old: Any, op: str, value: Any, place: int) -> Any:
        if isinstance(old, Buffer):
            raise self.error(
                f"{name} {op}= changes a whole buffer", f"loop over its elements: {name}[i] {op}= ..., or slice it", place
            )
        if isinstance(old, Region):
            old.store(_BINARY[op](old, value))
            return old
        if isinstance(old, (list, dict, set)):
            self.host_change(f"the Python {type(old).__name__} {name}", place)
            return _IN_PLACE[op](old, value)
        result = _BINARY[op](old, value)
        if isinstance(old, MutableScalar):
            old.store(result)
            return old
        return snapshot(result, name)

    def augitem(self, target: Any, index: Any, op: str, value: Callable[[], Any], place: int) -> None:
        if isinstance(target, (Buffer, Region, MutableScalar)):
            element = target[index]
            if isinstance(element, Element):
                element = Element(element.buffer, tuple(snapshot(i) for i in element.indices))
            elif isinstance(element, Region):
                element = snapshot(element)
            element.store(_BINARY[op](element, value()))
            return
        self.setitem(target, index, _BINARY[op](target[index], value()), place)

    def setattribute(self, target: Any, name: str, value: Any, place: int) -> None:
        """`state.name = value` of a T.meta_class: a store where the attribute is a mutable scalar."""
        if not getattr(type(target), "tl_meta_class", False):
            raise self.error(
                "assignment to an attribute", "objects of the host are constants in a kernel; write to a buffer", place
            )
        old = getattr(target, name, None)
        new = self.assign(name, old, value, False, place)
        if new is not old:
            self.host_change(f"the attribute {name}", place)
            setattr(target, name, new)

    def augattribute(self, target: Any, name: str, op: str, value: Any, place: int) -> None:
        if isinstance(old := getattr(target, name), Buffer):
            self.aug(name, old, op, value, place)
        self.setattribute(target, name, _BINARY[op](old, value), place)

    # -- expressions --------------------------------------------------------------------------------------------------
    def expr(self, value: Any, place: int) -> None:
        """An expression statement."""
        builder = require("a statement")
        builder.pending = []
        if isinstance(value, (Loop, Context)):
            raise self.error(f"{_what(value)} alone has no effect", "use it in a for or with statement", place)
        if (isinstance(value, MutableScalar) and value.fresh) or drop_result(builder, value):
            return
        if (
            isinstance(value, Expr)
            and not isinstance(value, Element)
            and value.constant() is None
            and not isinstance(value.node, ir.Var)
        ):
            builder.emit(ir.evaluate(value.node, builder.span()))

    slice = staticmethod(lambda start, stop, step: slice(start, stop, step))

    def _delayed(self, thunk: Callable[[], Any], what: str, place: int) -> Any:
        """A part that Python evaluates only sometimes: it must not emit statements, which would always run."""
        builder = require(what)
        before = builder.marker()
        value = thunk()
        if builder.marker() != before:
            raise self.error(
                f"{what} emits statements (a store, an atomic, a shuffle or a macro call), which would run in any case",
                "write an if statement",
                place,
            )
        return value

    def boolop(self, op: str, place: int, first: Any, *rest: Callable[[], Any]) -> Any:
        result = first
        for thunk in rest:
            known = self.known(result, place)
            if known is None:
                other = self._delayed(thunk, f"the right side of `{op}`", place)
                truth = self.known(other, place)
                if truth is None:
                    result = logical(op, result, other)
                elif truth == (op == "or"):  # `x or True`, `x and False`
                    return truth
                else:
                    result = as_condition(result)
            elif known == (op == "or"):
                return result
            else:
                result = thunk()
        return result

    def known(self, value: Any, place: int) -> bool | None:
        """Python's truth of a value, or None if only the device knows it."""
        if isinstance(value, Poison):
            raise self.error(*value.explain("the value"), place)
        if isinstance(value, (Buffer, Region)):
            raise self.error(f"{_what(value)} as a condition", "compare one element", place, TypeErrorInKernel)
        if isinstance(value, (Loop, Context)):
            raise self.error(f"{_what(value)} as a condition", "compare values", place, TypeErrorInKernel)
        if is_tvm_value(value):
            value = from_tvm(value)
        if isinstance(value, Expr):
            constant = value.constant()
            return None if constant is None else bool(constant)
        return bool(value)

    def not_(self, value: Any, place: int) -> Any:
        known = self.known(value, place)
        return logical_not(value) if known is None else not known

    def chain(self, ops: tuple[str, ...], place: int, first: Any, *rest: Callable[[], Any]) -> Any:
        """`a < b <= c`: each operand once."""
        result: Any = True
        left = first
        for op, thunk in zip(ops, rest, strict=True):
            right = thunk() if result is True else self._delayed(thunk, "a chained comparison", place)
            one = _COMPARE[op](left, right)
            known = self.known(one, place)
            if known is False:
                return False
            if known is None:
                result = one if result is True else logical("and", result, one)
            left = right
        return result

    def ifexp(self, test: Any, yes: Callable[[], Any], no: Callable[[], Any], place: int) -> Any:
        known = self.known(test, place)
        if known is not None:
            return yes() if known else no()
        a = self._delayed(yes, "a side of a conditional expression", place)
        b = self._delayed(no, "a side of a conditional expression", place)
        for side in (a, b):
            if not isinstance(side, (Expr, int, float, bool)):
                raise self.error(
                    f"a conditional expression on the device with {_what(side)}", "both sides must be scalar values", place
                )
        return if_then_else(test, a, b)

    # -- control ------------------------------------------------------------------------------------------------------
    def if_(self, test: Any, names: tuple[str, ...], place: int) -> Branch:
        return Branch(require("if"), test, self.known(test, place), names, self.spans[place])

    def range(self, callee: Any, *args: Any) -> Any:
        return serial(*args) if callee is builtins.range else callee(*args)

    def extreme(self, callee: Any, *values: Any) -> Any:
        """min(a, b) and max(a, b), also of values that only the device knows."""
        pick = smaller if callee is builtins.min else larger if callee is builtins.max else None
        if pick is None or not any(isinstance(v, Expr) and v.constant() is None for v in values):
            return callee(*values)
        return functools.reduce(pick, values)

    def for_(self, iterable: Any, hints: tuple[str, ...], names: tuple[str, ...], place: int) -> Any:
        builder = require("for")
        span = self.spans[place]
        if isinstance(iterable, builtins.range):
            iterable = serial(iterable.start, iterable.stop, iterable.step)
        if isinstance(iterable, Loop):
            if iterable.kind == "bound":
                return ThreadLoop(iterable)
            if iterable.kind == "persistent":
                iterable = PersistentLoop(builder, iterable, hints)
                return TracedLoop(iterable, span)
            counts = launch_counts(builder, iterable)
            if counts is not None:
                return HostLoop(builder, counts, names)
            return DeviceLoop(builder, iterable, hints, names, span)
        if isinstance(iterable, (Expr, Buffer, Region, Context, str, bytes)) or not isinstance(iterable, Iterable):
            raise self.error(
                f"cannot loop over {_what(iterable)}",
                "loop over range, T.serial, T.Parallel, T.Pipelined, T.unroll, T.vectorized, T.grid, or a Python list or tuple",
                place,
                TypeErrorInKernel,
            )
        return HostLoop(builder, iterable, names)

    def loop_target(self, old: Any, item: Any, place: int) -> Any:
        if isinstance(old, MutableScalar):
            raise self.error("the loop variable is a scalar made by T.alloc_var", "use another name", place)
        return item

    def while_(self, names: tuple[str, ...], place: int) -> WhileLoop:
        return WhileLoop(require("while"), names, self, place)

    def _innermost(self, what: str, place: int) -> tuple[Builder, Any]:
        builder = require(what)
        crossed = None
        for frame in reversed(builder.frames):
            if frame.kind in ("for", "while"):
                return builder, frame
            if frame.kind == "unrolled":
                if crossed is not None:
                    raise self.error(
                        f"{what} of a loop that runs at trace time, inside a condition that only the device knows",
                        "loop with range or T.serial instead of over a Python list",
                        place,
                    )
                return builder, frame
            crossed = frame
        raise self.error(f"{what} outside a loop", "remove it", place)

    def break_(self, place: int) -> bool:
        return self._leave("break", ir.Break if require("break").recording else None, place)

    def continue_(self, place: int) -> bool:
        return self._leave("continue", ir.Continue if require("continue").recording else None, place)

    def _leave(self, what: str, make: Any, place: int) -> bool:
        """True if Python's own break or continue must follow."""
        builder, frame = self._innermost(what, place)
        if frame.kind == "unrolled":
            return True
        loop = frame.data.get("loop")
        if loop is not None and (loop.kind == "vectorized" or (loop.kind == "parallel" and what == "break")):
            raise self.error(f"{what} in {loop.what}, whose iterations have no order", "guard the statements with if", place)
        if what == "break" and loop is not None and len(loop.ranges) > 1:
            raise self.error(f"break of {loop.what} with several loop variables", "nest single loops", place)
        builder.emit(make(builder.span()))
        builder.blocks[-1].dead = True
        return False

    def with_(self, context: Any, hints: tuple[str, ...], several: bool, place: int) -> Any:
        if not isinstance(context, Context):
            raise self.error(
                f"with {_what(context)}",
                "T.Kernel, T.launch_thread, T.If and their like open with blocks in a kernel",
                place,
                TypeErrorInKernel,
            )
        return _Opened(context, list(hints), several)

    def ret(self, value: Any, entry: int, kind: str, place: int) -> Any:
        builder = require("return")
        inner = [f for f in builder.frames[entry:] if f.kind in ("if", "for", "while")]
        if inner:
            raise self.error(
                f"return inside {inner[-1].what}, which runs on the device",
                "return at the end; guard the statements with if",
                place,
            )
        if kind == "prim_func":
            return value
        return _returned(value)

    def raise_(self, entry: int, place: int) -> None:
        if require("raise").symbolic_depth():
            raise self.error(
                "raise inside a loop or branch that runs on the device", "use T.device_assert(condition, message)", place
            )

    def assert_(self, test: Any, message: Callable[[], Any], place: int) -> None:
        known = self.known(test, place)
        if known:
            return
        text = message()
        text = "" if text is None else str(text)
        if known is False and not require("assert").symbolic_depth():
            raise self.error(f"assertion failed{': ' + text if text else ''}", "", place, StaticAssertionError)
        span = self.spans[place]
        condition = as_condition(test) if isinstance(test, Expr) else as_condition(False)
        statement("tl.device_assert", (condition,), {"msg": f"{text or 'assertion failed'} ({span})"}, "assert")


class StaticAssertionError(FrontendError, AssertionError):
    """An assert that is false at trace time."""

    code = "TL0103"


class _Opened:
    """Python's context manager protocol around a Context."""

    def __init__(self, context: Context, hints: list[str], several: bool) -> None:
        self.context, self.hints, self.several = context, hints, several

    def __enter__(self) -> Any:
        value = self.context.open(self.hints)
        return (value,) if self.several and not isinstance(value, tuple) else value  # `as (bx,)`

    def __exit__(self, kind: Any, value: Any, trace: Any) -> None:
        if kind is None:
            self.context.close()


def _snapshot_items(value: Any, name: str) -> Any:
    """A new value, and the items of a new list, tuple or dict, as they are now; mutable scalars stay what they are."""
    if type(value) is list:
        value[:] = [_snapshot_items(v, name) for v in value]
        return value
    if type(value) is tuple:
        return tuple(_snapshot_items(v, name) for v in value)
    if type(value) is dict:
        for key, item in value.items():
            value[key] = _snapshot_items(item, name)
        return value
    return value if isinstance(value, MutableScalar) and value.fresh else snapshot(value, name)


def _returned(value: Any) -> Any:
    """What a macro gives back: values as they are now."""
    if isinstance(value, tuple):
        return tuple(_returned(v) for v in value)
    if isinstance(value, list):
        return [_returned(v) for v in value]
    if isinstance(value, dict):
        return {k: _returned(v) for k, v in value.items()}
    return snapshot(value, "result")


def _what(value: Any) -> str:
    if isinstance(value, Loop):
        return value.what
    if isinstance(value, Context):
        return f"T.{type(value).__name__}"
    if hasattr(value, "kind_name"):
        return f"the {value.kind_name} {value}"
    if isinstance(value, Expr):
        return f"the value {value}"
    return f"{type(value).__name__} {value!r}"
