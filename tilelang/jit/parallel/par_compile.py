"""`tilelang.par_compile` and `JITImpl.par_compile`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentTypeError, FunctionTypeError, TileLangError
from tilelang.jit.kernel import JITKernel
from tilelang.jit.options import resolve_options
from tilelang.jit.parallel.batch import Batch, Outcome, Program
from tilelang.jit.parallel.pool import shared_pool
from tilelang.log import logger

if TYPE_CHECKING:
    from tilelang.jit.impl import JITImpl


class KernelList(list):
    """Kernels in the order of their programs, None where one failed.

    Attributes
    ----------
    errors : dict of int to Exception
        Why, by place.
    cpu_seconds, seconds : float
        Processor time of all compilations together; wall-clock time of the whole.
    """

    def __init__(self, kernels: Iterable[JITKernel | None], errors: dict[int, Exception], cpu: float, wall: float) -> None:
        super().__init__(kernels)
        self.errors, self.cpu_seconds, self.seconds = errors, cpu, wall


def available_cpus() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0))


def par_compile(
    funcs: Iterable[Any],
    out_idx: int | Sequence[int] | None = None,
    execution_backend: str | None = None,
    target: Any = None,
    target_host: Any = None,
    verbose: bool | None = None,
    pass_configs: dict[Any, Any] | None = None,
    compile_flags: Sequence[str] | str | None = None,
    num_workers: int | None = None,
    ignore_error: bool = False,
    *,
    executor: Executor | None = None,
    timeout: float | None = None,
) -> KernelList:
    """Compile many programs at once, in worker processes.

    Programs are traced here, so that their functions may be closures; lowering and the CUDA compiler run in workers, which
    are reused by later calls. Equal programs are compiled once, and those in the cache not at all. No GPU is needed.

    Parameters
    ----------
    funcs : iterable of PrimFunc
        Functions decorated with `T.prim_func`; a generator is read as workers become free.
    out_idx, execution_backend, target, target_host, verbose, pass_configs, compile_flags
        As of `tilelang.compile`, for all.
    num_workers : int, optional
        Programs compiled at a time; the processors that this process may use by default.
    ignore_error : bool
        Put None where a program fails, log it, and go on. Otherwise the first failure is raised and the rest cancelled.
    executor : concurrent.futures.Executor, optional
        Where to compile instead: a Dask client's `get_executor()`, loky, a `ProcessPoolExecutor`. Its workers need the same
        versions of this package and of the CUDA compiler.
    timeout : float, optional
        Seconds after which a single compilation is killed and counts as failed.

    Returns
    -------
    KernelList
        A list with `errors` by index.

    Examples
    --------
    >>> kernels = tilelang.par_compile([matmul(n) for n in (1024, 2048)], out_idx=-1)
    """
    options = resolve_options(target, execution_backend, pass_configs, compile_flags, verbose)

    def program(index: int, func: Any) -> Program:
        from tilelang.frontend.mode import is_prim_func

        if not is_prim_func(func):
            raise FunctionTypeError(
                f"target function must be a PrimFunc but got {type(func).__name__} (item {index})",
                fix="pass functions decorated with @T.prim_func",
            )
        return Program(func, options, out_idx, f"`{getattr(func, '__name__', 'main')}` (item {index})")

    makers = (lambda i=i, f=f: program(i, f) for i, f in enumerate(funcs))
    return compile_all(makers, num_workers, ignore_error, executor, timeout, total=_length(funcs))


def par_compile_calls(
    function: JITImpl,
    configs: Iterable[Mapping[str, Any] | tuple],
    num_workers: int | None = None,
    ignore_error: bool = False,
    executor: Executor | None = None,
    timeout: float | None = None,
) -> KernelList:
    """`JITImpl.par_compile`: the kernels of a jitted function for many arguments.

    Parameters
    ----------
    function : JITImpl
        The function.
    configs : iterable of dict or tuple
        Each the keyword arguments, or the positional arguments, of one call of `function.compile`.
    num_workers, ignore_error, executor, timeout
        As of `tilelang.par_compile`.
    """

    keys: dict[int, Any] = {}

    def program(index: int, config: Mapping[str, Any] | tuple) -> Program:
        if isinstance(config, Mapping):
            args, kwargs = (), dict(config)
        elif isinstance(config, tuple):
            args, kwargs = config, {}
        else:
            raise ArgumentTypeError(
                f"configuration {index} of `{function.__name__}` is a {type(config).__name__}",
                fix="give a dict of keyword arguments or a tuple of positional ones",
            )
        source, out_idx, options, keys[index] = function.program_of(args, kwargs)
        label = f"`{function.__name__}` (item {index}: {config})"
        return Program(source, options, out_idx, label, function.remembered(keys[index]))

    makers = (lambda i=i, c=c: program(i, c) for i, c in enumerate(configs))
    kernels = compile_all(makers, num_workers, ignore_error, executor, timeout, total=_length(configs))
    for index, kernel in enumerate(kernels):
        if kernel is not None:
            function.remember(keys[index], kernel)
    return kernels


def compile_all(
    programs: Iterable[Callable[[], Program]],
    num_workers: int | None,
    ignore_error: bool,
    executor: Executor | None,
    timeout: float | None,
    total: int | None = None,
) -> KernelList:
    """Run a `Batch` to its end, with a progress bar on terminals."""
    started = time.perf_counter()
    outcomes: dict[int, Outcome] = {}
    batch = make_batch(num_workers, executor, timeout, total)
    stream = batch.run(programs)
    try:
        for outcome in _with_progress(stream, total):
            outcomes[outcome.index] = outcome
            if outcome.error is not None:
                if not ignore_error:
                    raise _located(outcome.error, outcome.index, total)
                logger.warning("program %d could not be compiled: %s", outcome.index, outcome.error)
    finally:
        stream.close()  # also on Ctrl-C: what runs is killed
    kernels = [outcomes[index].kernel for index in range(len(outcomes))]
    errors = {index: o.error for index, o in sorted(outcomes.items()) if o.error is not None}
    return KernelList(kernels, errors, sum(o.cpu_seconds for o in outcomes.values()), time.perf_counter() - started)


def make_batch(num_workers: int | None, executor: Executor | None, timeout: float | None, total: int | None = None) -> Batch:
    """A batch on `executor`, or on this process's own workers."""
    from tilelang.env import env

    if num_workers is not None and num_workers < 1:
        raise ValueError(f"num_workers is {num_workers}: give at least 1")
    timeout = env.TILELANG_COMPILE_TIMEOUT_SECONDS if timeout is None else timeout
    if executor is not None:
        return Batch(executor, num_workers or 4 * (getattr(executor, "_max_workers", None) or available_cpus()), timeout)
    count = num_workers or available_cpus()
    count = count if total is None else max(1, min(count, total))
    return Batch(shared_pool(count), count, timeout)


def _with_progress(outcomes: Iterator[Outcome], total: int | None) -> Iterator[Outcome]:
    from tqdm import tqdm

    return iter(tqdm(outcomes, total=total, desc="Compiling", unit="kernel", disable=None, leave=False))


def _located(error: Exception, index: int, total: int | None) -> Exception:
    if isinstance(error, TileLangError):
        error.notes = (*error.notes, f"while compiling item {index}" + ("" if total is None else f" of {total}"))
    return error


def _length(items: Any) -> int | None:
    return len(items) if hasattr(items, "__len__") else None
