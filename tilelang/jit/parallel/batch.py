"""Many programs through an executor: in order, duplicates once, each failure its own."""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from dataclasses import dataclass
from typing import Any

from tilelang.cache import Artifact, KernelCache
from tilelang.env import env
from tilelang.jit.kernel import JITKernel
from tilelang.jit.options import CompileOptions
from tilelang.jit.parallel.pool import WorkerPool
from tilelang.jit.parallel.surroundings import Surroundings
from tilelang.jit.parallel.task import CompiledTask, CompileTask, compile_task, compiler_identity, dump_program


@dataclass(frozen=True)
class Program:
    """A tile program, traced or not, and how to compile it.

    Parameters
    ----------
    source : PrimFunc, PrimFuncSource or EagerProgram
        What to compile.
    options : CompileOptions
        How.
    out_idx : int or sequence of int, optional
        The parameters to return.
    label : str
        For messages.
    kernel : JITKernel, optional
        What it was compiled to before.
    """

    source: Any
    options: CompileOptions
    out_idx: int | Sequence[int] | None = None
    label: str = ""
    kernel: JITKernel | None = None


@dataclass
class Outcome:
    """What became of one program.

    Parameters
    ----------
    index : int
        Its place in the input.
    kernel : JITKernel, optional
    error : Exception, optional
        One of the two is set.
    cached : bool
        No compiler ran for it, in this batch.
    cpu_seconds, seconds : float
        What compiling took; 0 when cached.
    """

    index: int
    kernel: JITKernel | None = None
    error: Exception | None = None
    cached: bool = False
    cpu_seconds: float = 0.0
    seconds: float = 0.0


class Batch:
    """Compiles programs as they come, a window of them at a time.

    Parameters
    ----------
    executor : Executor
        Where compilations run.
    window : int
        How many at a time. Up to as many again are traced meanwhile.
    timeout : float, optional
        Seconds of one compilation; a `WorkerPool` kills it then, with any other executor its result is given up.
    """

    def __init__(self, executor: Executor, window: int, timeout: float | None = None) -> None:
        self.executor, self.window, self.timeout = executor, max(1, window), timeout
        self._surroundings = Surroundings.here()
        self._ready: deque[tuple[CompileTask, _Compilation]] = deque()  # traced ahead, for whoever is free next
        self._running: dict[Future, _Compilation] = {}
        self._by_key: dict[str, _Compilation] = {}

    def run(self, programs: Iterable[Callable[[], Program]]) -> Generator[Outcome, None, None]:
        """Outcomes as they become known.

        Parameters
        ----------
        programs : iterable of callable
            Each makes a program; what it raises is that program's error.
        """
        try:
            for index, make in enumerate(programs):
                yield from self._begin(index, make)
                self._feed()
                while len(self._ready) >= self.window or any(future.done() for future in self._running):
                    yield from self._finish()
            while self._running:
                yield from self._finish()
        finally:
            for future in self._running:
                self.executor.abort(future) if isinstance(self.executor, WorkerPool) else future.cancel()

    def _begin(self, index: int, make: Callable[[], Program]) -> Iterator[Outcome]:
        try:
            program = make()
            if program.kernel is not None:
                yield Outcome(index, program.kernel, cached=True)
                return
            request = request_of(program)
            if request in self._by_key:
                yield from self._by_key[request].join(index, program)
                return
            found = KernelCache().find_request(request) if request is not None else None
            if found is not None and request is not None:
                self._by_key[request] = known = _Compilation(program.label, [])
                known.artifact = found
                yield from known.join(index, program)
                return
            if isinstance(self.executor, WorkerPool):
                self.executor.start()  # while this process traces
            data = dump_program(_traced(program.source))
            key = request or hashlib.sha256(data + repr((program.options, program.out_idx)).encode()).hexdigest()
            if key in self._by_key:
                yield from self._by_key[key].join(index, program)
                return
            compiler = compiler_identity(program.options)
            task = CompileTask(data, program.options, program.out_idx, request, self._surroundings, compiler)
            self._by_key[key] = compilation = _Compilation(program.label, [(index, program)])
            self._ready.append((task, compilation))
        except Exception as error:
            yield Outcome(index, error=error)

    def _feed(self) -> None:
        """Start what is ready, as far as the window allows."""
        while self._ready and len(self._running) < self.window:
            task, compilation = self._ready.popleft()
            self._running[self._submit(task, compilation)] = compilation

    def _submit(self, task: CompileTask, compilation: _Compilation) -> Future:
        if isinstance(self.executor, WorkerPool):
            what = f"compiled {compilation.label}" if compilation.label else "compiled a kernel"
            return self.executor.call(compile_task, task, timeout=self.timeout, what=what)
        if self.timeout is not None:
            compilation.deadline = time.monotonic() + self.timeout
        return self.executor.submit(compile_task, task)

    def _finish(self) -> Iterator[Outcome]:
        nearest = min((c.deadline for c in self._running.values()), default=float("inf")) - time.monotonic()
        done, _ = wait(self._running, timeout=None if nearest == float("inf") else max(0.0, nearest), return_when=FIRST_COMPLETED)
        ended = [(self._running.pop(future), future) for future in done]
        now = time.monotonic()
        late = [future for future, compilation in self._running.items() if compilation.deadline <= now]
        for future in late:
            future.cancel()
        given_up = [self._running.pop(future) for future in late]
        self._feed()  # before the results are looked at: a worker is waiting
        for compilation, future in ended:
            yield from compilation.finish(future)
        for compilation in given_up:
            yield from compilation.give_up(self.timeout or 0.0)


class _Compilation:
    """One program that is being compiled, or was, and all places of the input that wait for it."""

    def __init__(self, label: str, members: list[tuple[int, Program]]) -> None:
        self.label, self.members = label, members
        self.deadline = float("inf")
        self.artifact: Artifact | None = None
        self.error: Exception | None = None
        self._kernel: JITKernel | None = None

    def kernel(self, program: Program) -> JITKernel:
        """One object for all places, as for equal calls of a jitted function."""
        if self._kernel is None:
            assert self.artifact is not None
            self._kernel = kernel_of(self.artifact, program)
        return self._kernel

    def join(self, index: int, program: Program) -> Iterator[Outcome]:
        """A duplicate: answered now if the original is done, else with it."""
        if self.artifact is not None:
            yield Outcome(index, self.kernel(program), cached=True)
        elif self.error is not None:
            yield Outcome(index, error=self.error, cached=True)
        else:
            self.members.append((index, program))

    def finish(self, future: Future) -> Iterator[Outcome]:
        result: CompiledTask | None = None
        try:
            result = future.result()
            self.artifact = _keep(result, self.members[0][1])
        except Exception as error:
            self.error = error
        yield from self._outcomes(result)

    def give_up(self, seconds: float) -> Iterator[Outcome]:
        from tilelang.jit.parallel.failure import timed_out

        self.error = timed_out(seconds, f"compiling {self.label or 'a kernel'}")
        yield from self._outcomes(None)

    def _outcomes(self, result: CompiledTask | None) -> Iterator[Outcome]:
        for position, (index, program) in enumerate(self.members):
            if self.artifact is None:
                yield Outcome(index, error=self.error)
                continue
            kernel, first = self.kernel(program), position == 0 and result is not None
            cpu, wall = (result.cpu_seconds, result.seconds) if first and result else (0.0, 0.0)
            yield Outcome(index, kernel, cached=not first, cpu_seconds=cpu, seconds=wall)


def _keep(result: CompiledTask, program: Program) -> Artifact:
    """The artifact, in this process's cache unless the worker published it there."""
    artifact = result.artifact()
    request = request_of(program)
    if artifact.directory is None and request is not None:
        cache = KernelCache()
        with cache.locked(request):
            artifact = cache.publish(request, artifact)  # under the request's own digest: the worker's key is not known here
        cache.publish_request(request, request)
    return artifact


def request_of(program: Program) -> str | None:
    """The key under which a program is found without tracing it; None where caching is off or it has none."""
    from tilelang.jit.impl import _request

    return None if env.TILELANG_DISABLE_CACHE else _request(program.source, program.options, program.out_idx)


def kernel_of(artifact: Artifact, program: Program) -> JITKernel:
    """The callable kernel of an artifact."""
    return JITKernel(artifact, program.options, lambda: _traced(program.source))


def _traced(source: Any) -> Any:
    return getattr(source, "prim_func", source)
