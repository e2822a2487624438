"""What `@tilelang.jit` returns: a function whose kernels are compiled when they are needed."""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import FunctionType
from typing import TYPE_CHECKING, Any

from tilelang.cache.digest import UnkeyableError
from tilelang.env import env
from tilelang.errors import ArgumentError, FrontendError, FunctionTypeError, SpecializationError
from tilelang.jit.compiler import compile_lowered, compile_program, lower, request_key
from tilelang.jit.compilers.base import JitBase, compiles_itself, resolve_compiler
from tilelang.jit.kernel import JITKernel
from tilelang.jit.memo import Memo, argument_key
from tilelang.jit.options import VARIABLES, CompileOptions, resolve_options
from tilelang.jit.shortcut import Shortcuts
from tilelang.jit.specializations import Specializations, difference
from tilelang.jit.stats import CompilationStats, Signature

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from tilelang.frontend.eager import BoundCall, EagerFunction
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.jit.parallel import KernelList


class JITImpl:
    """A function under `@tilelang.jit`.

    In *lazy* mode the function returns a `T.prim_func`, and calling this object returns a kernel. In *eager* mode the
    function's body is a kernel over annotated tensors, and calling this object runs it.

    Attributes
    ----------
    mode : str
        "auto" until the first use, then "lazy" or "eager".
    func : callable
        The decorated function.
    static : bool or None
        None: a kernel for each specialization. True: the first is pinned, another is a SpecializationError. False: the body runs
        at every call, and kernels are found by the program that it makes.
    stats : CompilationStats
        Calls that found a kernel in this process, and calls that did not.
    """

    __name__: str  # set by functools.update_wrapper, like all that makes this look like the function

    def __init__(
        self,
        func: Callable,
        *,
        out_idx: int | Sequence[int] | None = None,
        target: Any = None,
        target_host: Any = None,
        execution_backend: str | None = None,
        verbose: bool | None = None,
        pass_configs: dict[Any, Any] | None = None,
        debug_root_path: str | None = None,
        compile_flags: Sequence[str] | str | None = None,
        jit: Any = None,
        require: Any = None,
        static: bool | None = None,
        show_graph: Any = False,
        auto_device: bool = True,
        cache: str | None = "disk",
        cache_token: str = "",
    ) -> None:
        from tilelang.frontend import EagerFunction

        if not isinstance(func, FunctionType):
            raise FrontendError(f"tilelang.jit of {func!r}", fix="decorate a plain function")
        functools.update_wrapper(self, func)
        self.func, self.mode = func, "auto"
        self.out_idx, self.target, self.target_host, self.execution_backend = out_idx, target, target_host, execution_backend
        self.verbose, self.pass_configs, self.debug_root_path, self.compile_flags = (
            verbose,
            pass_configs,
            debug_root_path,
            compile_flags,
        )
        self.compiler, self.require = resolve_compiler(jit), require
        self.static, self.show_graph, self.auto_device = static, show_graph, auto_device
        self.cache, self.cache_token = cache, cache_token
        self.stats = CompilationStats()
        self._pinned: tuple[Any, JITKernel] | None = None
        self._probed: tuple[tuple, Any] | None = None
        self._specializations = Specializations()
        self._memo = Memo(func)
        self._shortcuts = Shortcuts(lambda: (env.snapshot(VARIABLES), self._memo.surroundings()))
        self._resolved: tuple[tuple, CompileOptions] | None = None
        self._eager = EagerFunction(func)  # now: annotations may name variables of the function around it

    # -- modes --------------------------------------------------------------------------------------------------------
    def initialize_jit_mode(self, *args: Any, **kwargs: Any) -> str:
        """Decide between lazy and eager; the function is called with the arguments only if its text does not tell."""
        if self.mode == "auto":
            from tilelang.frontend import detect_mode

            mode, result = self._in_scope(lambda: detect_mode(self.func, args, kwargs))
            if result is not None:
                self._probed = argument_key(args, kwargs), result  # the body has run: the first call takes what it returned
            if mode == "eager" and self.out_idx is not None:
                raise ArgumentError(
                    "out_idx is only supported in lazy mode. In eager mode, use T.empty() to declare output tensors instead: "
                    f"`{self.__name__}` is eager, with out_idx={self.out_idx}",
                    fix="remove out_idx",
                )
            self.mode = mode
        return self.mode

    def is_lazy_mode(self) -> bool:
        return self.initialize_jit_mode() == "lazy"

    @property
    def signature(self) -> inspect.Signature:
        return inspect.signature(self.func)

    @property
    def func_source(self) -> str:
        return inspect.getsource(self.func)

    def _options(self) -> CompileOptions:
        """Resolved again only when an environment variable has changed: an eager call must not wait for it."""
        now = env.snapshot(VARIABLES)
        if self._resolved is None or self._resolved[0] != now:
            options = resolve_options(
                self.target,
                self.execution_backend,
                self.pass_configs,
                self.compile_flags,
                self.verbose,
                self.compiler,
                self.require,
                self.auto_device,
                self.cache,
                self.cache_token,
            )
            self._resolved = (now, options)
        return self._resolved[1]

    # -- use ----------------------------------------------------------------------------------------------------------
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Lazy: the kernel for these arguments. Eager: run the kernel on them."""
        if self.mode == "eager":
            known = self._shortcuts.find(args, kwargs)
            if known is not None:
                self.stats.hits += 1
                return known[0](*known[1])
        if self.initialize_jit_mode(*args, **kwargs) == "lazy":
            return self._lazy_kernel(args, kwargs)
        call = self._eager.bind(args, kwargs)
        kernel = self._eager_kernel(call)
        positions = [list(self.signature.parameters).index(name) for name in call.names]
        if self.static is None and all(position < len(args) for position in positions):
            self._shortcuts.put(args, kwargs, kernel, tuple(positions))
        return kernel(*call.arguments)

    def compile(self, *args: Any, **kwargs: Any) -> JITKernel:
        """The kernel for these arguments, compiled or found in the cache; an eager function's tensors may be missing."""
        if self.initialize_jit_mode(*args, **kwargs) == "lazy":
            return self._lazy_kernel(args, kwargs)
        return self._eager_kernel(self._eager.bind(args, kwargs, partial=True))

    def _lazy_kernel(self, args: tuple, kwargs: dict[str, Any]) -> JITKernel:
        program = lambda: self._returned_prim_func(args, kwargs)  # noqa: E731
        return self._kernel(argument_key(args, kwargs), program, self.out_idx, lambda: self._full_key(args, kwargs))

    def _full_key(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        """A key that does not tell how the arguments were passed: by position, by name or as defaults."""
        bound = self._signature_of_arguments.bind(*args, **kwargs)
        bound.apply_defaults()
        return argument_key(bound.args, bound.kwargs)

    @functools.cached_property
    def _signature_of_arguments(self) -> inspect.Signature:
        return inspect.signature(self.func)

    def _eager_kernel(self, call: BoundCall) -> JITKernel:
        return self._kernel(call.key, lambda: EagerProgram(self._eager, call), None)

    def _kernel(self, key: Any, program: Callable[[], Any], out_idx: Any, full_key: Callable[[], Any] | None = None) -> JITKernel:
        if self._pinned is not None:
            return self._pinned_kernel(key)
        options, own = self._options(), key
        back_end = options.target, options.execution_backend
        key = (key, *back_end)
        made = None
        if self.static is False:  # the body runs at every call: what it reads is always current
            made = program()
            kernel = self._specializations.find(made, options)
        else:
            kernel = self._memo.find(key)
            if kernel is None and full_key is not None:  # passed in another way before?
                short, key = key, (full_key(), *back_end)
                kernel = self._memo.find(key)
                self._memo.alias(short, key)
        if kernel is not None:
            self.stats.hits += 1
            return kernel
        started = time.perf_counter()
        made = program() if made is None else made
        if compiles_itself(options.compiler):
            kernel = options.compiler.compile(made, out_idx=out_idx, **options.as_arguments())  # type: ignore[union-attr]
        else:
            kernel = make_kernel(made, options, out_idx)
        kernel.stats.compile_s = time.perf_counter() - started
        self.stats.misses += 1
        self.stats.compile_s += kernel.stats.compile_s
        if self.static is False:
            self._specializations.put(made, options, kernel)
        if self.static:
            self._pinned = own, kernel
        self.remember(key, kernel)
        return kernel

    def _pinned_kernel(self, key: Any) -> JITKernel:
        assert self._pinned is not None
        pinned, kernel = self._pinned
        if pinned != key:
            raise SpecializationError(
                f"`{self.__name__}` is pinned to one specialization (static=True): {difference(pinned, key)}",
                fix="leave out static=True for a kernel of each specialization",
            )
        self.stats.hits += 1
        return kernel

    def _in_scope(self, call: Callable[[], Any]) -> Any:
        """`call()`, with the function's own variables visible to annotations of what it defines."""
        from tilelang.frontend.annotations import running

        token = running.set((self.func.__code__, self._eager.scope))
        try:
            return call()
        finally:
            running.reset(token)

    def _returned_prim_func(self, args: tuple, kwargs: dict[str, Any]) -> Any:
        probed, self._probed = self._probed, None
        if probed is not None and probed[0] == argument_key(args, kwargs):
            result = probed[1]
        else:
            result = self._in_scope(lambda: self.func(*args, **kwargs))
        if not is_prim_func(result):
            raise FrontendError(
                f"`{self.__name__}` returned {type(result).__name__}, expected a T.prim_func",
                fix="return the function decorated with @T.prim_func",
            )
        return result

    def get_tir(self, *args: Any, **kwargs: Any) -> Any:
        """The tile program (a PrimFunc) for these arguments."""
        if self.initialize_jit_mode(*args, **kwargs) == "lazy":
            return traced(self._returned_prim_func(args, kwargs))
        return self._eager.trace(self._eager.bind(args, kwargs, partial=True))

    def get_kernel_source(self, *args: Any, **kwargs: Any) -> str:
        """The CUDA C++ text for these arguments."""
        return self.compile(*args, **kwargs).get_kernel_source()

    def lower(self, *args: Any, **kwargs: Any) -> LoweredKernel:
        """The text and launch plan for these arguments; no tool runs. `lower(...).compile()` goes on from there."""
        program, out_idx, options, _ = self.program_of(args, kwargs)
        prim_func = traced(program)
        return lower(prim_func, options, out_idx)

    @property
    def signatures(self) -> dict[Any, Signature]:
        """Every specialization that was compiled, by its compile-time values; empty before the first."""
        return {key: kernel.signatures[0]._replace(consts=key[0]) for key, kernel in self._memo.items()}

    def parse_cache_key(self, *args: Any, **kwargs: Any) -> Any:
        """What tells the kernel of these arguments from the function's others; `__tune_params` is no argument of its own."""
        kwargs |= kwargs.pop("__tune_params", {})
        return self.program_of(args, kwargs)[3]

    def clear_cache(self) -> None:
        """Forget the kernels of this process; those on disk stay."""
        self._memo.clear()
        self._specializations.clear()
        self._shortcuts.clear()
        self._pinned, self.stats = None, CompilationStats()

    def par_compile(
        self,
        configs: Iterable[Mapping[str, Any] | tuple],
        num_workers: int | None = None,
        ignore_error: bool = False,
        *,
        executor: Executor | None = None,
        timeout: float | None = None,
    ) -> KernelList:
        """The kernels for many arguments, compiled at once: see `tilelang.par_compile`.

        Parameters
        ----------
        configs : iterable of dict or tuple
            Each the keyword arguments, or the positional arguments, of one call.
        """
        from tilelang.jit.parallel.par_compile import par_compile_calls

        return par_compile_calls(self, configs, num_workers, ignore_error, executor, timeout)

    def program_of(self, args: tuple, kwargs: dict[str, Any]) -> tuple[Any, Any, CompileOptions, Any]:
        """(program, out_idx, options, key in the memo) for these arguments; nothing is compiled."""
        options = self._options()
        if self.initialize_jit_mode(*args, **kwargs) == "lazy":
            key = self._full_key(args, kwargs), options.target, options.execution_backend
            return self._returned_prim_func(args, kwargs), self.out_idx, options, key
        call = self._eager.bind(args, kwargs, partial=True)
        return EagerProgram(self._eager, call), None, options, (call.key, options.target, options.execution_backend)

    def resolved_options(self) -> CompileOptions:
        """How its kernels are compiled, with defaults and environment variables resolved."""
        return self._options()

    def with_options(self, **options: Any) -> JITImpl:
        """A copy that is compiled otherwise; takes the keyword arguments of `tilelang.jit`."""
        names = ("out_idx", "target", "target_host", "execution_backend", "verbose", "pass_configs", "debug_root_path")
        own = {name: getattr(self, name) for name in (*names, "compile_flags", "cache", "cache_token")}
        return JITImpl(self.func, **{**own, **options})

    def bind_eager(self, args: tuple, kwargs: dict[str, Any], partial: bool = False) -> BoundCall:
        """A call of an eager function, taken apart into tensors and compile-time values."""
        return self._eager.bind(args, kwargs, partial)

    def cache_identity(self) -> str | None:
        """A digest of the function's text and what it reads; None if something has no digest."""
        return self._eager.cache_identity()

    def remembered(self, key: Any) -> JITKernel | None:
        """The kernel that answers calls of a key of `program_of`, if there is one."""
        return self._memo.find(key)

    def remember(self, key: Any, kernel: JITKernel) -> None:
        """Answer later calls with `kernel`."""
        if self._memo.find(key) is kernel:
            return
        self._memo.put(key, kernel)
        self._export(kernel)
        if self.show_graph:
            from tilelang.jit.xpr import show

            show(kernel.prim_func, self.show_graph)

    def _export(self, kernel: JITKernel) -> None:
        if self.debug_root_path is None:
            return
        root = Path(self.debug_root_path)
        root.mkdir(parents=True, exist_ok=True)
        (root / f"tilelang_jit_kernel_{kernel.name}.c").write_text(kernel.get_kernel_source())
        (root / f"tilelang_jit_program_{kernel.name}.py").write_text(kernel.prim_func.script())

    def __repr__(self) -> str:
        return f"<tilelang.jit {self.__name__} ({self.mode})>"


class EagerProgram:
    """An eager function with its compile-time values: a tile program that is traced when it is needed."""

    def __init__(self, function: EagerFunction, call: BoundCall) -> None:
        self.function, self.call = function, call

    @functools.cached_property
    def prim_func(self) -> Any:
        return self.function.trace(self.call)

    def cache_identity(self) -> str | None:
        """A digest of the function and the values; None if one of them has none."""
        from tilelang.frontend.identity import value_identity

        function = self.function.cache_identity()
        values = value_identity((self.call.values, self.call.constants))
        return None if function is None or values is None else f"{function}-{values}"


def is_prim_func(value: Any) -> bool:
    """Whether `value` is a tile program, traced or not; imports nothing heavy."""
    from tilelang.frontend.mode import is_prim_func

    return is_prim_func(value)


def traced(program: Any) -> Any:
    """The PrimFunc of a tile program, which is traced if it was not."""
    return getattr(program, "prim_func", program)


def make_kernel(program: Any, options: CompileOptions, out_idx: int | Sequence[int] | None) -> JITKernel:
    """Compile a tile program, or find it in the cache.

    Parameters
    ----------
    program : PrimFuncSource, EagerProgram or PrimFunc
        What to compile; the first two are traced only when the cache has nothing.
    options : CompileOptions
        How.
    out_idx : int or sequence of int, optional
        The parameters to return.
    """
    artifact = compile_program(lambda: traced(program), options, out_idx, _request(program, options, out_idx))
    return JITKernel(artifact, options, lambda: traced(program))


def _request(program: Any, options: CompileOptions, out_idx: int | Sequence[int] | None) -> str | None:
    """The key under which a kernel is found without tracing; None where nothing is cached or something has no digest."""
    from tilelang.engine.callback import edits

    if env.TILELANG_DISABLE_CACHE or not hasattr(program, "cache_identity") or edits(options.target):
        return None
    identity = program.cache_identity()
    try:
        return None if identity is None else request_key(identity, options, out_idx)
    except UnkeyableError:  # a pass configuration of unknown content: only the generated text is looked up
        return None


def kernel_of_program(
    func: Any,
    out_idx: int | Sequence[int] | None = None,
    execution_backend: str | None = None,
    target: Any = None,
    target_host: Any = None,
    verbose: bool | None = None,
    pass_configs: dict[Any, Any] | None = None,
    compile_flags: Sequence[str] | str | None = None,
    compiler: JitBase | None = None,
    require: Any = None,
    auto_device: bool = True,
    cache: str | None = "disk",
    cache_token: str = "",
) -> JITKernel:
    """`tilelang.compile`, by the common way: a user's own `compile` is not called."""
    if isinstance(func, JITImpl):
        raise FunctionTypeError(
            f"target function must be a PrimFunc but got the tilelang.jit function `{func.__name__}`",
            fix=f"call it: {func.__name__}.compile(...)",
        )
    started = time.perf_counter()
    known = sys.modules.get("tilelang.jit.lowered")
    if known is not None and isinstance(func, known.LoweredKernel):
        lowered = func if compiler is None else func.with_compiler(compiler)
        kernel = JITKernel(compile_lowered(lowered), lowered.options, lowered.trace)
    elif is_prim_func(func):
        options = resolve_options(
            target, execution_backend, pass_configs, compile_flags, verbose, compiler, require, auto_device, cache, cache_token
        )
        kernel = make_kernel(func, options, out_idx)
    else:
        raise FunctionTypeError(
            f"target function must be a PrimFunc but got {type(func).__name__}", fix="pass a function decorated with @T.prim_func"
        )
    kernel.stats.compile_s = time.perf_counter() - started
    return kernel
