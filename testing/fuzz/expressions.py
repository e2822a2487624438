"""Expressions of random programs: each prints itself and evaluates itself over all iterations at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from testing.fuzz.memory import Frame, Rejected, Tile, checked


@dataclass(frozen=True)
class Number:
    value: int
    dtype: str

    def text(self) -> str:
        return f"{self.value}" if self.value >= 0 else f"({self.value})"

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        return np.asarray(float(self.value)), np.asarray(True)


@dataclass(frozen=True)
class Name:
    """A loop variable, block index, symbol or uniform scalar: an int32."""

    name: str
    dtype: str = "int32"

    def text(self) -> str:
        return self.name

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        value = frame.variables[self.name]
        if isinstance(value, tuple):  # a value with its own mask (a scalar bound in a nest)
            return value
        return np.asarray(value, dtype=np.float64), np.asarray(True)


@dataclass(frozen=True)
class Binary:
    op: str
    a: Any
    b: Any
    dtype: str

    def text(self) -> str:
        if self.op in ("min", "max"):
            return f"T.{self.op}({self.a.text()}, {self.b.text()})"
        return f"({self.a.text()} {self.op} {self.b.text()})"

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        (a, da), (b, db) = self.a.evaluate(frame), self.b.evaluate(frame)
        with np.errstate(all="ignore"):
            out = _BINARY[self.op](a, b)
        return checked(out, self.dtype, frame.active & da & db), da & db


_BINARY = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "//": lambda a, b: np.floor_divide(a, b),
    "%": lambda a, b: np.mod(a, b),
    "min": np.minimum,
    "max": np.maximum,
}
_COMPARE = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
    "==": np.equal,
    "!=": np.not_equal,
    "and": lambda a, b: (a != 0) & (b != 0),
    "or": lambda a, b: (a != 0) | (b != 0),
}


@dataclass(frozen=True)
class Compare:
    op: str
    a: Any
    b: Any
    dtype: str = "bool"

    def text(self) -> str:
        return f"({self.a.text()} {self.op} {self.b.text()})"

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        (a, da), (b, db) = self.a.evaluate(frame), self.b.evaluate(frame)
        return _COMPARE[self.op](a, b), da & db


@dataclass(frozen=True)
class Select:
    condition: Any
    then: Any
    other: Any
    dtype: str
    ternary: bool = False

    def text(self) -> str:
        if self.ternary:
            return f"({self.then.text()} if {self.condition.text()} else {self.other.text()})"
        return f"T.if_then_else({self.condition.text()}, {self.then.text()}, {self.other.text()})"

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        c, dc = self.condition.evaluate(frame)
        a, da = self.then.evaluate(frame.where(c))
        b, db = self.other.evaluate(frame.where(~c))
        return np.where(c, a, b), dc & np.where(c, da, db)


@dataclass(frozen=True)
class Cast:
    dtype: str
    a: Any

    def text(self) -> str:
        return f'T.cast({self.a.text()}, "{self.dtype}")'

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        a, da = self.a.evaluate(frame)
        return checked(a, self.dtype, frame.active & da), da


@dataclass(frozen=True)
class Load:
    tile: Tile
    indices: tuple[Any, ...]

    @property
    def dtype(self) -> str:
        return self.tile.dtype

    def text(self) -> str:
        return element_text(self.tile, self.indices)

    def evaluate(self, frame: Frame) -> tuple[Any, Any]:
        memory = frame.memory[self.tile.name]
        place, inside = resolve(self.tile, self.indices, frame)
        if memory.values.size == 0:
            return np.zeros(inside.shape), np.ones(inside.shape, bool)
        values, defined = memory.values[place], memory.defined[place]
        return np.where(inside, values, 0.0), np.where(inside, defined, True)


def element_text(tile: Tile, indices: tuple[Any, ...]) -> str:
    """An element as the program names it; the thread index of a thread's own array is understood."""
    named = indices[1:] if tile.scope == "local" else indices
    return f"{tile.name}[{', '.join(i.text() for i in named)}]"


def resolve(tile: Tile, indices: tuple[Any, ...], frame: Frame) -> tuple[tuple[Any, ...], Any]:
    """(clipped indices, mask of those inside); register tiles must be indexed inside."""
    found = [i.evaluate(frame) for i in indices]
    if not all(np.all(d | ~np.asarray(frame.active)) for _, d in found):
        raise Rejected("an index reads what nobody wrote")
    whole = [np.asarray(v).astype(np.int64) for v, _ in found]
    inside = np.asarray(True)
    for value, extent in zip(whole, tile.shape):
        inside = inside & (value >= 0) & (value < extent)
    if tile.scope in ("fragment", "local") and np.any(frame.active & ~inside):
        raise Rejected("outside a register tile")
    place = tuple(np.clip(v, 0, max(0, n - 1)) for v, n in zip(whole, tile.shape))
    return tuple(np.broadcast_arrays(*place)) if place else (), inside
