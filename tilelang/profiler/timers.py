"""Ways to take the time of a call."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

from tilelang.errors import UnavailableError


class Timer(Protocol):
    """Calls a function and says how long each call took, in milliseconds."""

    name: str
    estimate_calls: int

    def __init__(self, fn: Callable[[], Any], device: Any, cache_size: int, fast_flush: bool) -> None: ...

    def warm(self, count: int) -> None: ...

    def times(self, count: int) -> list[float]: ...


class WallTimer:
    """The host's clock."""

    name, estimate_calls = "wall", 1

    def __init__(self, fn: Callable[[], Any], device: Any, cache_size: int, fast_flush: bool) -> None:
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


class _Flush:
    """Fills the L2 cache with something else."""

    def __init__(self, device: Any, cache_size: int, fast: bool) -> None:
        import torch

        kind = torch.int32 if fast else torch.int8
        self.buffer = torch.empty(cache_size * 2**20 // kind.itemsize, dtype=kind, device=device or "cuda")

    def __call__(self) -> None:
        self.buffer.zero_()


class EventTimer:
    """CUDA events before and after each call."""

    name, estimate_calls = "event", 2

    def __init__(self, fn: Callable[[], Any], device: Any, cache_size: int, fast_flush: bool) -> None:
        self.fn, self.device = fn, device
        self.flush = _Flush(device, cache_size, fast_flush)

    def warm(self, count: int) -> None:
        for _ in range(count):
            self.fn()

    def times(self, count: int) -> list[float]:
        import torch

        pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(count)]
        for begin, end in pairs:
            self.flush()
            begin.record()
            self.fn()
            end.record()
        torch.cuda.synchronize(self.device)
        return [begin.elapsed_time(end) for begin, end in pairs]


class GraphTimer:
    """Calls inside one CUDA graph: `_CALLS` of them are timed together."""

    name, estimate_calls = "cudagraph", 1
    _CALLS = 16

    def __init__(self, fn: Callable[[], Any], device: Any, cache_size: int, fast_flush: bool) -> None:
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


class CuptiTimer:
    """The kernels' own start and end, as CUPTI records them through torch's profiler; gaps between launches do not count."""

    name, estimate_calls = "cupti", 2
    _MARK = "tilelang_flush"

    def __init__(self, fn: Callable[[], Any], device: Any, cache_size: int, fast_flush: bool) -> None:
        self.fn, self.device = fn, device
        self.flush = _Flush(device, cache_size, fast_flush)

    def warm(self, count: int) -> None:
        for _ in range(count):
            self.fn()

    def times(self, count: int) -> list[float]:
        import torch
        from torch.autograd import DeviceType
        from torch.profiler import ProfilerActivity, profile

        with profile(activities=[ProfilerActivity.CUDA]) as recorded:
            for _ in range(count):
                self.flush()
                self.fn()
            torch.cuda.synchronize(self.device)
        events = [e for e in recorded.events() if e.device_type == DeviceType.CUDA]
        events.sort(key=lambda e: e.time_range.start)
        if len(events) < 2 * count or len(events) % count:
            raise UnavailableError(
                f"CUPTI recorded {len(events)} kernels for {count} calls",
                fix='use backend="event"; another profiler may be active',
            )
        each = len(events) // count  # the flush and the call's own kernels
        calls = [events[i * each + 1 : (i + 1) * each] for i in range(count)]
        return [sum(e.time_range.end - e.time_range.start for e in call) / 1e3 for call in calls]


TIMERS: dict[str, type[Timer]] = {t.name: t for t in (EventTimer, CuptiTimer, GraphTimer, WallTimer)}
