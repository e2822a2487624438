"""A kernel with a planted defect, and its corrected twin.

The body of a kernel `k` is written once; `defect` and `fix` are what stands in its place `@`: the first makes the defect, the
second the twin. `expected` is the check that must report, `at` a piece of the line that the report must name, and `also` of the
line of the other access. Lines are named by their text, so that editing a kernel does not move what is expected of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

DEFECTS: list[Defect] = []


def floats(*counts: int) -> Callable[[], list[np.ndarray]]:
    """float32 arrays: the first of ones, the others of NaN."""
    return lambda: [np.full(n, np.nan if i else 1.0, np.float32) for i, n in enumerate(counts)]


@dataclass(frozen=True)
class Defect:
    """See the module."""

    name: str
    expected: str
    at: str
    body: str
    defect: str
    fix: str
    also: str = ""
    headers: Sequence[str] = ()
    parameters: str = "const float* x, float* y"
    grid: int = 1
    block: int = 64
    cluster: int = 1
    cooperative: bool = False
    shared: int = 1024
    fresh: Sequence[int] = ()  # arguments that hold nothing yet
    arguments: Callable[[], list[np.ndarray]] = floats(64, 64)

    def text(self, planted: bool) -> str:
        """The kernel with the defect, or without."""
        headers = "".join(f"#include <tl/{name}.h>\n" for name in ("core", *self.headers))
        body = self.body.strip("\n").replace("@", self.defect if planted else self.fix)
        return f'{headers}extern "C" __global__ void k({self.parameters}) {{\n{body}\n}}\nTL_ENTRY(k)\n'


def plant(name: str, **fields) -> None:
    """Add a defect to the list."""
    DEFECTS.append(Defect(name, **fields))
