"""Looking at kernels: what one costs."""

from __future__ import annotations

from tilelang.tools.analyzer import AnalysisResult, Analyzer

__all__ = ["AnalysisResult", "Analyzer"]
