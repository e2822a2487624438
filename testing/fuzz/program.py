"""A random program: its text, its inputs and what its outputs must be."""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from testing.fuzz.memory import Frame, Memory, Tile
from testing.fuzz.statements import indent

_ALLOC = {"shared": "T.alloc_shared", "fragment": "T.alloc_fragment", "local": "T.alloc_local"}


@dataclass
class Program:
    """Everything about one program; `body` holds statements of `statements.py`.

    `tensors` are the parameters in order; `initial` holds the values of those that are inputs (also changed in place).
    """

    seed: int
    threads: int
    blocks: int
    tensors: list[Tile] = field(default_factory=list)
    tiles: list[Tile] = field(default_factory=list)
    scalars: list[str] = field(default_factory=list)
    symbols: dict[str, int] = field(default_factory=dict)
    initial: dict[str, np.ndarray] = field(default_factory=dict)
    body: list[Any] = field(default_factory=list)

    @property
    def outputs(self) -> list[Tile]:
        return [t for t in self.tensors if t.name not in self.initial]

    def frames(self) -> list[Frame]:
        """One frame for each block; the tensors are common."""
        shared = {
            t.name: Memory.of(self.initial[t.name]) if t.name in self.initial else Memory.empty(t.shape) for t in self.tensors
        }
        return [
            Frame(
                {**shared, **{t.name: Memory.empty(t.shape) for t in self.tiles}},
                {"bx": b, **self.symbols, **dict.fromkeys(self.scalars, 0)},
            )
            for b in range(self.blocks)
        ]

    def reference(self) -> dict[str, Memory]:
        """The tensors after all blocks have run."""
        frames = self.frames()
        for statement in self.body:
            for frame in frames:
                statement.run(frame)
        return {t.name: frames[0].memory[t.name] for t in self.tensors}

    def text(self) -> str:
        names = ", ".join(f"{t.name}: {_annotation(t)}" for t in self.tensors)
        lines = [f'{s} = T.dynamic("{s}")' for s in self.symbols]
        body = ["tx = T.get_thread_binding()"] if any("tx" in line for s in self.body for line in s.lines()) else []
        for t in self.tiles:
            shape = t.shape[1:] if t.scope == "local" else t.shape
            body.append(f'{t.name} = {_ALLOC[t.scope]}({shape}, "{t.dtype}")')
        body += [f'{s} = T.alloc_var("int32", init=0)' for s in self.scalars]
        body += [line for s in self.body for line in s.lines()]
        kernel = [f"with T.Kernel({self.blocks}, threads={self.threads}) as bx:", *indent(body or ["pass"])]
        return "\n".join([*lines, "", "@T.prim_func", f"def main({names}):", *indent(kernel)]) + "\n"

    def function(self) -> Any:
        """The program as a PrimFunc."""
        return from_text(self.text(), f"<fuzz {self.seed}>")


def _annotation(tensor: Tile) -> str:
    shape = f"({', '.join(tensor.extents)},)"
    if tensor.strides:
        return f'T.StridedTensor({shape}, {tensor.strides}, "{tensor.dtype}")'
    return f'T.Tensor({shape}, "{tensor.dtype}")'


def from_text(text: str, name: str) -> Any:
    """The `main` of a program text, whose lines messages can show."""
    import tilelang.language as T

    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    scope: dict[str, Any] = {"T": T, "__name__": "fuzz"}
    exec(compile(text, name, "exec"), scope)
    return scope["main"]
