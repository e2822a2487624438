"""`breakpoint()` in a kernel: noted while the function is traced, met when its statement is interpreted."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import FrameType
from typing import TYPE_CHECKING, Any

from tilelang import ir
from tilelang.frontend.builder import current
from tilelang.language.buffer import Buffer, Element
from tilelang.language.expr import Expr

if TYPE_CHECKING:
    from tilelang.interpreter.machine import Machine


class Breakpoint:
    """A place in a kernel's function, and what its variables meant there."""

    def __init__(self, frame: FrameType, arguments: tuple, keywords: dict[str, Any]) -> None:
        self.file, self.line, self.globals = frame.f_code.co_filename, frame.f_lineno, frame.f_globals
        self.arguments, self.keywords = arguments, keywords
        self.variables = {name: value for name, value in frame.f_locals.items() if name.isidentifier()}

    def stop(self, machine: Machine) -> None:
        """Call Python's `breakpoint()` at that place: tiles are NumPy arrays, scalars numbers, or one number a thread."""
        found = {name: _value(machine, value) for name, value in self.variables.items() if not name.startswith("__")}
        # Compiled as that line of that file, so that a debugger shows the author's text.
        text = "\n" * (self.line - 1) + "breakpoint(*__arguments, **__keywords)"
        local = {**found, "__arguments": self.arguments, "__keywords": self.keywords}
        exec(compile(text, self.file, "exec"), self.globals, local)


def _value(machine: Machine, value: Any) -> Any:
    if isinstance(value, Buffer):
        return machine.state.arrays.get(value.node, value)
    if isinstance(value, (Expr, Element)):
        with contextlib.suppress(Exception):  # what cannot be evaluated here is shown as the expression it is
            return machine.evaluate(value.node)
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_value(machine, item) for item in value) if type(value) in (list, tuple) else value
    return value


@contextlib.contextmanager
def noted() -> Iterator[list[Breakpoint]]:
    """While a function is traced: every call of `breakpoint()` in a kernel becomes a statement."""
    found: list[Breakpoint] = []
    before = sys.breakpointhook

    def note(*arguments: Any, **keywords: Any) -> Any:
        builder = current()
        if builder is None or builder.kernel() is None:
            return before(*arguments, **keywords)
        found.append(Breakpoint(sys._getframe(1), arguments, keywords))
        builder.emit(ir.evaluate(ir.call("tl.breakpoint", [ir.const(len(found) - 1)], span=builder.span()), builder.span()))
        return None

    sys.breakpointhook = note
    try:
        yield found
    finally:
        sys.breakpointhook = before
