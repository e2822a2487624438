"""@T.meta_class: Python objects whose methods are inserted into the kernel like macros."""

from __future__ import annotations

import ast
import inspect
import textwrap
from types import FunctionType
from typing import Any, TypeVar

from ..errors import FrontendError
from ..frontend.builder import current
from ..frontend.macro import Macro, macro
from .buffer import MutableScalar
from .expr import Expr

C = TypeVar("C", bound=type)


def inline(func: Any) -> Any:
    """Mark a method of a meta_class to be inserted where it is called, like a T.macro.

    Examples
    --------
    >>> @T.inline
    ... def next_tile(self):
    ...     self.index[0] += self.step
    """
    if not isinstance(func, FunctionType):
        raise FrontendError(f"T.inline of {func!r}", fix="decorate a method of a T.meta_class")
    return macro(func)


def meta_class(cls: C) -> C:
    """Class decorator: methods that store to buffers are inserted like macros; buffers made in `__init__` get their names.

    A method that assigns an index of an attribute (`self.state[0] = ...`), or calls T.*, becomes a macro; the others stay
    Python, run while the kernel is traced. In both `self.count = ...` and `self.count += 1` store where the attribute is a scalar
    of T.alloc_var; another attribute changes for the trace, which cannot be under a loop or condition of the device.

    Examples
    --------
    >>> @T.meta_class
    ... class Counter:
    ...     def __init__(self):
    ...         self.count = T.alloc_var("int32", init=0)
    ...     def add(self, n):
    ...         self.count += n
    """
    if not isinstance(cls, type):
        raise FrontendError(f"T.meta_class of {cls!r}", fix="decorate a class")
    for name, member in list(vars(cls).items()):
        if isinstance(member, FunctionType) and not name.startswith("__") and _stores(member):
            setattr(cls, name, macro(member))
    original: Any = cls.__setattr__

    def set_attribute(self: Any, name: str, value: Any) -> None:
        old = getattr(self, name, None)
        if isinstance(old, MutableScalar) and isinstance(value, (Expr, int, float, bool)):
            if value is not old:
                old.store(value)
            return
        _named(value, name)
        original(self, name, value)

    cls.__setattr__ = set_attribute  # type: ignore[assignment,method-assign]
    cls.tl_meta_class = True  # type: ignore[attr-defined]
    return cls


def _named(value: Any, name: str) -> None:
    """A buffer that has no node yet takes the attribute's name."""
    buffer = getattr(value, "buffer", value)
    builder = current()
    if builder is not None and hasattr(buffer, "_node") and buffer._node is None and hasattr(buffer, "name"):
        buffer.name = builder.unique(name)


def _stores(method: FunctionType) -> bool:
    """True if a method has statements that belong to the device: indexed stores, device loops and branches, calls of T.*."""
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(method)))
    except (OSError, SyntaxError):
        return False
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AugAssign) else []
        if any(isinstance(t, ast.Subscript) for t in targets):
            return True
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            function = node.value.func
            if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "T":
                return True
    return False


__all__ = ["Macro", "inline", "meta_class"]
