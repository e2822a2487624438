"""The layouts of a gemm's operands over the warps, in whole instruction tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ...layout import Factor, Fragment, local, thread
from ...target.mma import MatrixInstruction
from .partition import Policy, WarpGrid, partition

WARP = 32


@dataclass(frozen=True)
class MmaPlan:
    """One instruction, repeated: tile (i, j) of warp (r, c) is row tile `i * grid.rows + r`, column tile `c * column_tiles + j`.

    A warp's column tiles are neighbours, so that an accumulator row becomes a row of the next gemm's A operand without
    leaving its thread (the P = copy(S) of attention).
    """

    instruction: MatrixInstruction
    grid: WarpGrid
    m: int
    n: int
    k: int

    @staticmethod
    def make(
        instruction: MatrixInstruction,
        m: int,
        n: int,
        k: int,
        num_threads: int,
        policy: Policy,
        exact: tuple[bool, bool] = (False, False),
    ) -> MmaPlan | None:
        """The plan for an m x n x k gemm; None unless whole instructions and whole warps cover it."""
        if m % instruction.m or n % instruction.n or k % instruction.k or num_threads % WARP:
            return None
        tiles = (m // instruction.m, n // instruction.n)
        grid = partition(tiles, (instruction.m, instruction.n), num_threads // WARP, policy, exact)
        return MmaPlan(instruction, grid, m, n, k)

    @property
    def steps(self) -> int:
        """Instructions along k."""
        return self.k // self.instruction.k

    @property
    def rows_padded(self) -> bool:
        return self.grid.rows * self.grid.row_tiles * self.instruction.m != self.m

    @property
    def columns_padded(self) -> bool:
        return self.grid.columns * self.grid.column_tiles * self.instruction.n != self.n

    def _rows(self, tile: Sequence[Factor], stride: int) -> tuple[Factor, ...]:
        return _merged((local(self.grid.row_tiles, stride), self._row_warps, *tile))

    def _columns(self, tile: Sequence[Factor], stride: int) -> tuple[Factor, ...]:
        return _merged((self._column_warps, local(self.grid.column_tiles, stride), *tile))

    @property
    def _row_warps(self) -> Factor:
        return thread(self.grid.rows, WARP * self.grid.columns)

    @property
    def _column_warps(self) -> Factor:
        return thread(self.grid.columns, WARP)

    @property
    def a(self) -> Fragment:
        """A (m x k) in registers: for each row tile, the steps along k; the warps of a row hold copies."""
        tile, size = self.instruction.a, self.instruction.a.local_size
        rows = self._rows(tile.dims[0], self.steps * size)
        columns = _merged((local(self.steps, size), *tile.dims[1]))
        return Fragment((self.m, self.steps * self.instruction.a_k), (rows, columns), _merged((self._column_warps,)))

    @property
    def b(self) -> Fragment:
        """B (k x n) in registers: for each column tile, the steps along k; the warps of a column hold copies."""
        tile, size = self.instruction.b, self.instruction.b.local_size
        columns = self._columns(tile.dims[1], self.steps * size)
        return Fragment(
            (self.k, self.n), (_merged((local(self.steps, size), *tile.dims[0])), columns), _merged((self._row_warps,))
        )

    @property
    def c(self) -> Fragment:
        """C (m x n) in registers: for each row tile, the column tiles."""
        tile, size = self.instruction.c, self.instruction.c.local_size
        rows = self._rows(tile.dims[0], self.grid.column_tiles * size)
        return Fragment((self.m, self.n), (rows, self._columns(tile.dims[1], size)))


def _merged(factors: Sequence[Factor]) -> tuple[Factor, ...]:
    """Without factors of extent 1, and with neighbours joined that count as one digit."""
    out: list[Factor] = []
    for f in factors:
        if f.extent == 1:
            continue
        if out and out[-1].axis == f.axis and out[-1].stride == f.extent * f.stride:
            out[-1] = replace(f, extent=out[-1].extent * f.extent)
        else:
            out.append(f)
    return tuple(out)
