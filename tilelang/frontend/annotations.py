"""Annotations, also as strings: where their names are looked up."""

from __future__ import annotations

import builtins
import sys
from contextvars import ContextVar
from types import CodeType, FrameType, FunctionType
from typing import Any

from ..errors import FrontendError
from .closure import snapshot_closure

# The @tilelang.jit function that is running, and the locals that enclosed it when it was decorated: a lazy function often runs
# after the functions around it have returned, and takes names that only annotations inside of it mention out of no closure.
running: ContextVar[tuple[CodeType, dict[str, Any]] | None] = ContextVar("running", default=None)


def caller_locals(func: FunctionType) -> dict[str, Any]:
    """Locals of the functions that enclose `func`, as they are now (innermost wins).

    With `from __future__ import annotations` a name that only an annotation mentions is in no closure; it lives in the
    frame that runs the decorator, or in one that encloses it.
    """
    frame: FrameType | None = sys._getframe(1)
    package = __name__.split(".")[0]
    while (
        frame is not None
        and frame.f_globals.get("__name__", "").split(".")[0] == package
        and frame.f_globals is not func.__globals__
    ):
        frame = frame.f_back
    found: dict[str, Any] = {}
    code: CodeType = func.__code__
    known = running.get()
    while frame is not None:
        if code in frame.f_code.co_consts and frame.f_code.co_flags & 1:  # optimised: a function, not a module
            found = {**frame.f_locals, **found}
            code = frame.f_code
            if known is not None and code is known[0]:
                return {**known[1], **found}
        frame = frame.f_back
    return found


def namespace_of(func: FunctionType, scope: dict[str, Any]) -> dict[str, Any]:
    """Globals, enclosing locals, closure and defaults of a function, later ones winning."""
    code = func.__code__
    names = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(names[len(names) - len(func.__defaults__ or ()) :], func.__defaults__ or (), strict=True))
    return {**vars(builtins), **func.__globals__, **scope, **snapshot_closure(func), **defaults, **(func.__kwdefaults__ or {})}


def evaluate_annotations(func: FunctionType, scope: dict[str, Any]) -> dict[str, Any]:
    """The annotations of all parameters as objects; a string that names a dtype (`x: "float32"`) stays."""
    out: dict[str, Any] = {}
    space: dict[str, Any] | None = None
    for name, annotation in func.__annotations__.items():
        for _ in range(2):  # under the future import, a quoted annotation is a string in a string
            if type(annotation) is not str:
                break
            if space is None:
                space = namespace_of(func, scope)
            if annotation.isidentifier() and not (annotation in space and annotation not in vars(builtins)):
                annotation = _builtin_type(annotation)
                break
            text = annotation
            try:
                annotation = eval(text, space)  # noqa: S307  the user's own annotation
            except Exception as error:
                raise FrontendError(
                    f"the annotation {text!r} of {name} in {func.__name__} cannot be evaluated: {error}",
                    fix="its names must be globals, parameters with defaults, or variables of an enclosing function",
                ) from error
        out[name] = annotation
    return out


def _builtin_type(name: str) -> Any:
    value = vars(builtins).get(name, name)
    return value if isinstance(value, type) else name
