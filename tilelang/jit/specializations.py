"""Kernels by the program that made them, and how two specializations differ."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import Any

_CAPACITY = 256


class Specializations:
    """Kernels of one function by the digest of the tile program; the least recently used go first.

    Equal digests are checked for structural equality: two programs never share a kernel.
    """

    def __init__(self, capacity: int = _CAPACITY) -> None:
        self._capacity = capacity
        self._kernels: OrderedDict[tuple, tuple[Any, Any]] = OrderedDict()

    def find(self, program: Any, options: Any) -> Any:
        """The kernel of a program, traced now if it was not; or None."""
        from tilelang import ir

        key = self._key(program, options)
        entry = self._kernels.get(key)
        if entry is None or not ir.structural_equal(entry[0], _prim_func(program)):
            return None
        self._kernels.move_to_end(key)
        return entry[1]

    def put(self, program: Any, options: Any, kernel: Any) -> None:
        self._kernels[self._key(program, options)] = _prim_func(program), kernel
        while len(self._kernels) > self._capacity:
            self._kernels.popitem(last=False)

    def clear(self) -> None:
        self._kernels.clear()

    def _key(self, program: Any, options: Any) -> tuple:
        text = _prim_func(program).script()
        return hashlib.sha256(text.encode()).hexdigest(), options.target, options.execution_backend


def _prim_func(program: Any) -> Any:
    return getattr(program, "prim_func", program)


def difference(pinned: Any, other: Any) -> str:
    """Where two keys of specializations differ, in words."""
    old, new = dict(_flat(pinned)), dict(_flat(other))
    for name in {**old, **new}:
        if old.get(name) != new.get(name):
            return f"{name}: pinned {old.get(name)!r}, got {new.get(name)!r}"
    return f"pinned {pinned!r}, got {other!r}"


def _flat(key: Any) -> list[tuple[str, Any]]:
    """The named values of an eager call's key, or the arguments of a lazy one by position and keyword."""
    if len(key) == 2:  # (compile-time values by name, T.const values by name)
        return [*key[0], *key[1]]
    args, _, kwargs = key
    return [(f"argument {i}", value) for i, value in enumerate(args)] + [(name, value) for name, value, _ in kwargs]
