"""Python to tile program: one rewrite of the function's syntax tree, run once on the builder.

`trace_prim_func(func)` traces a function with annotated parameters; `EagerFunction(func)` is the eager form;
`detect_mode(func)` tells lazy from eager; `function_identity(func)` digests a function for the cache key.
"""

from __future__ import annotations

import importlib
from typing import Any

_NAMES = {
    "PrimFuncSource": "prim_func",
    "trace_prim_func": "prim_func",
    "EagerFunction": "eager",
    "detect_mode": "mode",
    "function_identity": "identity",
    "JITNoBuilderError": "builder",
    "Macro": "macro",
}
__all__ = list(_NAMES)


def __getattr__(name: str) -> Any:
    # Lazily: the language imports frontend.builder, and these import the language.
    if name in _NAMES:
        return getattr(importlib.import_module(f".{_NAMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
