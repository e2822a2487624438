"""Choosing a kernel's parameters by measuring."""

from __future__ import annotations

from tilelang.autotuner.decorator import TunedFunction, autotune
from tilelang.autotuner.inputs import get_autotune_inputs, set_autotune_inputs
from tilelang.autotuner.record import AutotuneError, Record
from tilelang.autotuner.result import AutotuneResult
from tilelang.autotuner.settings import ProfileSettings, SearchSettings
from tilelang.autotuner.table import TuningTable, TuningTableError
from tilelang.autotuner.tuner import AutoTuner

__all__ = [
    "AutoTuner",
    "AutotuneError",
    "AutotuneResult",
    "ProfileSettings",
    "Record",
    "SearchSettings",
    "TunedFunction",
    "TuningTable",
    "TuningTableError",
    "autotune",
    "get_autotune_inputs",
    "set_autotune_inputs",
]
