"""Orders of blocks; what `T.use_swizzle` is told."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rasterization:
    """Base of the orders."""

    panel_width: int = 0

    def get_code(self) -> list[str]:
        """The line of a kernel that asks for this order; none for the plain one."""
        return []


@dataclass(frozen=True)
class NoRasterization(Rasterization):
    """Row by row, as blocks are numbered."""


@dataclass(frozen=True)
class Rasterization2DRow(Rasterization):
    """Panels of rows, so that blocks that run at once share their operands in the L2 cache."""

    panel_width: int = 10

    def get_code(self) -> list[str]:
        return [f'T.use_swizzle({self.panel_width}, order="row")']


@dataclass(frozen=True)
class Rasterization2DColumn(Rasterization):
    """Panels of columns."""

    panel_width: int = 10

    def get_code(self) -> list[str]:
        return [f'T.use_swizzle({self.panel_width}, order="column")']
