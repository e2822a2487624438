"""for and while: device loops traced once, host loops run at trace time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import product
from math import prod
from typing import Any

from .._lazy import ir
from ..errors import FrontendError, SourceSpan
from ..language.buffer import MutableScalar
from ..language.emit import snapshot
from ..language.expr import Expr, as_condition, logical_not
from ..language.loops import Loop, bound_node, loop_dtype
from .builder import Builder, Frame
from .names import Poison, survives
from .parallel import Dim, parallel_loop

_KINDS = {"serial": "SERIAL", "unrolled": "UNROLLED", "vectorized": "VECTORIZED", "parallel": "PARALLEL"}


class _Carrying:
    """A loop that runs on the device: a name it assigns may not carry a Python value into, through or out of it."""

    span: SourceSpan
    before: tuple = ()

    def enter(self, *values: Any) -> tuple:
        self.before = values
        return tuple(v if isinstance(v, MutableScalar) or _is_unbound(v) else Poison("carried", self.span) for v in values)

    def leave(self, *values: Any) -> tuple:
        out: list[Any] = []
        for before, after in zip(self.before, values, strict=True):
            if isinstance(before, MutableScalar) and after is before:
                out.append(before)
            elif isinstance(after, Poison) and after.why == "carried":
                out.append(before)  # the body never reached its assignment
            elif survives(before, after) and not isinstance(after, MutableScalar):
                out.append(after)
            else:
                out.append(Poison("loop", self.span))
        return tuple(out)


def _is_unbound(value: Any) -> bool:
    return isinstance(value, Poison) and value.why == "unbound"


class DeviceLoop(_Carrying):
    """A loop nest of T: its body is traced once."""

    def __init__(self, builder: Builder, loop: Loop, hints: tuple[str, ...], names: tuple[str, ...], span: SourceSpan) -> None:
        self.builder, self.loop, self.hints, self.names, self.span = builder, loop, hints, names, span
        builder.need_kernel(f"a loop over {loop.what}")

    def __iter__(self) -> Iterator[Any]:
        builder, loop = self.builder, self.loop
        statement_span = builder.span()
        count = len(loop.ranges)
        names = list(self.hints) if len(self.hints) == count else [f"{self.hints[0]}_{k}" for k in range(count)]
        variables, values, firsts = [], [], []
        for (start, extent, step), name in zip(loop.ranges, names, strict=True):
            start, extent = snapshot(start, "start"), snapshot(extent, "extent")  # bounds are read once, as in Python
            step = snapshot(step, "step")
            kind = loop_dtype(start, extent)
            var = Expr(ir.var(builder.unique("i" if name.startswith("_") else name), str(kind)), kind)
            low = bound_node(0 if step is not None else start, kind)
            variables.append((var.node, low, bound_node(extent, kind)))
            values.append(var if step is None else var * step + start)
            firsts.append(start)
        frame = builder.push(Frame("for", loop.what, loop=loop, first=tuple(zip(values, firsts, strict=True))))
        yield values[0] if count == 1 else tuple(values)
        body = builder.pop(frame)
        if loop.kind == "parallel" and builder.recording:
            dims = [Dim(*variable) for variable in variables]
            builder.emit(parallel_loop(dims, body, loop.annotations, self._threads(), statement_span))
            return
        for depth in range(count - 1, -1, -1):
            var, low, extent = variables[depth]
            annotations = loop.annotations if depth == 0 else {}
            if loop.kind == "vectorized" and builder.attributes.get("async_scope"):
                annotations = {**annotations, "tl.async_scope": 1}
            kind = getattr(ir.ForKind, _KINDS[loop.kind])
            body = ir.For(var, low, extent, kind, body, None, annotations or None, None, statement_span)
        builder.emit(body)

    def _threads(self) -> int | None:
        """Threads of the block; None inside another T.Parallel."""
        loops = [frame.data.get("loop") for frame in self.builder.frames]
        if any(loop is not None and loop.kind == "parallel" for loop in loops):
            return None
        kernel = self.builder.need_kernel(self.loop.what).data.get("kernel")
        return 128 if kernel is None else kernel.num_threads


class TracedLoop(_Carrying):
    """A device loop that opens and closes its own frames (T.Persistent)."""

    def __init__(self, loop: Iterable[Any], span: SourceSpan) -> None:
        self.loop, self.span = loop, span

    def __iter__(self) -> Iterator[Any]:
        yield from self.loop


class HostLoop:
    """A Python iterable: the body is traced for each item, as Python would run it."""

    def __init__(self, builder: Builder, items: Iterable[Any], names: tuple[str, ...]) -> None:
        self.builder, self.items = builder, items

    def enter(self, *values: Any) -> tuple:
        return values

    def __iter__(self) -> Iterator[Any]:
        self.frame = self.builder.push(Frame("unrolled", "a loop over Python values"))
        yield from self.items

    def leave(self, *values: Any) -> tuple:
        self.builder.pop(self.frame)
        return values


_MOST_LAUNCHES = 256  # each is compiled by itself


def launch_counts(builder: Builder, loop: Loop) -> list[Any] | None:
    """What a loop around launches counts, where that is known; None for any other loop.

    Raises
    ------
    FrontendError
        For more iterations than one would want to compile.
    """
    if not builder.recording or builder.kernel() is not None or loop.kind not in ("serial", "unrolled"):
        return None
    numbers = [number for bounds in loop.ranges for number in bounds if number is not None]
    if not all(isinstance(number, int) for number in numbers) or "tl.num_stages" in loop.annotations:
        return None
    axes = [[start + k * (1 if step is None else step) for k in range(extent)] for start, extent, step in loop.ranges]
    if prod(map(len, axes)) > _MOST_LAUNCHES:
        raise FrontendError(
            f"a loop of {prod(map(len, axes))} iterations outside T.Kernel: each of its launches is compiled by itself",
            fix="call the compiled function from a Python loop, or loop inside the kernel",
        )
    return axes[0] if len(axes) == 1 else list(product(*axes))


class WhileLoop(_Carrying):
    """while: the condition is an expression evaluated before each iteration."""

    def __init__(self, builder: Builder, names: tuple[str, ...], hooks: Any, place: int) -> None:
        self.builder, self.names, self.hooks, self.place = builder, names, hooks, place
        self.span = hooks.spans[place]

    def test(self, condition: Callable[[], Any]) -> Iterator[None]:
        value = self.hooks._delayed(condition, "the condition of while", self.place)
        known = self.hooks.known(value, self.place)
        if known is False:
            return
        if known:
            raise self._endless()
        self.builder.need_kernel("a while loop")
        statement_span, node = self.builder.span(), as_condition(value).node
        frame = self.builder.push(Frame("while", "while"))
        yield None
        body = self.builder.pop(frame)
        self.builder.emit(ir.While(node, body, statement_span))

    def iterations(self) -> Iterator[None]:
        """The body of a loop whose condition is a statement of its own: `proceed`."""
        self.builder.need_kernel("a while loop")
        statement_span = self.builder.span()
        frame = self.builder.push(Frame("while", "while"))
        yield None
        body = self.builder.pop(frame)
        self.builder.emit(ir.While(ir.const(True, "bool"), body, statement_span))

    def proceed(self, condition: Any) -> None:
        """Leave the loop unless the condition holds."""
        known, span = self.hooks.known(condition, self.place), self.builder.span()
        if known:
            raise self._endless()
        leave = ir.Break(span)
        self.builder.emit(leave if known is False else ir.IfThenElse(logical_not(condition).node, leave, None, span))

    def _endless(self) -> Exception:
        return self.hooks.error(
            "the condition of while is always true", "loop over T.serial, or test a T.alloc_var", self.place, EndlessLoopError
        )


class EndlessLoopError(FrontendError, RuntimeError):
    """A while loop whose condition never becomes false."""

    code = "TL0104"
