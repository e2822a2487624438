"""One result an element."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.template.base import Template, bytes_of, ceildiv
from tilelang.profiler.work import LaunchWork, Work


@dataclass
class ElementwiseTemplate(Template):
    """Shape and dtype of an elementwise operation with one operand.

    Parameters
    ----------
    shape : sequence of int
        Of operand and result.
    dtype : str
        Of both.
    """

    shape: Sequence[int]
    dtype: str = "float16"

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        vector = int(16 // bytes_of(self.dtype))
        for threads in (64, 128, 256, 512):
            for each in (1, 2, 4):
                yield Hint(self._tile(threads * vector * each), [], [], 1, threads, vector)

    def _tile(self, elements: int) -> list[int]:
        """A tile of about that many elements, filled from the last dimension."""
        tile: list[int] = []
        for extent in reversed(list(self.shape)):
            tile.insert(0, max(1, min(elements, 1 << max(0, extent - 1).bit_length())))
            elements = max(1, elements // tile[0])
        return tile

    def work(self, hint: Hint) -> Work:
        blocks = math.prod(ceildiv(extent, tile) for extent, tile in zip(self.shape, hint.block))
        moved = math.prod(self.shape) * bytes_of(self.dtype)
        launch = LaunchWork(
            blocks=blocks,
            threads=hint.threads,
            plain_operations=float(math.prod(hint.block) * blocks),
            global_read=moved,
            global_written=moved,
            narrowest_row=int(hint.block[-1] * bytes_of(self.dtype)),
        )
        return Work([launch], 2 * moved)

    def equivalent_function(self) -> Any:
        from tilelang.carver.template.plain import plain_elementwise

        return plain_elementwise(self)
