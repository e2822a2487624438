"""Names whose Python value no longer says what the device would hold."""

from __future__ import annotations

from typing import Any

from ..errors import FrontendError, SourceSpan


class Poison:
    """Stands for a value that must not be used: `why` is unbound, carried, loop or branch."""

    __slots__ = ("why", "span")

    def __init__(self, why: str, span: SourceSpan | None = None) -> None:
        self.why, self.span = why, span

    def explain(self, name: str) -> tuple[str, str]:
        """(message, fix)."""
        where = f" at line {self.span.line}" if self.span is not None else ""
        if self.why == "unbound":
            return f"{name} is used before it is assigned", "assign it first"
        if self.why == "carried":
            return (
                f"{name} is assigned in the loop{where} and read before that: its value would pass from iteration to iteration",
                f'make it a mutable scalar before the loop: {name} = T.alloc_var("float32", init=...)',
            )
        if self.why == "loop":
            return (
                f"{name} was assigned inside the loop{where} and is used outside: its value belongs to one iteration",
                f'make it a mutable scalar before the loop: {name} = T.alloc_var("float32", init=...)',
            )
        return (
            f"{name} was assigned inside the if{where} and is used outside: which value it has is known on the device only",
            f'make it a mutable scalar before the if: {name} = T.alloc_var("float32"), or use T.if_then_else',
        )

    def _refuse(self, *_: Any) -> Any:
        raise FrontendError(*self.explain("a name")[:1], fix=self.explain("a name")[1])

    __bool__ = __index__ = __int__ = __float__ = __iter__ = __len__ = __getitem__ = __call__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse


class Undeclared(Poison):
    """A tensor that was passed to an eager function and is not declared yet: it may be compared with None, no more."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        super().__init__("unbound")
        self.name = name

    def explain(self, name: str) -> tuple[str, str]:
        return f"the tensor {self.name} is used before it is declared", f"write `{self.name}: T.Tensor(...)` above"

    def __getattr__(self, attribute: str) -> Any:
        raise FrontendError(self.explain("")[0], fix=self.explain("")[1])


_UNBOUND = Poison("unbound")


def unbound(name: str) -> Poison:
    return _UNBOUND


def survives(before: Any, after: Any) -> bool:
    """True if a name's value is the same whether or not the device ran the code in between."""
    if before is after:
        return True
    simple = (bool, int, float, str, bytes, type(None))
    return type(before) is type(after) and isinstance(before, simple) and before == after
