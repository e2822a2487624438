"""`@tilelang.autotune`: a jitted function that chooses its own configuration."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from tilelang.autotuner.configs import PASS_CONFIGS, check_keys, list_configs
from tilelang.autotuner.inputs import get_autotune_inputs
from tilelang.autotuner.result import AutotuneResult
from tilelang.autotuner.settings import ProfileSettings, SearchSettings
from tilelang.autotuner.table import TuningTable
from tilelang.autotuner.tuner import AutoTuner, config_program
from tilelang.errors import ArgumentError, FunctionTypeError
from tilelang.frontend.eager import freeze
from tilelang.jit.impl import JITImpl, make_kernel
from tilelang.jit.kernel import JITKernel
from tilelang.profiler.supply import TensorSupplyType


def autotune(
    func: Callable | JITImpl | None = None,
    *,
    configs: Any = None,
    warmup: float = 25,
    rep: float = 100,
    timeout: float = 100,
    supply_type: TensorSupplyType = TensorSupplyType.Auto,
    ref_prog: Callable | None = None,
    supply_prog: Callable | None = None,
    rtol: float = 1e-2,
    atol: float = 1e-2,
    max_mismatched_ratio: float = 0.01,
    skip_check: bool = False,
    manual_check_prog: Callable | None = None,
    cache_input_tensors: bool = False,
    do_not_specialize: Sequence[str] | None = None,
    early_stop: bool = False,
    early_stop_factor: float = 2.0,
    backend: str = "event",
    use_pipeline: bool = False,
    benchmark_devices: Sequence[Any] | None = None,
    benchmark_multi_gpu: bool = False,
    strategy: str = "exhaustive",
    budget: float | None = None,
    prune: bool = True,
    executor: Executor | None = None,
    num_workers: int | None = None,
    compile_timeout: float | None = None,
    seed: int = 0,
    table: str | Path | TuningTable | None = None,
    lookup: str = "exact",
    deterministic: bool = False,
) -> Any:
    """Choose the parameters that a call leaves open by measuring; goes above `tilelang.jit`.

    A call that gives one of the tuned parameters itself is not tuned. Results are remembered in the process, and the times of
    configurations in the cache directory.

    Parameters
    ----------
    configs : sequence of dict, dict of list, or callable
        What to try: keyword arguments of the function, and optionally `pass_configs`. A callable gets the call's arguments.
    warmup, rep, timeout, supply_type, ref_prog, supply_prog, rtol, atol, max_mismatched_ratio, skip_check, \
manual_check_prog, cache_input_tensors, backend
        See `tilelang.autotuner.ProfileSettings`.
    do_not_specialize : sequence of str, optional
        Arguments whose values do not ask for tuning again.
    early_stop, early_stop_factor, use_pipeline, benchmark_devices, benchmark_multi_gpu, strategy, budget, prune, executor, \
num_workers, compile_timeout, seed
        See `tilelang.autotuner.SearchSettings`.
    table : path or TuningTable, optional
        A file of chosen configurations (JSON, to be kept beside the kernel). A call that it answers is not tuned; other
        results are added to it, unless `deterministic`.
    lookup : str
        "exact", or "nearest": an entry for the nearest sizes also answers (the rule is in `TuningTable.nearest`).
    deterministic : bool
        Use only the table; a call that it does not answer, or a table for another version of the function, is an error.

    Examples
    --------
    >>> @tilelang.autotune(configs=[{"block": 64}, {"block": 128}])
    ... @tilelang.jit(out_idx=-1)
    ... def scale(N, block=64): ...
    >>> scale(4096).config
    """
    if func is not None and configs is None:
        raise ArgumentError("tilelang.autotune needs configs", fix="write @tilelang.autotune(configs=[...]) above @tilelang.jit")
    if configs is None:
        raise ArgumentError("tilelang.autotune needs configs", fix="pass configs=[...]")
    profile = ProfileSettings(
        warmup, rep, timeout, supply_type, ref_prog, supply_prog, rtol, atol, max_mismatched_ratio,
        skip_check, manual_check_prog, cache_input_tensors, backend,
    )  # fmt: skip
    search = SearchSettings(
        strategy, budget, early_stop, early_stop_factor, use_pipeline, prune, benchmark_devices, benchmark_multi_gpu,
        executor, num_workers, compile_timeout, seed,
    )  # fmt: skip
    book = TuningTable.open(table) if table is not None and not isinstance(table, TuningTable) else table
    if deterministic and book is None:
        raise ArgumentError("deterministic=True chooses from a table only", fix="pass table=")
    if lookup not in ("exact", "nearest"):
        raise ArgumentError(f"lookup={lookup!r}", fix='use "exact" or "nearest"')

    def decorate(function: Any) -> TunedFunction:
        if not isinstance(function, JITImpl):
            raise FunctionTypeError(
                f"tilelang.autotune of a {type(function).__name__}", fix="put @tilelang.jit directly under @tilelang.autotune"
            )
        return TunedFunction(function, configs, profile, search, tuple(do_not_specialize or ()), book, lookup, deterministic)

    return decorate if func is None else decorate(func)


class TunedFunction:
    """A function under `tilelang.autotune`.

    Attributes
    ----------
    jit_impl : JITImpl
        The function without tuning.
    results : dict
        `AutotuneResult` by call.
    """

    __name__: str

    def __init__(
        self,
        jit_impl: JITImpl,
        configs: Any,
        profile: ProfileSettings,
        search: SearchSettings,
        do_not_specialize: tuple[str, ...],
        table: TuningTable | None,
        lookup: str,
        deterministic: bool,
    ) -> None:
        functools.update_wrapper(self, jit_impl.func)
        self.jit_impl, self.configs, self.profile, self.search = jit_impl, configs, profile, search
        self.do_not_specialize, self.table, self.lookup, self.deterministic = do_not_specialize, table, lookup, deterministic
        self.results: dict[Any, AutotuneResult] = {}
        self._chosen: dict[Any, tuple[dict[str, Any], JITKernel]] = {}

    @property
    def signature(self) -> inspect.Signature:
        return self.jit_impl.signature

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Lazy: the best kernel for these arguments. Eager: run it on them."""
        if self._is_explicit(args, kwargs):
            return self.jit_impl(*args, **kwargs)
        config, kernel = self._choose(args, kwargs)
        if self._is_lazy(args, {**kwargs, **_without_passes(config)}):
            return kernel
        return kernel(*self.jit_impl.bind_eager(args, {**kwargs, **_without_passes(config)}).arguments)

    def compile(self, *args: Any, **kwargs: Any) -> JITKernel:
        """The best kernel for these arguments; an eager function's tensors may be missing."""
        if self._is_explicit(args, kwargs):
            return self.jit_impl.compile(*args, **kwargs)
        return self._choose(args, kwargs)[1]

    def tune(self, *args: Any, **kwargs: Any) -> AutotuneResult:
        """Tune for these arguments, whatever is known already in this process or in a table."""
        configs = list_configs(self.configs, args, kwargs)
        check_keys(configs, self.jit_impl.func)  # before a configuration is called with, which would fail otherwise
        tuner = AutoTuner(self.jit_impl, configs).set_arguments(args, kwargs, self._tensors(args, kwargs, configs[0]))
        tuner.profile = self.profile
        result = tuner.run(search=self.search)
        key = self._key(args, kwargs)
        self.results[key], self._chosen[key] = result, (result.config, result.kernel)
        return result

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or name == "jit_impl":
            raise AttributeError(name)
        return getattr(self.jit_impl, name)

    # -- choosing -----------------------------------------------------------------------------------------------------
    def _choose(self, args: tuple, kwargs: dict[str, Any]) -> tuple[dict[str, Any], JITKernel]:
        key = self._key(args, kwargs)
        if key not in self._chosen:
            found = self._from_table(args, kwargs)
            if found is not None:
                kernel = self._kernel(args, kwargs, found.config)
                kernel.update_tuner_result(found.latency_ms, found.config)
                self._chosen[key] = found.config, kernel
            else:
                result = self.tune(*args, **kwargs)
                if self.table is not None:
                    self.table.add(self._table_key(args, kwargs), result, self.jit_impl.cache_identity())
                    self.table.save()
        return self._chosen[key]

    def _from_table(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        if self.table is None:
            return None
        from tilelang.autotuner.history import device_identity

        device = device_identity(self.jit_impl.resolved_options())
        return self.table.find(
            self._table_key(args, kwargs),
            device,
            self.jit_impl.cache_identity(),
            nearest=self.lookup == "nearest",
            required=self.deterministic,
        )

    def _kernel(self, args: tuple, kwargs: dict[str, Any], config: Mapping[str, Any]) -> JITKernel:
        program = config_program(self.jit_impl, args, kwargs, config)
        return make_kernel(program.source, program.options, program.out_idx)

    # -- calls --------------------------------------------------------------------------------------------------------
    def _is_lazy(self, args: tuple, kwargs: dict[str, Any]) -> bool:
        return self.jit_impl.initialize_jit_mode(*args, **kwargs) == "lazy"

    def _is_explicit(self, args: tuple, kwargs: dict[str, Any]) -> bool:
        """Whether the call itself says what would be tuned."""
        configs = self.configs if not callable(self.configs) else None
        if configs is None:
            return False
        keys = {key for config in list_configs(configs) for key in config} - {PASS_CONFIGS}
        names = list(self.signature.parameters)
        return bool(keys & (set(names[: len(args)]) | set(kwargs)))

    def _tensors(self, args: tuple, kwargs: dict[str, Any], config: Mapping[str, Any]) -> tuple | None:
        """The kernel's arguments in an eager call; None where they are made up."""
        given = get_autotune_inputs()
        full = {**kwargs, **_without_passes(config)}
        if given is not None or self._is_lazy(args, full):
            return given
        tensors = self.jit_impl.bind_eager(args, full, partial=True).arguments
        return None if any(tensor is None for tensor in tensors) else tensors

    def _named(self, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        parameters = self.signature.parameters
        bound = self.signature.bind_partial(*args, **{n: v for n, v in kwargs.items() if n in parameters})
        return {**bound.arguments, **{n: v for n, v in kwargs.items() if n not in parameters}}

    def _key(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        values = self._named(args, kwargs)
        return tuple((n, _frozen(v, n, self.__name__)) for n, v in sorted(values.items()) if n not in self.do_not_specialize)

    def _table_key(self, args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
        """The call's arguments as a table writes them: of tensors, shape and dtype."""
        values = self._named(args, kwargs)
        return {n: _described(v) for n, v in values.items() if n not in self.do_not_specialize}

    def with_settings(self, **search: Any) -> TunedFunction:
        """A copy with other search settings, such as `budget=30.0`."""
        settings = dataclasses.replace(self.search, **search)
        return TunedFunction(
            self.jit_impl,
            self.configs,
            self.profile,
            settings,
            self.do_not_specialize,
            self.table,
            self.lookup,
            self.deterministic,
        )

    def __repr__(self) -> str:
        return f"<tilelang.autotune {self.__name__}>"


def _without_passes(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key != PASS_CONFIGS}


def _frozen(value: Any, name: str, function: str) -> Any:
    if hasattr(value, "__dlpack__"):
        stride = tuple(value.stride()) if callable(getattr(value, "stride", None)) else ()
        return ("tensor", tuple(value.shape), str(value.dtype), stride)
    return freeze(value, name, function)


def _described(value: Any) -> Any:
    from tilelang.autotuner.record import plain

    if hasattr(value, "__dlpack__"):
        return {"shape": [int(extent) for extent in value.shape], "dtype": str(value.dtype).removeprefix("torch.")}
    return plain(value)
