"""Lazy or eager: does a jitted function make a PrimFunc, or is it the kernel itself?"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, NamedTuple

from .builder import JITNoBuilderError
from .closure import snapshot_closure
from .prim_func import PrimFuncSource
from .source import Source, code_names

_LANGUAGE = "tilelang.language"
_BUILDER_NAMES = {"Kernel", "const", "empty", "alloc_shared", "alloc_fragment", "alloc_local", "alloc_var", "alloc_global"}


class Mode(NamedTuple):
    """`kind` is "lazy" or "eager"; `result` is the PrimFunc if the function had to be called to find out."""

    kind: str
    result: Any = None


def static_mode(func: FunctionType) -> str | None:
    """Lazy if the body has an inner @T.prim_func, eager if it uses the builder itself, None if the text does not tell."""
    tree = Source(func).tree
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.FunctionDef)
            and node is not tree
            and any(_last_name(d) == "prim_func" for d in node.decorator_list)
        ):
            return "lazy"
    aliases = _language_aliases(func)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in _BUILDER_NAMES:
            if isinstance(node.value, ast.Name) and node.value.id in aliases:
                return "eager"
    return None


def _language_aliases(func: FunctionType) -> set[str]:
    """Names under which the function sees the language module."""
    seen = {**func.__globals__, **snapshot_closure(func)}
    mentioned = code_names(func.__code__) | set(func.__code__.co_freevars)
    return {name for name in mentioned if getattr(seen.get(name), "__name__", "") == _LANGUAGE}


def detect_mode(func: FunctionType, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Mode:
    """Tell lazy from eager; calls the function (once) only if its text does not say.

    The function is lazy if the call returns a PrimFunc, eager if it finds itself outside a builder or cannot be bound.
    """
    kind = static_mode(func)
    if kind is not None:
        return Mode(kind)
    try:
        result = func(*args, **(kwargs or {}))
    except (JITNoBuilderError, TypeError):
        return Mode("eager")
    return Mode("lazy", result) if is_prim_func(result) else Mode("eager")


def is_prim_func(value: Any) -> bool:
    """True for a traced or an untraced tile program; does not import TVM."""
    return isinstance(value, PrimFuncSource) or type(value).__name__ == "PrimFunc"


def _last_name(decorator: ast.expr) -> str:
    while isinstance(decorator, ast.Call):
        decorator = decorator.func
    return decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
