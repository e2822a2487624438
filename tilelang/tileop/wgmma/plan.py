"""The layouts of a gemm's operands over warpgroups, in whole wgmma tiles."""

from __future__ import annotations

from dataclasses import dataclass

from ...layout import Factor, Fragment, local, thread
from ...target.mma import GROUP, MEMBER
from ...target.wgmma import GROUP_THREADS, MAX_COLUMNS, ROWS, WarpgroupInstruction
from ..mma import Policy


@dataclass(frozen=True)
class WgmmaPlan:
    """`rows x columns` warpgroups; each computes `row_tiles x column_tiles` instructions of 64 x `n_tile` for each step of k.

    Row tile `i` of warpgroup (r, c) is tile `i * rows + r`; its columns are neighbours, from `c * column_tiles * n_tile`.
    """

    instruction: WarpgroupInstruction
    rows: int
    columns: int
    row_tiles: int
    column_tiles: int
    n_tile: int
    k: int

    @staticmethod
    def make(
        instruction: WarpgroupInstruction, m: int, n: int, k: int, num_threads: int, policy: Policy, granule: int = 8
    ) -> WgmmaPlan | None:
        """The plan for an m x n x k gemm, all warpgroups equally busy; None where whole instructions do not cover it.

        `granule`: columns come in multiples of it (the swizzle's width, where B is not contiguous along k).
        """
        groups = num_threads // GROUP_THREADS
        granule = max(granule, instruction.n_step)
        if num_threads % GROUP_THREADS or m % ROWS or k % instruction.k:
            return None
        plans = []
        for rows in range(1, groups + 1):
            if groups % rows or (m // ROWS) % rows:
                continue
            columns = groups // rows
            if n % (columns * granule):
                continue
            share = n // columns
            tiles = next((t for t in range(-(-share // MAX_COLUMNS), share // 8 + 1) if share % (t * granule) == 0), None)
            if tiles is not None and share // tiles <= MAX_COLUMNS:
                plans.append(WgmmaPlan(instruction, rows, columns, m // ROWS // rows, tiles, share // tiles, k))
        preference = {
            Policy.FullRow: lambda p: -p.rows,
            Policy.FullCol: lambda p: -p.columns,
            # Every instruction reads its rows of A and columns of B from shared memory.
            Policy.Square: lambda p: p.row_tiles * p.column_tiles * (ROWS + p.n_tile),
        }[policy]
        return min(plans, key=lambda p: (p.column_tiles, preference(p), p.columns), default=None)

    @property
    def steps(self) -> int:
        """Instructions along k."""
        return self.k // self.instruction.k

    @property
    def c_size(self) -> int:
        """Accumulator registers of one instruction, per thread."""
        return self.n_tile // 2

    @property
    def a_size(self) -> int:
        """Elements of A of one instruction, per thread, where A is in registers."""
        return 4 * self.instruction.packed

    def _rows_of(self, stride: int, packed: int) -> tuple[Factor, ...]:
        """The digits of a row: tile, warpgroup, warp, half of 8 rows, lane group."""
        digits = (
            local(self.row_tiles, stride),
            thread(self.rows, GROUP_THREADS * self.columns),
            thread(4, 32),
            local(2, packed),
            GROUP,
        )
        return tuple(f for f in digits if f.extent > 1)

    @property
    def c(self) -> Fragment:
        """C (m x n): register 4 g + 2 h + e of an instruction is row 8 h + lane / 4, column 8 g + 2 (lane % 4) + e."""
        columns = (
            thread(self.columns, GROUP_THREADS),
            local(self.column_tiles, self.c_size),
            local(self.n_tile // 8, 4),
            MEMBER,
            local(2, 1),
        )
        shape = (self.row_tiles * self.rows * ROWS, self.columns * self.column_tiles * self.n_tile)
        return Fragment(
            shape, (self._rows_of(self.column_tiles * self.c_size, 2), tuple(f for f in columns if f.extent > 1))
        ).compacted()

    @property
    def a(self) -> Fragment:
        """A (m x k) in registers: as C of a gemm before it has it; warpgroups of one row hold copies."""
        packed = self.instruction.packed
        along = (local(self.steps, self.a_size), local(2, 2 * packed), MEMBER, local(packed, 1))
        return Fragment(
            (self.row_tiles * self.rows * ROWS, self.steps * self.instruction.a_k),
            (self._rows_of(self.steps * self.a_size, packed), tuple(f for f in along if f.extent > 1)),
            (thread(self.columns, GROUP_THREADS),) if self.columns > 1 else (),
        )
