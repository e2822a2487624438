"""How to measure and how to search."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from tilelang.env import env
from tilelang.errors import ArgumentError, UnavailableError
from tilelang.profiler.supply import TensorSupplyType

STRATEGIES = ("exhaustive", "halving")


@dataclass(frozen=True)
class ProfileSettings:
    """How a configuration is measured and checked.

    Parameters
    ----------
    warmup, rep : float
        Milliseconds of warming up and of timing.
    timeout : float
        Seconds of one configuration; then its process is killed.
    supply_type : TensorSupplyType
        How made-up arguments are filled.
    ref_prog, supply_prog, manual_check_prog : callable, optional
        The reference; what makes the arguments; what compares outputs with the reference's instead of us (it gets two lists
        of tensors and raises).
    rtol, atol, max_mismatched_ratio : float
        Of the comparison.
    skip_check : bool
        Compare nothing.
    cache_input_tensors : bool
        Accepted for compatibility: configurations with equal parameters always get equal arguments.
    backend : str
        Of `do_bench`.
    """

    warmup: float = 25
    rep: float = 100
    timeout: float = 100
    supply_type: TensorSupplyType = TensorSupplyType.Auto
    ref_prog: Callable | None = None
    supply_prog: Callable | None = None
    rtol: float = 1e-2
    atol: float = 1e-2
    max_mismatched_ratio: float = 0.01
    skip_check: bool = False
    manual_check_prog: Callable | None = None
    cache_input_tensors: bool = False
    backend: str = "event"

    @property
    def tolerance(self) -> tuple[float, float, float] | None:
        """What the measuring process compares with; None where nobody or somebody else does."""
        if self.skip_check or self.ref_prog is None or self.manual_check_prog is not None:
            return None
        return self.rtol, self.atol, self.max_mismatched_ratio


@dataclass(frozen=True)
class SearchSettings:
    """Which configurations are tried, where, and for how long.

    Parameters
    ----------
    strategy : str
        "exhaustive": all are measured alike. "halving": all are measured briefly, the best third longer, and so on.
    budget : float, optional
        Seconds for the whole; the configurations that the cost model prefers come first, and halving is used.
    early_stop : bool
        Give up configurations whose first calls are slower than the best by `early_stop_factor`.
    use_pipeline : bool
        Measure while others still compile; the host is then busy, which shows in calls of a few microseconds.
    prune : bool
        Leave out what cannot fit, before it is compiled.
    devices : sequence, optional
        GPUs that measure, of one kind: numbers, "cuda:1" or torch devices.
    multi_gpu : bool
        Use all GPUs.
    executor, num_workers, compile_timeout
        As of `tilelang.par_compile`.
    seed : int
        Of made-up arguments.
    """

    strategy: str = "exhaustive"
    budget: float | None = None
    early_stop: bool = False
    early_stop_factor: float = 2.0
    use_pipeline: bool = False
    prune: bool = True
    devices: Sequence[Any] | None = None
    multi_gpu: bool = False
    executor: Executor | None = None
    num_workers: int | None = None
    compile_timeout: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.early_stop_factor < 1:
            raise ArgumentError(
                f"early_stop_factor is {self.early_stop_factor}", fix="give at least 1: how much slower than the best is too slow"
            )
        if self.strategy not in STRATEGIES:
            raise ArgumentError(f"search strategy {self.strategy!r}", fix=f"use one of {', '.join(STRATEGIES)}")
        if self.budget is not None and not self.budget > 0:
            raise ArgumentError(f"budget is {self.budget}", fix="give a positive number of seconds")

    @property
    def halving(self) -> bool:
        return self.strategy == "halving" or self.budget is not None

    @property
    def compile_workers(self) -> int:
        """Compilations at a time: as given, or by the settings TILELANG_AUTO_TUNING_CPU_*."""
        cores = len(os.sched_getaffinity(0))
        counted = env.TILELANG_AUTO_TUNING_CPU_COUNTS
        wanted = counted if counted > 0 else max(1, int(cores * env.TILELANG_AUTO_TUNING_CPU_UTILITIES))
        limit = env.TILELANG_AUTO_TUNING_MAX_CPU_COUNT
        return self.num_workers or (min(wanted, limit) if limit > 0 else wanted)

    def device_numbers(self, on_host: bool) -> list[int]:
        """GPUs to measure on; [0] for kernels that run on the CPU."""
        if on_host:
            return [0]
        import torch

        if not torch.cuda.is_available():
            raise UnavailableError("measuring needs a GPU that torch can use", fix="install torch with CUDA, or simulate")
        if self.devices:
            return [d if isinstance(d, int) else torch.device(d).index or 0 for d in self.devices]
        return list(range(torch.cuda.device_count())) if self.multi_gpu else [torch.cuda.current_device()]
