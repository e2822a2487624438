"""Sums over some dimensions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.template.base import Template, bytes_of, ceildiv
from tilelang.errors import ArgumentError
from tilelang.profiler.work import LaunchWork, Work


@dataclass
class GeneralReductionTemplate(Template):
    """A reduction.

    Parameters
    ----------
    structure : str
        One letter a dimension: S is kept, R is reduced, such as "SSR".
    shape : sequence of int
        The operand's extents.
    dtype : str
        Of operand and result.
    """

    structure: str
    shape: Sequence[int]
    dtype: str = "float16"

    def __post_init__(self) -> None:
        if len(self.structure) != len(self.shape) or set(self.structure) - {"S", "R"} or "R" not in self.structure:
            raise ArgumentError(
                f"structure {self.structure!r} for a shape of {len(self.shape)} dimensions",
                fix="give one letter a dimension, S (kept) or R (reduced), at least one R",
            )

    def _extents(self, letter: str) -> list[int]:
        return [extent for extent, kind in zip(self.shape, self.structure) if kind == letter]

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        vector = int(16 // bytes_of(self.dtype))
        kept, reduced = self._extents("S"), self._extents("R")
        for threads in (64, 128, 256, 512):
            for rows in (1, 2, 4, 8, 16, 32, 64):
                if rows > math.prod(kept) or (threads * vector) // rows < vector:
                    continue
                along = max(vector, threads * vector // rows)
                block = [1] * (len(kept) - 1) + [rows] if kept else [1]
                step = [1] * (len(reduced) - 1) + [min(along, 1 << max(0, reduced[-1] - 1).bit_length())]
                yield Hint(block, [], step, 1, threads, vector)

    def work(self, hint: Hint) -> Work:
        kept, reduced = math.prod(self._extents("S")), math.prod(self._extents("R"))
        rows, along = math.prod(hint.block), math.prod(hint.rstep)
        blocks, steps = ceildiv(kept, rows), ceildiv(reduced, along)
        size = bytes_of(self.dtype)
        innermost = hint.rstep[-1] if self.structure[-1] == "R" else hint.block[-1]
        launch = LaunchWork(
            blocks=blocks,
            threads=hint.threads,
            plain_operations=float(blocks * rows * steps * along + blocks * hint.threads * 10),
            global_read=kept * reduced * size,
            global_written=kept * size,
            narrowest_row=int(innermost * size),
            stages=0 if steps == 1 else 2,
        )
        return Work([launch], size * kept * (reduced + 1))
