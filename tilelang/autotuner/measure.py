"""Run, check and time one configuration, in a process that may die of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from tilelang.autotuner.inputs import as_list
from tilelang.cache import Artifact
from tilelang.errors import TileLangError
from tilelang.jit.kernel import JITKernel
from tilelang.jit.options import CompileOptions
from tilelang.jit.parallel.surroundings import Surroundings
from tilelang.jit.parallel.worker import Retire


class WrongResultError(TileLangError, AssertionError):
    """A configuration whose output differs from the reference."""

    code = "TL0720"


class NotPreparedError(Exception):
    """This process has not loaded the arguments: it replaces one that died."""


@dataclass(frozen=True)
class MeasureTask:
    """One configuration to measure.

    Parameters
    ----------
    artifact : Artifact
        The compiled kernel.
    options : CompileOptions
        How it was compiled.
    path : str
        The file of arguments.
    device : int
        The GPU's number; meaningless on the host.
    warmup, rep : float
        Milliseconds.
    backend : str
        Of `do_bench`.
    tolerance : tuple of float, optional
        rtol, atol and the share of elements that may differ; None: nothing is compared.
    save : str, optional
        Write what the kernel returned to this file, for a check in the process that asks.
    baseline : float, optional
        Stop when an estimate is slower than this many milliseconds.
    surroundings : Surroundings
        Of the process that asks.
    """

    artifact: Artifact
    options: CompileOptions
    path: str
    device: int
    warmup: float
    rep: float
    backend: str
    tolerance: tuple[float, float, float] | None
    save: str | None
    baseline: float | None
    surroundings: Surroundings


@dataclass(frozen=True)
class Measurement:
    """Times of one configuration.

    Parameters
    ----------
    latency : float
        Median milliseconds of a call.
    low, high : float
        Quartiles.
    stopped : bool
        Given up after an estimate that was too slow.
    """

    latency: float
    low: float
    high: float
    stopped: bool = False

    @property
    def spread(self) -> float:
        """The quartiles' distance over the median."""
        return (self.high - self.low) / self.latency if self.latency else 0.0


@dataclass
class _Loaded:
    path: str
    device: str
    arguments: list[Any]
    expected: list[Any] | None
    changed: list[Any] | None
    print: tuple


_loaded: _Loaded | None = None


def prepare(path: str, device: int, on_host: bool) -> None:
    """Load arguments to the device, once for many configurations."""
    import torch

    global _loaded
    place = "cpu" if on_host else f"cuda:{device}"
    if not on_host:
        torch.cuda.set_device(device)
    held = torch.load(path, map_location=place, weights_only=False)
    values = [*held["arguments"], *(held["expected"] or []), *(held["changed"] or [])]
    _loaded = _Loaded(path, place, held["arguments"], held["expected"], held["changed"], _fingerprint(values))


def measure(task: MeasureTask) -> Measurement:
    """Check and time a configuration.

    Raises
    ------
    NotPreparedError
        `prepare` must be called first, in this process.
    WrongResultError
        Its output differs from the reference.
    """
    import torch

    task.surroundings.apply()
    if _loaded is None or _loaded.path != task.path:
        raise NotPreparedError
    kernel = JITKernel(task.artifact, task.options, lambda: None)
    try:
        result = _measure(kernel, task, _loaded)
        if not task.options.target.on_host:
            torch.cuda.synchronize()
    except Exception as error:
        if not task.options.target.on_host and not _context_is_alive():
            raise Retire(error) from None
        raise
    finally:
        _reload_if_touched(task)
    return result


def _measure(kernel: JITKernel, task: MeasureTask, loaded: _Loaded) -> Measurement:
    import torch

    from tilelang.profiler.bench import Timing, time_calls

    arguments = loaded.arguments
    if not kernel.out_idx:  # it writes some of its arguments
        arguments = [a.clone() if isinstance(a, torch.Tensor) else a for a in arguments]
    started = time.perf_counter()
    returned = as_list(kernel(*arguments))
    first = (time.perf_counter() - started) * 1e3
    if task.save is not None:
        torch.save([t.cpu() for t in returned or arguments if isinstance(t, torch.Tensor)], task.save)
    if task.tolerance is not None:
        check(returned, arguments, loaded, task.tolerance)
    target = task.options.target
    if target.simulated and first >= task.rep:  # a simulated call may take seconds: one is enough
        return Measurement(first, first, first)
    timing: Timing = time_calls(
        lambda: kernel(*arguments),
        warmup=task.warmup,
        rep=task.rep,
        backend="wall" if target.on_host else task.backend,
        early_stop_baseline=task.baseline,
    )
    low, median, high = timing.quantiles((0.25, 0.5, 0.75))
    return Measurement(median, low, high, timing.stopped)


def check(returned: list[Any], arguments: list[Any], loaded: Any, tolerance: tuple[float, float, float]) -> None:
    """Compare what a kernel returned, or wrote, with the reference.

    A kernel without outputs is compared by the arguments that it changed: with what the reference returned, in order, or
    with the arguments that the reference changed.
    """
    import torch

    from tilelang.testing.compare import torch_assert_close

    rtol, atol, ratio = tolerance
    if loaded.changed is not None:
        pairs = list(zip(returned or arguments, loaded.changed))
    elif loaded.expected is None:
        return
    else:
        ours = returned or [new for new, old in zip(arguments, loaded.arguments) if _differs(new, old)]
        if len(ours) != len(loaded.expected):
            verb = "returned" if returned else "changed"
            raise WrongResultError(f"the kernel {verb} {len(ours)} tensor(s), the reference returned {len(loaded.expected)}")
        pairs = list(zip(ours, loaded.expected))
    for position, (got, wanted) in enumerate(pairs):
        if not isinstance(got, torch.Tensor):
            continue
        try:
            torch_assert_close(
                got, wanted, rtol, atol, ratio, check_dtype=False, base_name=f"output {position}", ref_name="reference"
            )
        except AssertionError as error:
            raise WrongResultError(str(error), fix="this configuration computes something else; it is not used") from None


def _differs(new: Any, old: Any) -> bool:
    import torch

    return isinstance(new, torch.Tensor) and _bytes_sum(new) != _bytes_sum(old)


def _bytes_sum(tensor: Any) -> tuple[int, int]:
    """Two sums over a tensor's bytes: a pass over the memory, no copy to the host."""
    import torch

    flat = tensor.contiguous().reshape(-1).view(torch.uint8)
    whole = flat[: flat.numel() // 8 * 8].view(torch.int64)
    total = int(whole.sum()) if whole.numel() else 0
    alternate = int(whole[::2].sum()) if whole.numel() else 0
    return total + int(flat[whole.numel() * 8 :].sum()), alternate


def _fingerprint(values: list[Any]) -> tuple:
    import torch

    return tuple(_bytes_sum(v) if isinstance(v, torch.Tensor) and not v.is_sparse else repr(v) for v in values)


def _reload_if_touched(task: MeasureTask) -> None:
    """A configuration that wrote where it must not would spoil the next one's measurement."""
    global _loaded
    try:
        assert _loaded is not None
        values = [*_loaded.arguments, *(_loaded.expected or []), *(_loaded.changed or [])]
        if _fingerprint(values) != _loaded.print:
            prepare(task.path, task.device, task.options.target.on_host)
    except Exception:  # the device is gone, and this process with it
        _loaded = None


def _context_is_alive() -> bool:
    import torch

    try:
        torch.cuda.synchronize()
        return bool(torch.ones(1, device="cuda").item() == 1)
    except RuntimeError:
        return False


def retire() -> None:
    """End this process, and with it its hold on the device's memory."""
    raise Retire(NotPreparedError())
