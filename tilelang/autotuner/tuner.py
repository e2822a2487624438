"""`AutoTuner`: tuning as an object."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tilelang.autotuner.configs import PASS_CONFIGS, check_keys, list_configs
from tilelang.autotuner.history import device_identity, history_key, recall, remember
from tilelang.autotuner.inputs import Question, get_autotune_inputs
from tilelang.autotuner.record import Record
from tilelang.autotuner.result import AutotuneResult
from tilelang.autotuner.settings import ProfileSettings, SearchSettings
from tilelang.autotuner.sweep import Sweep
from tilelang.errors import ArgumentTypeError
from tilelang.jit.impl import JITImpl, make_kernel
from tilelang.jit.memo import argument_key
from tilelang.jit.options import CompileOptions
from tilelang.jit.parallel.batch import Program
from tilelang.profiler.supply import TensorSupplyType


class AutoTuner:
    """Finds the fastest configuration of a kernel.

    Every configuration is compiled and run in a process of its own that is killed when it hangs or crashes: a bad one costs
    itself alone, and is recorded with its reason.

    Examples
    --------
    >>> tuner = AutoTuner.from_kernel(matmul, configs).set_compile_args(out_idx=-1).set_profile_args(ref_prog=torch.matmul)
    >>> result = tuner.run(warmup=3, rep=20)
    >>> result.config, result.latency, result.kernel
    """

    def __init__(self, function: Callable | JITImpl, configs: Any) -> None:
        self.function, self.configs = function, configs
        self.compile_args: dict[str, Any] = {}
        self.profile = ProfileSettings(timeout=180)
        self._arguments: tuple[tuple, dict[str, Any]] = ((), {})
        self._given: tuple | None = None

    @classmethod
    def from_kernel(cls, kernel: Callable | JITImpl, configs: Any) -> AutoTuner:
        """Tune a function.

        Parameters
        ----------
        kernel : callable or JITImpl
            A function under `tilelang.jit`, or a plain one that returns a `T.prim_func`; the keys of configurations are
            its parameters.
        configs : sequence of dict, dict of list, or callable
            What to try.
        """
        if not callable(kernel):
            raise ArgumentTypeError(
                f"AutoTuner.from_kernel got a {type(kernel).__name__}", fix="pass the function that returns the T.prim_func"
            )
        return cls(kernel, configs)

    def set_compile_args(
        self,
        out_idx: int | Sequence[int] | None = None,
        target: Any = None,
        execution_backend: str | None = None,
        target_host: Any = None,
        verbose: bool | None = None,
        pass_configs: dict[Any, Any] | None = None,
    ) -> AutoTuner:
        """How kernels are compiled; as of `tilelang.jit`. What is None stays as the function's own decorator says."""
        given = dict(
            out_idx=out_idx, target=target, execution_backend=execution_backend, target_host=target_host,
            verbose=verbose, pass_configs=pass_configs,
        )  # fmt: skip
        self.compile_args = {name: value for name, value in given.items() if value is not None}
        return self

    def set_profile_args(
        self,
        warmup: float = 25,
        rep: float = 100,
        timeout: float = 30,
        supply_type: TensorSupplyType = TensorSupplyType.Auto,
        ref_prog: Callable | None = None,
        supply_prog: Callable | None = None,
        rtol: float = 1e-2,
        atol: float = 1e-2,
        max_mismatched_ratio: float = 0.01,
        skip_check: bool = False,
        manual_check_prog: Callable | None = None,
        cache_input_tensors: bool = False,
        backend: str = "event",
    ) -> AutoTuner:
        """How kernels are measured and checked: see `ProfileSettings`."""
        self.profile = ProfileSettings(
            warmup, rep, timeout, supply_type, ref_prog, supply_prog, rtol, atol, max_mismatched_ratio,
            skip_check, manual_check_prog, cache_input_tensors, backend,
        )  # fmt: skip
        return self

    def set_arguments(self, args: tuple, kwargs: Mapping[str, Any], given: tuple | None = None) -> AutoTuner:
        """What the function is called with beside a configuration, and the kernel's own arguments if they are known."""
        self._arguments, self._given = (args, dict(kwargs)), given
        return self

    def run(
        self,
        warmup: float | None = None,
        rep: float | None = None,
        timeout: float | None = None,
        use_pipeline: bool = False,
        enable_grouped_compile: bool = False,
        group_compile_size: int = 2,
        benchmark_devices: Sequence[Any] | None = None,
        benchmark_multi_gpu: bool = False,
        early_stop: bool = False,
        early_stop_factor: float = 2.0,
        *,
        search: SearchSettings | None = None,
    ) -> AutotuneResult:
        """Tune.

        Parameters
        ----------
        warmup, rep, timeout : float, optional
            Instead of those of `set_profile_args` (milliseconds, milliseconds, seconds).
        use_pipeline : bool
            Measure while others still compile.
        enable_grouped_compile, group_compile_size
            Accepted for compatibility: each configuration is a compilation of its own, in workers that are reused.
        benchmark_devices, benchmark_multi_gpu
            GPUs that measure.
        early_stop, early_stop_factor
            Give up configurations that are slower than the best by the factor.
        search : SearchSettings, optional
            All of these, and budget, strategy, executor.

        Returns
        -------
        AutotuneResult

        Raises
        ------
        AutotuneError
            When no configuration works; it lists why.
        """
        search = search or SearchSettings(
            early_stop=early_stop,
            early_stop_factor=early_stop_factor,
            use_pipeline=use_pipeline,
            devices=benchmark_devices,
            multi_gpu=benchmark_multi_gpu,
        )
        changes: dict[str, Any] = {"warmup": warmup, "rep": rep, "timeout": timeout}
        profile = dataclasses.replace(self.profile, **{name: value for name, value in changes.items() if value is not None})
        started = time.perf_counter()
        function = self._jitted()
        args, kwargs = self._arguments
        configs = list_configs(self.configs, args, kwargs)
        check_keys(configs, function.func)
        records = [Record(index, config) for index, config in enumerate(configs)]
        sources: dict[Any, Any] = {}
        programs = [self._program_maker(function, config, sources) for config in configs]
        given = self._given if self._given is not None else get_autotune_inputs()
        options = function.resolved_options()
        key = history_key(function.cache_identity(), options, (args, kwargs, function.out_idx, _shapes(given)), profile)
        recall(key, records)
        question = Question(profile.supply_type, profile.supply_prog, profile.ref_prog, given, search.seed)
        sweep = Sweep(records, programs, profile, search, question)
        try:
            best = sweep.run()
        finally:
            remember(key, records)
        kernel = sweep.kernels.get(best.index) or _compile(programs[best.index]())
        assert best.latency_ms is not None
        kernel.update_tuner_result(best.latency_ms, best.config, sweep.reference_ms)
        seconds = time.perf_counter() - started
        return AutotuneResult(
            best.latency_ms, best.config, sweep.reference_ms, kernel, records, device_identity(options), seconds
        )

    def _jitted(self) -> JITImpl:
        """The function as a JITImpl, with the compile arguments over its own."""
        if not isinstance(self.function, JITImpl):
            return JITImpl(self.function, **self.compile_args)
        return self.function.with_options(**self.compile_args) if self.compile_args else self.function

    def _program_maker(self, function: JITImpl, config: Mapping[str, Any], sources: dict[Any, Any]) -> Callable[[], Program]:
        return lambda: config_program(function, *self._arguments, config, sources)


def config_program(
    function: JITImpl,
    args: tuple,
    kwargs: Mapping[str, Any],
    config: Mapping[str, Any],
    sources: dict[Any, Any] | None = None,
) -> Program:
    """The program of a call with a configuration, not compiled; in `sources`, those of earlier configurations.

    Configurations that differ in pass configurations only share one source, which is traced once.
    """
    own = {key: value for key, value in config.items() if key != PASS_CONFIGS}
    sources = {} if sources is None else sources
    key = _hashable(own)
    found = None if key is None else sources.get(key)
    if found is None:
        found = function.program_of(args, {**kwargs, **own})
        if key is not None:
            sources[key] = found
    source, out_idx, options, _ = found
    return Program(source, _with_passes(options, config.get(PASS_CONFIGS)), out_idx, f"`{function.__name__}` {own}")


def _hashable(values: Mapping[str, Any]) -> Any:
    """A key of some arguments; None where one of them has none."""
    key = argument_key((), dict(values))
    try:
        hash(key)
    except TypeError:
        return None
    return key


def _with_passes(options: CompileOptions, extra: Mapping[Any, Any] | None) -> CompileOptions:
    """The options with a configuration's own pass configurations over them."""
    from tilelang.pass_configs import normalize_pass_configs

    if not extra:
        return options
    return dataclasses.replace(options, pass_configs={**options.pass_configs, **normalize_pass_configs(dict(extra))})


def _compile(program: Program) -> Any:
    return make_kernel(program.source, program.options, program.out_idx)


def _shapes(given: tuple | None) -> Any:
    """What a history depends on of given arguments: shapes and dtypes of tensors, values of scalars."""
    if given is None:
        return None
    return [(tuple(a.shape), str(a.dtype)) if hasattr(a, "shape") else a for a in given]
