"""Looking at kernels and at what the passes do: what a kernel costs, how layouts look, which pass changed what."""

from __future__ import annotations

import importlib
from typing import Any

from tilelang.tools.analyzer import AnalysisResult, Analyzer
from tilelang.tools.plot_layout import plot_fragment_tv, plot_layout

_MODULES = ("compile_only", "lower_trace", "pass_timing", "pass_visualizer")

__all__ = ["AnalysisResult", "Analyzer", "plot_fragment_tv", "plot_layout", *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
