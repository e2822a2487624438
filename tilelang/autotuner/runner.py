"""Measuring configurations one after the other in processes that can be killed, one process a device."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from typing import Any

from tilelang.autotuner.measure import Measurement, MeasureTask, NotPreparedError, WrongResultError, measure, prepare, retire
from tilelang.autotuner.record import COMPILE_FAILED, CRASHED, FAILED, OUT_OF_MEMORY, TIMEOUT, WRONG
from tilelang.errors import CompilationError
from tilelang.jit.parallel.failure import WorkerError, WorkerTimeoutError
from tilelang.jit.parallel.pool import shared_pool

_PREPARE_SECONDS = 300.0  # loading arguments to the device, and before it the first contact with CUDA


@dataclass
class Measured:
    """A measurement, or why there is none: (status, exception)."""

    index: int
    result: Measurement | None = None
    failure: tuple[str, BaseException] | None = None


class Runner:
    """Keeps one measuring process on each device.

    Parameters
    ----------
    devices : list of int
        GPUs of the same kind; [0] for the simulator.
    timeout : float
        Seconds of one configuration.
    """

    def __init__(self, devices: list[int], timeout: float) -> None:
        self.devices, self.timeout = devices, timeout
        self._pools = {device: shared_pool(1, "measure", f" on {device}", memory_limit=None) for device in devices}
        self._running: dict[Future, tuple[int, int, MeasureTask]] = {}

    def __enter__(self) -> Runner:
        for pool in self._pools.values():
            pool.start()
        return self

    def __exit__(self, *exception: Any) -> None:
        """Free the devices' memory: the processes end, but what they are forked from stays for the next run."""
        for future, running in self._running.items():
            self._pools[running[0]].abort(future)
        for pool in self._pools.values():
            pool.submit(retire)

    def run(self, tasks: Iterable[tuple[int, MeasureTask]]) -> Iterator[Measured]:
        """Measure tasks as they come; each device does one at a time, and a task runs on the device that is free."""
        source, exhausted, busy = iter(tasks), False, self._running
        while True:
            while not exhausted and len(busy) < len(self.devices):
                free = next(d for d in self.devices if d not in {device for device, _, _ in busy.values()})
                try:
                    index, task = next(source)
                except StopIteration:
                    exhausted = True
                    break
                busy[self._submit(task, free)] = (free, index, task)
            if not busy:
                return
            done, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in done:
                device, index, task = busy.pop(future)
                if isinstance(future.exception(), NotPreparedError):
                    problem = self._prepare(task, device)
                    if problem is not None:
                        yield Measured(index, failure=(FAILED, problem))
                        continue
                    busy[self._submit(task, device)] = (device, index, task)
                    continue
                yield _outcome(index, future)

    def _submit(self, task: MeasureTask, device: int) -> Future:
        task = replace(task, device=device)
        return self._pools[device].call(measure, task, timeout=self.timeout, what="ran this configuration")

    def _prepare(self, task: MeasureTask, device: int) -> BaseException | None:
        loading = self._pools[device].call(
            prepare, task.path, device, task.options.target.on_host, timeout=_PREPARE_SECONDS, what="loaded the arguments"
        )
        return loading.exception()


def _outcome(index: int, future: Future) -> Measured:
    error = future.exception()
    if error is None:
        return Measured(index, future.result())
    return Measured(index, failure=(_status(error), error))


def _status(error: BaseException) -> str:
    if isinstance(error, WorkerTimeoutError):
        return TIMEOUT
    if isinstance(error, WorkerError):
        return CRASHED
    if isinstance(error, WrongResultError):
        return WRONG
    text = f"{type(error).__name__} {error}".lower()
    if isinstance(error, MemoryError) or "out of memory" in text or "outofmemory" in text or "allocate" in text:
        return OUT_OF_MEMORY
    if any(sign in text for sign in ("illegal", "misaligned", "out of bounds", "invalid address", "unspecified launch failure")):
        return CRASHED
    return COMPILE_FAILED if isinstance(error, CompilationError) else FAILED
