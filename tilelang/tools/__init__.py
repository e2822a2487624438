"""Looking at kernels: what one costs, how layouts look."""

from __future__ import annotations

from tilelang.tools.analyzer import AnalysisResult, Analyzer
from tilelang.tools.plot_layout import plot_fragment_tv, plot_layout

__all__ = ["AnalysisResult", "Analyzer", "plot_fragment_tv", "plot_layout"]
