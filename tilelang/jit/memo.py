"""Which kernel a function with arguments compiled to, in this process."""

from __future__ import annotations

from collections.abc import Callable
from types import CodeType
from typing import Any

_ABSENT = object()


def global_names(code: CodeType) -> tuple[str, ...]:
    """The names that a function may read from its module, nested functions included."""
    names = dict.fromkeys(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names.update(dict.fromkeys(global_names(constant)))
    return tuple(names)


class Memo:
    """Kernels by arguments, valid as long as the globals and closure cells that the function reads hold the same objects.

    Comparing them takes a microsecond; digesting the function, a thousand.
    """

    def __init__(self, func: Callable) -> None:
        code = getattr(func, "__code__", None)
        self._globals = getattr(func, "__globals__", {})
        self._cells = getattr(func, "__closure__", None) or ()
        self._names = tuple(n for n in global_names(code) if n in self._globals) if code else ()
        self._kernels: dict[Any, tuple[tuple, Any]] = {}
        self._aliases: dict[Any, Any] = {}

    def surroundings(self) -> tuple:
        """What the function reads from around it, to be compared by identity."""
        values = [self._globals.get(name, _ABSENT) for name in self._names]
        for cell in self._cells:
            try:
                values.append(cell.cell_contents)
            except ValueError:
                values.append(_ABSENT)
        return tuple(values)

    def find(self, key: Any) -> Any:
        """The kernel, or None; an unhashable key is never found."""
        try:
            entry = self._kernels.get(key) or self._kernels.get(self._aliases.get(key))
        except TypeError:
            return None
        if entry is None:
            return None
        now = self.surroundings()
        return entry[1] if len(now) == len(entry[0]) and all(a is b for a, b in zip(now, entry[0])) else None

    def put(self, key: Any, kernel: Any) -> None:
        try:
            self._kernels[key] = (self.surroundings(), kernel)
        except TypeError:
            return  # an unhashable argument: looked up by content each time

    def alias(self, key: Any, target: Any) -> None:
        """Find what `target` finds by `key`, too."""
        try:
            if key != target:
                self._aliases[key] = target
        except TypeError:
            return

    def items(self) -> list[tuple[Any, Any]]:
        """(key, kernel) pairs in the order in which they were made."""
        return [(key, kernel) for key, (_, kernel) in self._kernels.items()]

    def clear(self) -> None:
        self._kernels.clear()
        self._aliases.clear()

    def kernels(self) -> list[Any]:
        """All kernels, in the order in which they were made."""
        return [kernel for _, kernel in self._kernels.values()]


def argument_key(args: tuple, kwargs: dict[str, Any]) -> Any:
    """A key that tells 1 from True and from 1.0, which are equal in Python."""
    return (args, tuple(map(type, args)), tuple(sorted((k, v, type(v).__name__) for k, v in kwargs.items())) if kwargs else ())
