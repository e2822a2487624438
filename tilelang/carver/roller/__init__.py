"""The order in which blocks walk over the output."""

from __future__ import annotations

from tilelang.carver.roller.rasterization import NoRasterization, Rasterization, Rasterization2DColumn, Rasterization2DRow

__all__ = ["NoRasterization", "Rasterization", "Rasterization2DColumn", "Rasterization2DRow"]
