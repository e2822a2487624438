"""y = B @ x: every element of B is read once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.template.base import Template, bytes_of, ceildiv
from tilelang.profiler.work import LaunchWork, Work


@dataclass
class GEMVTemplate(Template):
    """Sizes and dtypes of a matrix-vector multiply.

    Parameters
    ----------
    N, K : int
        The matrix is N x K (K x N without `trans_B`).
    in_dtype, out_dtype, accum_dtype : str
        Of the operands, the result, the sums.
    """

    N: int
    K: int
    trans_B: bool = True
    in_dtype: str = "float16"
    out_dtype: str = "float16"
    accum_dtype: str = "float32"
    with_bias: bool = False

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        vector = int(16 // bytes_of(self.in_dtype))
        for rows in (1, 2, 4, 8, 16):
            for along in (8, 16, 32, 64, 128):  # threads that share a row
                if 32 <= rows * along <= 1024 and rows <= self.N and along * vector <= max(self.K, 8 * vector):
                    yield Hint([rows], [], [along * vector], 1, rows * along, vector)

    def work(self, hint: Hint) -> Work:
        (rows,), (step,) = hint.block, hint.rstep
        blocks, steps = ceildiv(self.N, rows), ceildiv(self.K, step)
        size = bytes_of(self.in_dtype)
        launch = LaunchWork(
            blocks=blocks,
            threads=hint.threads,
            plain_operations=2.0 * blocks * rows * steps * step + blocks * hint.threads * 10,
            global_read=blocks * steps * step * (rows + 1) * size,
            global_written=self.N * bytes_of(self.out_dtype),
            narrowest_row=int(step * size) if self.trans_B else int(rows * size),
        )
        return Work([launch], size * (self.N + 1) * self.K + self.N * bytes_of(self.out_dtype))

    def equivalent_function(self) -> Any:
        from tilelang.carver.template.plain import plain_gemv

        return plain_gemv(self)
