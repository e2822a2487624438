"""How much a tile program computes and moves, and the least time it takes, from its text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class AnalysisResult:
    """What a program costs.

    Attributes
    ----------
    total_flops : float
        Operations; a multiply-add counts two.
    total_global_bytes : float
        Bytes between global memory and the multiprocessors, repeated reads included.
    estimated_time : float
        Seconds that no run of it is faster than.
    expected_tflops, expected_bandwidth_GBps : float
        The rates at which it would then compute and move.
    """

    total_flops: float
    total_global_bytes: float
    estimated_time: float
    expected_tflops: float
    expected_bandwidth_GBps: float


class Analyzer:
    """`Analyzer.analysis(fn, device)`."""

    @classmethod
    def analysis(cls, fn: Any, device: Any) -> AnalysisResult:
        """Count the work of a tile program.

        Parameters
        ----------
        fn : PrimFunc or JITKernel
        device : tilelang.carver.arch.CUDA
            What it would run on.

        Examples
        --------
        >>> Analyzer.analysis(matmul(1024, 1024, 1024), CUDA("cuda")).total_flops
        2147483648.0
        """
        from tilelang.jit.impl import traced
        from tilelang.profiler.roofline import roofline_of
        from tilelang.profiler.work import count_work

        found = roofline_of(count_work(traced(fn)), getattr(device, "device", device))
        seconds = found.bound_ms * 1e-3
        rates = (found.operations / seconds * 1e-12, found.traffic / seconds * 1e-9) if seconds else (0.0, 0.0)
        return AnalysisResult(found.operations, found.traffic, seconds, *rates)
