"""@T.macro: a function whose statements are inserted where it is called."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType
from typing import Any

from ..errors import FrontendError, TileLangError
from ..language.buffer import Element, MutableScalar, Region
from ..language.emit import snapshot
from .annotations import caller_locals, namespace_of
from .builder import require

MAX_DEPTH = 64  # nested macro calls: deeper is an endless recursion


class Ref:
    """Annotation of a macro parameter that is passed by reference: assigning it stores to the caller's element."""

    def __class_getitem__(cls, item: Any) -> type[Ref]:
        return cls


class Macro:
    """A function decorated with @T.macro; calling it inside a kernel inserts its body."""

    def __init__(self, func: FunctionType, scope: dict[str, Any]) -> None:
        functools.update_wrapper(self, func)
        self.func, self.scope = func, scope
        self._rewritten: FunctionType | None = None
        self._signature = inspect.signature(func)
        self._references: set[str] | None = None

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __repr__(self) -> str:
        return f"<T.macro {self.func.__qualname__}>"

    @property
    def references(self) -> set[str]:
        """Parameters annotated T.Ref."""
        if self._references is None:
            self._references = set()
            for name, annotation in self.func.__annotations__.items():
                if isinstance(annotation, str):
                    text = annotation.split("[")[0].strip()
                    if text.split(".")[-1] != "Ref":
                        continue
                    annotation = eval(text, namespace_of(self.func, self.scope))  # noqa: S307  the user's own annotation
                if annotation is Ref:
                    self._references.add(name)
        return self._references

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        from .closure import rewritten

        builder = require(f"the macro {self.func.__name__}")
        if self._rewritten is None:
            self._rewritten = rewritten(self.func, "macro", scope=self.scope)
        try:
            bound = self._signature.bind(*args, **kwargs)
        except TypeError as error:
            raise FrontendError(
                f"call of the macro {self.func.__name__}: {error}", fix=f"its signature is {self._signature}"
            ) from None
        place, pending = builder.place, builder.pending
        depth = builder.attributes.get("macro_depth", 0)
        if depth >= MAX_DEPTH:
            raise FrontendError(
                f"{self.func.__name__} and its callees nest more than {MAX_DEPTH} deep",
                fix="macros are inserted: they cannot recurse",
            )
        builder.pending = []
        for name, value in bound.arguments.items():
            bound.arguments[name] = self._pass(name, value)
        builder.attributes["macro_depth"] = depth + 1
        try:
            return self._rewritten(*bound.args, **bound.kwargs)
        except TileLangError as error:
            error.with_span(builder.place)
            if place is not None:
                error.notes = (*error.notes, f"in the macro {self.func.__name__}, called at {place}")
            raise
        finally:
            builder.place, builder.pending = place, pending
            builder.attributes["macro_depth"] = depth

    def _pass(self, name: str, value: Any) -> Any:
        if name in self.references:
            if isinstance(value, MutableScalar) or not isinstance(value, Element):
                if isinstance(value, (int, float, bool)):
                    raise FrontendError(
                        f"the constant {value} for the T.Ref parameter {name}", fix="pass an element or a T.alloc_var"
                    )
                return value
            return MutableScalar(value.buffer, tuple(snapshot(i) for i in value.indices))
        if isinstance(value, tuple) and not hasattr(value, "_fields"):
            return tuple(self._pass(name, v) for v in value)
        if isinstance(value, Region):
            return snapshot(value, name)
        return snapshot(value, name)


def macro(func: Callable[..., Any] | None = None) -> Any:
    """Decorator: insert the function's body at each call.

    Values are passed as they are at the call; buffers by reference; a parameter annotated `T.Ref` by reference too.
    `return` comes at the end.
    """
    if func is None:
        return macro
    if isinstance(func, (staticmethod, classmethod)) or not isinstance(func, FunctionType):
        raise FrontendError(f"T.macro of {func!r}", fix="decorate a plain function")
    return Macro(func, caller_locals(func))
