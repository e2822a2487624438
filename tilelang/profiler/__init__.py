"""How fast a kernel is, and whether it is right."""

from __future__ import annotations

from tilelang.profiler.bench import Timing, do_bench, time_calls
from tilelang.profiler.profiler import Profiler
from tilelang.profiler.supply import TensorSupplyType

__all__ = ["Profiler", "TensorSupplyType", "Timing", "do_bench", "time_calls"]
