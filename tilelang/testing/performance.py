"""TileLang 0.1's runner of performance regressions: not in this version."""

from __future__ import annotations

from tilelang.absent import Absent

_WHY = "no published page says which arguments it takes and what it compares with"
_FIX = "kernel.get_profiler().do_bench(), tilelang.profiler.do_bench"

process_func = Absent("tilelang.testing.process_func", _WHY, _FIX)
regression = Absent("tilelang.testing.regression", _WHY, _FIX)
