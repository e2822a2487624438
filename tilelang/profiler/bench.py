"""Timing a callable: CUDA events on a GPU, the wall clock on a CPU."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

from tilelang.errors import UnavailableError, UnsupportedError

_RETURN_MODES: dict[str, Callable[[list[float]], float]] = {
    "mean": statistics.fmean,
    "median": statistics.median,
    "min": min,
    "max": max,
}


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
        "event" (CUDA events), "cudagraph" (calls captured in one graph, free of the host's launch time) or "wall".
        Without a GPU "event" means "wall".
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
        Milliseconds.
    """
    import torch

    if return_mode not in _RETURN_MODES:
        raise UnsupportedError(f"return_mode {return_mode!r}", fix=f"use one of {', '.join(_RETURN_MODES)}")
    if backend not in ("event", "cudagraph", "wall"):
        raise UnsupportedError(f"timing backend {backend!r} is not in this version", fix="use event, cudagraph or wall")
    if backend == "cudagraph" and not torch.cuda.is_available():
        raise UnavailableError("CUDA graphs need a GPU", fix='use backend="wall"')
    if backend == "wall" or not torch.cuda.is_available():
        timer: Any = _WallTimer(fn)
    elif backend == "event":
        timer = _EventTimer(fn, device, cache_size, fast_flush)
    else:
        timer = _GraphTimer(fn, device)
    fn()
    estimate = statistics.fmean(timer.times(2))
    if early_stop_baseline is not None and estimate > early_stop_baseline:
        return [estimate] * len(quantiles) if quantiles else estimate
    timer.warm(_n_warmup or max(1, int(warmup / max(estimate, 1e-6))))
    times = timer.times(_n_repeat or max(1, int(rep / max(estimate, 1e-6))))
    if quantiles is not None:
        return [_quantile(times, q) for q in quantiles]
    return _RETURN_MODES[return_mode](times)


def _quantile(values: list[float], q: float) -> float:
    ordered = sorted(values)
    position = q * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


class _WallTimer:
    def __init__(self, fn: Callable[[], Any]) -> None:
        self.fn = fn

    def warm(self, count: int) -> None:
        for _ in range(min(count, 1)):  # a CPU has no clocks to raise; a simulated call can take seconds
            self.fn()

    def times(self, count: int) -> list[float]:
        result = []
        for _ in range(count):
            started = time.perf_counter()
            self.fn()
            result.append((time.perf_counter() - started) * 1e3)
        return result


class _EventTimer:
    def __init__(self, fn: Callable[[], Any], device: Any, cache_size: int, fast_flush: bool) -> None:
        import torch

        self.fn, self.device = fn, device
        width = 4 if fast_flush else 1
        self.flush = torch.empty(
            cache_size * 2**20 // width, dtype=torch.int32 if fast_flush else torch.int8, device=device or "cuda"
        )

    def warm(self, count: int) -> None:
        for _ in range(count):
            self.fn()

    def times(self, count: int) -> list[float]:
        import torch

        pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
        for begin, end in pairs:
            self.flush.zero_()
            begin.record()
            self.fn()
            end.record()
        torch.cuda.synchronize(self.device)
        return [begin.elapsed_time(end) for begin, end in pairs]


class _GraphTimer:
    """Calls inside one CUDA graph: `_CALLS` of them are timed together."""

    _CALLS = 16

    def __init__(self, fn: Callable[[], Any], device: Any) -> None:
        import torch

        stream = torch.cuda.Stream(device)
        with torch.cuda.stream(stream):
            fn()  # loads the kernel, which capture forbids
        torch.cuda.synchronize(device)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            for _ in range(self._CALLS):
                fn()

    def warm(self, count: int) -> None:
        for _ in range(-(-count // self._CALLS)):
            self.graph.replay()

    def times(self, count: int) -> list[float]:
        import torch

        result = []
        for _ in range(-(-count // self._CALLS)):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            begin.record()
            self.graph.replay()
            end.record()
            end.synchronize()
            result.append(begin.elapsed_time(end) / self._CALLS)
        return result
