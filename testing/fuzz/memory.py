"""Exact numbers and what is known of them: the store of the reference interpreter."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

# Integers up to here are exact in a dtype, so that any order of summing gives the same bits.
LIMITS = {
    "float64": 2**40,
    "float32": 2**22,
    "float16": 2**10,
    "bfloat16": 2**7,
    "float8_e4m3": 2**3,
    "float8_e5m2": 2**2,
    "int64": 2**40,
    "int32": 2**30,
    "int16": 2**14,
    "int8": 127,
    "uint8": 255,
    "uint32": 2**30,
}


class Rejected(Exception):
    """A random statement without one exact meaning: it reads what nobody wrote, or leaves the exact range."""


@dataclass(frozen=True)
class Tile:
    """A tensor or tile of a program; `extents` are what the text says (numbers or symbols), `strides` empty for row-major."""

    name: str
    scope: str
    shape: tuple[int, ...]
    dtype: str
    extents: tuple[str, ...] = ()
    strides: tuple[int, ...] = ()

    @property
    def is_float(self) -> bool:
        return "float" in self.dtype

    @property
    def has_arithmetic(self) -> bool:
        return "float8" not in self.dtype


@dataclass
class Memory:
    """Values and whether each was written."""

    values: np.ndarray
    defined: np.ndarray

    @staticmethod
    def empty(shape: tuple[int, ...]) -> Memory:
        return Memory(np.zeros(shape), np.zeros(shape, bool))

    @staticmethod
    def of(values: np.ndarray) -> Memory:
        return Memory(values.astype(np.float64), np.ones(values.shape, bool))

    def copy(self) -> Memory:
        return Memory(self.values.copy(), self.defined.copy())


@dataclass
class Frame:
    """One block's view: tiles of its own, tensors of all, the values of variables."""

    memory: dict[str, Memory]
    variables: dict[str, object] = field(default_factory=dict)
    active: np.ndarray | bool = True
    order: tuple[str, ...] = ()

    def with_variables(self, **more: object) -> Frame:
        return Frame(self.memory, {**self.variables, **more}, self.active, self.order)

    def where(self, condition: np.ndarray) -> Frame:
        return Frame(self.memory, self.variables, np.logical_and(self.active, condition), self.order)


def checked(values: np.ndarray, dtype: str, relevant: np.ndarray | bool) -> np.ndarray:
    """The values, if the relevant ones are exact in the dtype."""
    low = 0 if dtype.startswith("uint") else -LIMITS[dtype]
    bad = np.logical_and(relevant, (values < low) | (values > LIMITS[dtype]) | (values != np.floor(values)))
    if np.any(bad):
        raise Rejected(f"not exact in {dtype}")
    return values
