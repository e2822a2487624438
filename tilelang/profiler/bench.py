"""Timing a callable: CUDA events, CUPTI or CUDA graphs on a GPU, the wall clock on a CPU."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tilelang.errors import UnavailableError, UnsupportedError
from tilelang.profiler.timers import TIMERS, Timer

_RETURN_MODES: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}


@dataclass(frozen=True)
class Timing:
    """Times of calls.

    Parameters
    ----------
    times : list of float
        Milliseconds, in the order of the calls.
    backend : str
        What took them: "event", "cupti", "cudagraph" or "wall".
    stopped : bool
        Given up after an estimate that was slower than the baseline.
    """

    times: list[float]
    backend: str
    stopped: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.times)

    @property
    def spread(self) -> float:
        """Distance of the quartiles over the median: 0.02 means that half of the calls lie within about 1 % of it."""
        low, high = self.quantiles((0.25, 0.75))
        return (high - low) / self.median if self.median else 0.0

    def quantiles(self, wanted: Sequence[float]) -> list[float]:
        """Quantiles of the times, interpolated."""
        return [_quantile(self.times, q) for q in wanted]

    def differs_from(self, other: Timing) -> bool:
        """Whether the medians differ by more than the noise: the standard errors of both medians, tripled, together."""
        noise = (_median_error(self) ** 2 + _median_error(other) ** 2) ** 0.5
        return abs(self.median - other.median) > 3 * noise


def _median_error(timing: Timing) -> float:
    """Standard error of the median, from the quartiles (of a normal distribution: 1.253 s / sqrt(n), s = IQR / 1.349)."""
    low, high = timing.quantiles((0.25, 0.75))
    return 1.253 * (high - low) / 1.349 / len(timing.times) ** 0.5


def time_calls(
    fn: Callable[[], Any],
    warmup: float = 25,
    rep: float = 100,
    n_warmup: int = 0,
    n_repeat: int = 0,
    *,
    fast_flush: bool = True,
    backend: str = "event",
    device: Any = None,
    cache_size: int = 256,
    early_stop_baseline: float | None = None,
) -> Timing:
    """All times of calls of `fn`; the parameters are those of `do_bench`."""
    timer = _make_timer(fn, backend, device, cache_size, fast_flush)
    fn()
    estimate = statistics.fmean(timer.times(timer.estimate_calls))
    if early_stop_baseline is not None and estimate > early_stop_baseline:
        return Timing([estimate], timer.name, stopped=True)
    timer.warm(n_warmup or max(1, int(warmup / max(estimate, 1e-6))))
    return Timing(timer.times(n_repeat or max(1, int(rep / max(estimate, 1e-6)))), timer.name)


def _make_timer(fn: Callable[[], Any], backend: str, device: Any, cache_size: int, fast_flush: bool) -> Timer:
    import torch

    if backend not in TIMERS:
        raise UnsupportedError(f"timing backend {backend!r}", fix=f"use one of {', '.join(TIMERS)}")
    if backend != "wall" and not torch.cuda.is_available():
        if backend != "event":
            raise UnavailableError(f"timing by {backend} needs a GPU", fix='use backend="wall"')
        backend = "wall"
    return TIMERS[backend](fn, device, cache_size, fast_flush)


def do_bench(
    fn: Callable[[], Any],
    warmup: float = 25,
    rep: float = 100,
    _n_warmup: int = 0,
    _n_repeat: int = 0,
    quantiles: Sequence[float] | None = None,
    fast_flush: bool = True,
    backend: str = "event",
    return_mode: str = "mean",
    device: Any = None,
    cache_size: int = 256,
    early_stop_baseline: float | None = None,
) -> float | list[float]:
    """Milliseconds a call of `fn`.

    Parameters
    ----------
    fn : callable
        What to time, without arguments.
    warmup, rep : float
        Milliseconds to spend on warming up and on timing; the numbers of calls follow from an estimate.
    _n_warmup, _n_repeat : int
        The numbers of calls instead, when positive.
    quantiles : sequence of float, optional
        Return these quantiles of the calls' times instead of one number.
    fast_flush : bool
        Clear the L2 cache by 32-bit rather than 8-bit writes.
    backend : str
        "event" (CUDA events around each call: includes gaps while the host launches), "cupti" (the kernels' own time, as the
        driver records it), "cudagraph" (calls captured in one graph, free of the host's launch time; caches stay warm) or
        "wall". Without a GPU "event" means "wall".
    return_mode : str
        "mean", "median", "min" or "max" of the calls' times.
    device : optional
        The CUDA device; the current one by default.
    cache_size : int
        Megabytes written between calls, so that inputs do not stay in the L2 cache.
    early_stop_baseline : float, optional
        Return the estimate at once where it is slower than this many milliseconds.

    Returns
    -------
    float or list of float
        Milliseconds. `tilelang.profiler.time_calls` returns all times with their spread.
    """
    if return_mode not in _RETURN_MODES:
        raise UnsupportedError(f"return_mode {return_mode!r}", fix=f"use one of {', '.join(_RETURN_MODES)}")
    timing = time_calls(
        fn, warmup, rep, _n_warmup, _n_repeat,
        fast_flush=fast_flush, backend=backend, device=device, cache_size=cache_size, early_stop_baseline=early_stop_baseline,
    )  # fmt: skip
    if quantiles is not None:
        return timing.quantiles(quantiles)
    return _RETURN_MODES[return_mode](timing.times)


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)
