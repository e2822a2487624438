"""C = A @ B on matrix instructions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.hint import Hint
from tilelang.carver.roller.rasterization import NoRasterization, Rasterization2DRow
from tilelang.carver.template.base import Template, bytes_of, ceildiv
from tilelang.profiler.work import LaunchWork, Work

_ROWS, _COLUMNS = (16, 32, 64, 128, 192, 256), (16, 32, 64, 96, 128, 160, 192, 256)
_REGISTERS = 200  # of a thread, for accumulators
_STAGES = {75: (1, 2), 80: (3, 4, 2), 86: (2, 3), 87: (3, 4, 2), 89: (2, 3)}  # likeliest first: the model does not tell all apart


@dataclass
class MatmulTemplate(Template):
    """Sizes and dtypes of a matrix multiply.

    Parameters
    ----------
    M, N, K : int
        A is M x K, B is K x N (transposed in memory with `trans_A`, `trans_B`).
    in_dtype, out_dtype, accum_dtype : str
        Of the operands, the result, the sums.
    with_bias : bool
        A row is added to the result.

    Examples
    --------
    >>> hints = MatmulTemplate(4096, 4096, 4096).with_arch(CUDA("cuda")).recommend_hints(10)
    >>> hints[0].block, hints[0].rstep, hints[0].pipeline_stage
    """

    M: int
    N: int
    K: int
    trans_A: bool = False
    trans_B: bool = True
    in_dtype: str = "float16"
    out_dtype: str = "float16"
    accum_dtype: str = "float16"
    with_bias: bool = False

    def candidates(self, arch: CUDA) -> Iterator[Hint]:
        size = bytes_of(self.in_dtype)
        whole_groups = arch.sm_version >= 90
        for bm in _fitting(_ROWS, self.M):
            for bn in _fitting(_COLUMNS, self.N):
                working_set = size * self.K * (bm + bn) * arch.compute_max_core
                order = Rasterization2DRow(10) if working_set > arch.device.l2_bytes / 4 else NoRasterization()
                for warps in (4, 8) if whole_groups else (1, 2, 4, 8):
                    warp = _partition(bm, bn, warps, whole_groups and bm >= 64)
                    if warp is None or bm * bn / (32 * warps) > _REGISTERS:
                        continue
                    for bk in _steps(self.K, size):
                        for stages in _STAGES.get(arch.sm_version, (3, 4, 5, 2)):
                            yield Hint([bm, bn], list(warp), [bk], stages, 32 * warps, int(16 // size), order)

    def work(self, hint: Hint) -> Work:
        (bm, bn), (bk,) = hint.block, hint.rstep
        blocks, steps = ceildiv(self.M, bm) * ceildiv(self.N, bn), ceildiv(self.K, bk)
        size, out = bytes_of(self.in_dtype), bytes_of(self.out_dtype)
        launch = LaunchWork(
            blocks=blocks,
            threads=hint.threads,
            matrix_operations={self.in_dtype: 2.0 * blocks * steps * bm * bn * bk},
            global_read=blocks * steps * (bm + bn) * bk * size,
            global_written=blocks * bm * bn * out,
            pipelined_bytes=int(hint.pipeline_stage * (bm + bn) * bk * size),
            accumulator_bytes=bm * bn * 4,
            narrowest_row=int(bk * size),
            stages=hint.pipeline_stage,
            matrix_rows=bm,
        )
        return Work([launch], size * (self.M + self.N) * self.K + out * self.M * self.N)

    def equivalent_function(self) -> Any:
        from tilelang.carver.template.plain import plain_matmul

        return plain_matmul(self)


def _fitting(sizes: tuple[int, ...], extent: int) -> list[int]:
    """Tiles that are not much larger than the extent."""
    return [size for size in sizes if size <= max(sizes[0], 2 * extent - 1)]


def _steps(extent: int, size: float) -> list[int]:
    """Steps of 128 and 64 bytes, which are rows of a swizzled tile; longer ones cost stages."""
    return [int(width / size) for width in (128, 64) if width / size <= max(32, extent)]


def _partition(bm: int, bn: int, warps: int, by_groups: bool) -> tuple[int, int] | None:
    """The tile of one warp, as square as can be; a warpgroup covers 64 rows of all its columns."""
    best: tuple[int, int] | None = None
    for rows in (n for n in (1, 2, 4, 8) if warps % n == 0):
        columns = warps // rows
        if bm % (rows * 16) or bn % (columns * 8) or (by_groups and rows % 4):
            continue
        tile = bm // rows, bn // columns
        if best is None or abs(tile[0] - tile[1]) < abs(best[0] - best[1]):
            best = tile
    return best
