"""if: folded where Python knows the condition, IfThenElse where only the device does."""

from __future__ import annotations

from typing import Any

from .._lazy import ir
from ..errors import SourceSpan
from ..language.buffer import MutableScalar
from ..language.expr import as_condition
from .builder import Builder, Frame
from .names import Poison, survives


class Branch:
    """One if statement under way. Values of the names it assigns pass through it, so that branches do not see each other."""

    def __init__(self, builder: Builder, test: Any, known: bool | None, names: tuple[str, ...], span: SourceSpan) -> None:
        self.builder, self.known, self.names, self.span = builder, known, names, span
        self.then_case: Any = None
        self.else_case: Any = None
        if known is None:
            builder.need_kernel("an if on a value of the device")
            self.statement_span = builder.span()
            self.condition = as_condition(test).node

    def then(self, *values: Any) -> bool:
        if self.known is None:
            self.before = self.ends = values
            self.frame = self.builder.push(Frame("if", "if"))
            return True
        return self.known

    def end_then(self, *values: Any) -> None:
        if self.known is None:
            self.ends = values
            self.then_case = self.builder.pop(self.frame)

    def restore(self, *values: Any) -> tuple:
        """The names as they were before the if, for the else branch."""
        return self.before if self.known is None else values

    def otherwise(self) -> bool:
        if self.known is None:
            self.frame = self.builder.push(Frame("if", "else"))
            self.open_else = True
            return True
        return not self.known

    open_else = False

    def close(self, *values: Any) -> tuple:
        """Emit the statement; names on which the branches disagree are poisoned."""
        if self.known is not None:
            return values
        if self.open_else:
            self.else_case = self.builder.pop(self.frame)
            ends = values
        else:
            ends = self.before
        self.builder.emit(ir.IfThenElse(self.condition, self.then_case, self.else_case, self.statement_span))
        out = []
        for before, then_value, else_value in zip(self.before, self.ends, ends, strict=True):
            if survives(then_value, else_value) and not isinstance(then_value, MutableScalar):
                out.append(then_value)
            elif isinstance(before, MutableScalar) and before is then_value is else_value:
                out.append(before)
            else:
                out.append(Poison("branch", self.span))
        return tuple(out)
