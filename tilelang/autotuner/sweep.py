"""One tuning run: prune, compile in parallel, measure where it can be killed, confirm the best."""

from __future__ import annotations

import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilelang.autotuner.inputs import Prepared, Question, signature_of
from tilelang.autotuner.measure import MeasureTask
from tilelang.autotuner.record import (
    COMPILE_FAILED,
    COMPILE_TIMEOUT,
    FAILED,
    MEASURED,
    PRUNED,
    SKIPPED,
    STOPPED,
    WRONG,
    AutotuneError,
    Record,
)
from tilelang.autotuner.runner import Measured, Runner
from tilelang.autotuner.settings import ProfileSettings, SearchSettings
from tilelang.carver.arch.device import current_device
from tilelang.carver.model import PrunedError, predict_ms, screen
from tilelang.jit.kernel import JITKernel
from tilelang.jit.parallel.batch import Outcome, Program
from tilelang.jit.parallel.failure import WorkerTimeoutError
from tilelang.jit.parallel.par_compile import make_batch
from tilelang.jit.parallel.surroundings import Surroundings
from tilelang.log import logger
from tilelang.profiler.work import count_work

_COMPILE_SHARE = 0.7  # of a budget; the rest is for measuring the survivors longer
_FINALISTS, _NEAR, _CONFIRMATIONS = 4, 0.05, 3
_NOISE = 0.01  # a difference below this is nobody's merit
_QUICK = 0.2  # share of `rep` in the first round of halving


@dataclass
class Sweep:
    """A tuning run over candidates.

    Parameters
    ----------
    records : list of Record
        One a candidate, filled in by `run`. Those that are measured already are left as they are.
    programs : list of callable
        Make the candidates' programs.
    profile, search
        Settings.
    question : Question
        Arguments and reference.

    Attributes
    ----------
    kernels : dict of int to JITKernel
        Compiled candidates.
    reference_ms : float, optional
        The reference's time.
    """

    records: list[Record]
    programs: list[Callable[[], Program]]
    profile: ProfileSettings
    search: SearchSettings
    question: Question
    kernels: dict[int, JITKernel] = field(default_factory=dict)
    reference_ms: float | None = None

    def run(self) -> Record:
        """Find the best candidate.

        Raises
        ------
        AutotuneError
            When there is none; it lists the reasons.
        """
        self._deadline = time.monotonic() + self.search.budget if self.search.budget else float("inf")
        self._compile_until = time.monotonic() + _COMPILE_SHARE * self.search.budget if self.search.budget else float("inf")
        self._prepared: dict[tuple, Prepared] = {}
        open_ = [r.index for r in self.records if not r.reused]
        if open_:
            with tempfile.TemporaryDirectory(prefix="tilelang-tune-") as folder:
                self._folder = Path(folder)
                self._sweep(open_)
        self._report()
        return self._best()

    # -- rounds -------------------------------------------------------------------------------------------------------
    def _sweep(self, indices: list[int]) -> None:
        compiled = self._compile(self._ordered(indices))
        first = next(compiled, None)
        if first is None:
            return
        target = self.kernels[first].target
        if target.simulated:
            from tilelang.simulator import library_path

            library_path()  # built here where it is out of date, rather than against a configuration's time limit
            logger.warning("autotune: no GPU: times are those of the CPU simulator, which rank nothing on a GPU")
        pipelined = self.search.use_pipeline or self.search.budget is not None
        ready: Any = self._chain(first, compiled) if pipelined else [first, *compiled]
        with Runner(self.search.device_numbers(target.on_host), self.profile.timeout) as runner:
            rep = self.profile.rep * (_QUICK if self.search.halving else 1.0)
            self._measure(runner, ready, rep, check=True, title="Measuring")
            while self.search.halving and rep < self.profile.rep and time.monotonic() < self._deadline:
                rep = min(self.profile.rep, rep * 3)
                survivors = self._leaders(max(_FINALISTS, len(self._leaders()) // 3))
                self._measure(runner, survivors, rep, check=False, title="Measuring the best again")
            if not target.simulated:
                self._confirm(runner)

    @staticmethod
    def _chain(first: int, rest: Iterator[int]) -> Iterator[int]:
        yield first
        yield from rest

    def _ordered(self, indices: list[int]) -> list[int]:
        """Best guesses first where time is limited."""
        if self.search.budget is None:
            return indices
        for index in indices:
            self._predict(index)
        return sorted(indices, key=lambda i: (self.records[i].predicted_ms or float("inf"), i))

    def _leaders(self, count: int | None = None) -> list[int]:
        """Measured candidates, fastest first."""
        done = [r for r in self.records if r.status == MEASURED and not r.reused and r.latency_ms is not None]
        return [r.index for r in sorted(done, key=lambda r: (r.latency_ms, r.index))[:count]]

    def _confirm(self, runner: Runner) -> None:
        """Measure those near the best in turns, so that drifting clocks favour nobody."""
        leaders = self._leaders(_FINALISTS)
        if len(leaders) < 2:
            return
        limit = (self.records[leaders[0]].latency_ms or 0.0) * (1 + _NEAR)
        near = [i for i in leaders if (self.records[i].latency_ms or 0.0) <= limit]
        if len(near) < 2:
            return
        for index in near:
            self.records[index].samples.clear()
        for _ in range(_CONFIRMATIONS):
            if time.monotonic() >= self._deadline:
                return
            self._measure(runner, near, self.profile.rep, check=False, title="Confirming")

    def _best(self) -> Record:
        done = [r for r in self.records if r.status == MEASURED and r.latency_ms is not None]
        if not done:
            raise AutotuneError(
                "Auto-tuning failed: No configuration successfully compiled and passed benchmarking/validation.",
                fix="see the reasons above; `prune=False` tries what seems not to fit",
                notes=tuple(str(record) for record in self.records),
            )
        fastest = min(r.latency_ms for r in done if r.latency_ms is not None)
        # Among equals the first of the list, so that the choice is the same tomorrow.
        return next(r for r in done if r.latency_ms is not None and r.latency_ms <= fastest * (1 + _NOISE))

    # -- compiling ----------------------------------------------------------------------------------------------------
    def _make(self, index: int) -> Program:
        program = self.programs[index]()
        self._examine(index, program)
        return program

    def _predict(self, index: int) -> None:
        try:
            self._examine(index, self.programs[index]())
        except Exception:  # noqa: S110 - compiling meets the same exception, and records it
            pass

    def _examine(self, index: int, program: Program) -> None:
        """Predict, and refuse what cannot fit."""
        if program.options.target.is_cpu:
            return  # the tables are of GPUs
        record, device = self.records[index], current_device(program.options.target.arch)
        work = count_work(getattr(program.source, "prim_func", program.source))
        record.predicted_ms = predict_ms(work, device)
        if self.search.prune:
            screen(work, device)

    def _compile(self, order: Sequence[int]) -> Iterator[int]:
        """Indices of candidates as their kernels become ready."""
        batch = make_batch(self._workers(), self.search.executor, self.search.compile_timeout, len(order))

        def makers() -> Iterator[Callable[[], Program]]:
            for index in order:
                if time.monotonic() > self._compile_until:
                    return
                yield functools.partial(self._make, index)

        for outcome in _bar(batch.run(makers()), len(order), "Compiling"):
            index = order[outcome.index]
            self._note_compiled(self.records[index], outcome)
            if outcome.kernel is not None:
                self.kernels[index] = outcome.kernel
                yield index
        for index in order:
            record = self.records[index]
            if record.status == SKIPPED and index not in self.kernels:
                record.reason = f"the budget of {self.search.budget:g} s was used up"

    def _workers(self) -> int | None:
        """Of another executor, its own number; of this machine, what the settings allow."""
        return self.search.num_workers if self.search.executor is not None else self.search.compile_workers

    @staticmethod
    def _note_compiled(record: Record, outcome: Outcome) -> None:
        record.compile_s = outcome.seconds
        if isinstance(outcome.error, PrunedError):
            record.failed(PRUNED, outcome.error)
        elif isinstance(outcome.error, WorkerTimeoutError):
            record.failed(COMPILE_TIMEOUT, outcome.error)
        elif outcome.error is not None:
            record.failed(COMPILE_FAILED, outcome.error)

    # -- measuring ----------------------------------------------------------------------------------------------------
    def _measure(self, runner: Runner, indices: Any, rep: float, check: bool, title: str) -> None:
        def tasks() -> Iterator[tuple[int, MeasureTask]]:
            for index in indices:
                try:
                    task = self._task(index, rep, check)
                except Exception as error:
                    if not isinstance(error, (ArithmeticError, RuntimeError)):
                        raise  # the caller's own program is wrong, for all configurations
                    self.records[index].failed(FAILED, error)
                    continue
                yield index, task

        total = len(indices) if hasattr(indices, "__len__") else None
        for measured in _bar(runner.run(tasks()), total, title):
            self._note(measured, check)

    def _task(self, index: int, rep: float, check: bool) -> MeasureTask:
        kernel, prepared = self.kernels[index], self._arguments(self.kernels[index])
        manual = check and self.profile.manual_check_prog is not None and not self.profile.skip_check
        leaders = self._leaders(1)
        baseline = None
        if self.search.early_stop and leaders:
            baseline = (self.records[leaders[0]].latency_ms or 0.0) * self.search.early_stop_factor
        return MeasureTask(
            artifact=kernel.artifact,
            options=kernel.options,
            path=prepared.path,
            device=0,
            warmup=self.profile.warmup if check else 0,
            rep=rep,
            backend=self.profile.backend,
            tolerance=self.profile.tolerance if check else None,
            save=str(self._folder / f"{index}.outputs") if manual else None,
            baseline=baseline,
            surroundings=Surroundings.here(),
        )

    def _arguments(self, kernel: JITKernel) -> Prepared:
        inputs = [p for i, p in enumerate(kernel.params) if i not in kernel.out_idx]
        signature = signature_of(inputs)
        if signature not in self._prepared:
            from tilelang.profiler import do_bench

            simulated = kernel.target.simulated
            count = dict(_n_warmup=1, _n_repeat=1) if simulated else dict(warmup=self.profile.warmup, rep=self.profile.rep)
            prepared = Prepared(
                self.question, inputs, "cpu" if kernel.target.on_host else "cuda", self._folder, lambda fn: do_bench(fn, **count)
            )
            self._prepared[signature] = prepared
            self.reference_ms = self.reference_ms or prepared.reference_ms
        return self._prepared[signature]

    def _note(self, measured: Measured, check: bool) -> None:
        record = self.records[measured.index]
        if measured.failure is not None:
            record.latency_ms = None
            record.failed(*measured.failure)
            return
        result = measured.result
        assert result is not None
        if check and self.profile.manual_check_prog is not None and not self.profile.skip_check:
            problem = self._manual_check(measured.index)
            if problem is not None:
                record.failed(WRONG, problem)
                return
        record.samples.append(result.latency)
        record.latency_ms, record.spread = statistics.median(record.samples[-_CONFIRMATIONS:]), result.spread
        record.status = STOPPED if result.stopped else MEASURED
        record.reason = "slower than the best by more than the early-stop factor" if result.stopped else ""

    def _manual_check(self, index: int) -> BaseException | None:
        import torch

        prepared = self._arguments(self.kernels[index])
        outputs = torch.load(self._folder / f"{index}.outputs", weights_only=False)
        expected = prepared.expected or []
        device = expected[0].device if expected and isinstance(expected[0], torch.Tensor) else "cpu"
        try:
            self.profile.manual_check_prog([t.to(device) for t in outputs], expected)  # type: ignore[misc]
        except Exception as error:
            return error
        return None

    # -- telling ------------------------------------------------------------------------------------------------------
    def _report(self) -> None:
        """Log what went wrong, and a choice that the noise might have made."""
        for record in self.records:
            if record.status not in (MEASURED, STOPPED):
                logger.info("autotune: %s", record)
        leaders = self._leaders(2)
        if len(leaders) == 2:
            first, second = (self.records[i] for i in leaders)
            gap = (second.latency_ms or 0.0) / (first.latency_ms or 1.0) - 1
            noise = max(first.spread or 0.0, second.spread or 0.0)
            if gap < noise and first.config != second.config:
                logger.info(
                    "autotune: #%d is ahead of #%d by %.1f %%, less than the spread of their times (%.1f %%)",
                    first.index, second.index, 100 * gap, 100 * noise,
                )  # fmt: skip


def _bar(items: Iterator[Any], total: int | None, title: str) -> Iterator[Any]:
    from tqdm import tqdm

    return iter(tqdm(items, total=total, desc=title, unit="config", disable=None, leave=False))
