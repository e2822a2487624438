"""How the m x n grid of instruction tiles is divided among the warps of a block."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Policy(IntEnum):
    """The author's preference among partitions of equal work (`T.GemmWarpPolicy`)."""

    Square = 0
    FullRow = 1
    FullCol = 2


@dataclass(frozen=True)
class WarpGrid:
    """`rows x columns` warps; each computes `row_tiles x column_tiles` instruction tiles (the last ones may be padding)."""

    rows: int
    columns: int
    row_tiles: int
    column_tiles: int

    @property
    def warps(self) -> int:
        return self.rows * self.columns

    @property
    def work(self) -> int:
        """Instructions of a warp per step along k."""
        return self.row_tiles * self.column_tiles


def partition(
    tiles: tuple[int, int], tile: tuple[int, int], num_warps: int, policy: Policy, exact: tuple[bool, bool] = (False, False)
) -> WarpGrid:
    """The grid of least work per warp; among those, the one that the policy prefers.

    Parameters
    ----------
    tiles : (int, int)
        Instruction tiles along m and n.
    tile : (int, int)
        Extents of one tile.
    num_warps : int
        Warps of the block; some may stay idle when there are fewer tiles.
    policy : Policy
        FullRow: most warps along m. FullCol: most along n. Square: the fewest rows plus columns per warp, which is what
        a warp loads from shared memory for each step along k.
    exact : (bool, bool)
        Whether m (n) must be divided without padding, as it must where the tile is one block of a larger fragment.
    """
    grids = []
    for rows in range(1, min(num_warps, tiles[0]) + 1):
        for columns in range(1, min(num_warps // rows, tiles[1]) + 1):
            if (exact[0] and tiles[0] % rows) or (exact[1] and tiles[1] % columns):
                continue
            grids.append(WarpGrid(rows, columns, -(-tiles[0] // rows), -(-tiles[1] // columns)))

    def order(grid: WarpGrid) -> tuple[int, ...]:
        loads = grid.row_tiles * tile[0] + grid.column_tiles * tile[1]
        preference = {Policy.Square: loads, Policy.FullRow: -grid.rows, Policy.FullCol: -grid.columns}[policy]
        padding = grid.rows * grid.row_tiles * grid.columns * grid.column_tiles - tiles[0] * tiles[1]
        return grid.work, preference, padding, loads, grid.warps

    return min(grids, key=order)
