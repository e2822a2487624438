"""TileLang 0.1's phases of a compilation, which took and returned modules: not in this version."""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(
    __name__,
    "passes work on a launch with all that is known about it instead of on a module",
    "tilelang.lower, kernel.show_passes(), tilelang.tools.lower_trace.trace",
)
