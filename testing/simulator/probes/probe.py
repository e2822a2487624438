"""A small device program, one an instruction mode, that runs on a GPU and in the simulator on the same inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ml_dtypes
import numpy as np

CPP = {
    "float16": "tl::half_t", "bfloat16": "tl::bfloat16_t",
    "float8_e4m3fn": "tl::float8_e4m3_t", "float8_e5m2": "tl::float8_e5m2_t",
    "float32": "float", "float64": "double", "bool": "bool",
    **{f"{sign}int{bits}": f"{sign}int{bits}_t" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}  # fmt: skip


def dtype_of(name: str) -> np.dtype:
    return np.dtype(getattr(ml_dtypes, name, None) or name)


@dataclass(frozen=True, eq=False)
class Tile:
    """A tensor map over an array, in the array's own order of axes."""

    array: np.ndarray
    box: Sequence[int]
    swizzle: int = 0
    fill_nan: bool = False
    element_strides: Sequence[int] | None = None
    im2col: tuple[Sequence[int], Sequence[int]] | None = None  # corners, innermost dimension first; box: channels and pixels


@dataclass(frozen=True, eq=False)
class Probe:
    """See the module. `make` gives the arguments: arrays, tiles, ints; `outputs` are positions of arrays that hold results."""

    name: str
    text: str
    headers: tuple[str, ...]
    make: Callable[[np.random.Generator], list[Any]]
    outputs: tuple[int, ...]
    grid: tuple[int, ...] = (1,)
    block: int = 32
    shared: int = 0
    cluster: tuple[int, ...] = (1,)
    approximate: bool = False  # a function that GPU and CPU compute by different approximations

    def arguments(self) -> list[Any]:
        """Fresh inputs, the same at every call; results are poisoned by `make`."""
        return self.make(np.random.default_rng(sum(map(ord, self.name))))


def kernel(name: str, parameters: str, body: str, *, before: str = "") -> str:
    """Text of a kernel with its entry."""
    return f'extern "C" __global__ void {before} {name}({parameters}) {{\n{body}\n}}\nTL_ENTRY({name})\n'


def copied(arguments: list[Any]) -> list[Any]:
    """The same arguments over other memory; an array that occurs twice stays one."""
    arrays: dict[int, np.ndarray] = {}

    def one(value: Any) -> Any:
        if isinstance(value, Tile):
            return replace(value, array=one(value.array))
        if isinstance(value, np.ndarray):
            return arrays.setdefault(id(value), value.copy())
        return value

    return [one(value) for value in arguments]


def random_values(rng: np.random.Generator, name: str, shape: Any) -> np.ndarray:
    """Values of ordinary size; integers over their whole range."""
    dtype = dtype_of(name)
    if name == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if dtype.kind in "iu":
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return (rng.standard_normal(shape) * 2.0 ** rng.integers(-2, 3, shape)).astype(dtype)
