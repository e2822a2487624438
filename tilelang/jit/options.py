"""Everything about a compilation except the program."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tilelang.env import env
from tilelang.errors import ArgumentTypeError
from tilelang.jit.adapter.base import adapter_of
from tilelang.jit.compilers.base import BinaryJit, JitBase, default_jit, require_guarantees, resolve_compiler
from tilelang.jit.execution_backend import ExecutionBackendError, choose_backend, require_known, why_default
from tilelang.pass_configs import normalize_pass_configs
from tilelang.target import Target, resolve_target

# The variables that resolve_options reads.
VARIABLES = (
    "TILELANG_EXECUTION_BACKEND",
    "TILELANG_SIMULATE",
    "TILELANG_DEFAULT_TARGET",
    "TILELANG_VERBOSE",
    "TILELANG_INTERPRET",
)


__all__ = ["VARIABLES", "CompileOptions", "ExecutionBackendError", "normalize_flags", "resolve_options"]


@dataclass(frozen=True)
class CompileOptions:
    """Resolved options.

    Parameters
    ----------
    target : Target
        Architecture, and whether a GPU or the simulator runs the kernel.
    execution_backend : str
        The one that calls go through, never "auto".
    pass_configs : dict
        With plain string keys.
    compile_flags : tuple of str
        For the CUDA compiler.
    verbose : bool
        Show what compilers say.
    requested_backend : str
        What was asked for, such as "auto".
    compiler : JitBase, optional
        The compiler object; None for the target's own.
    auto_device : bool
        Move tensors on the CPU to the GPU that the kernel runs on.
    cache : {"disk", "memory", None}
        Where the kernel is kept.
    cache_token : str
        A caller's own part of every key.
    """

    target: Target
    execution_backend: str
    pass_configs: dict[str, Any] = field(default_factory=dict)
    compile_flags: tuple[str, ...] = ()
    verbose: bool = False
    requested_backend: str = field(default="auto", compare=False)
    compiler: JitBase | None = None
    auto_device: bool = field(default=True, compare=False)
    cache: str | None = field(default="disk", compare=False)
    cache_token: str = ""

    def as_arguments(self) -> dict[str, Any]:
        """The keyword arguments of `tilelang.compile` that mean these options, the compiler left out."""
        return {
            "execution_backend": self.execution_backend,
            "target": self.target,
            "verbose": self.verbose,
            "pass_configs": dict(self.pass_configs),
            "compile_flags": list(self.compile_flags),
            "auto_device": self.auto_device,
            "cache": self.cache,
            "cache_token": self.cache_token,
        }

    @property
    def why_backend(self) -> str:
        """Why it is that execution backend."""
        return why_default(self.target) if self.requested_backend == "auto" else "asked for"

    def extended(self, pass_configs: dict[Any, Any] | None, compile_flags: Sequence[str] | str | None) -> CompileOptions:
        """With what the function's body asks for: the caller's pass configurations win, flags are appended."""
        merged = {**normalize_pass_configs(pass_configs), **self.pass_configs}
        return dataclasses.replace(self, pass_configs=merged, compile_flags=self.compile_flags + normalize_flags(compile_flags))


def normalize_flags(flags: Sequence[str] | str | None) -> tuple[str, ...]:
    """Compiler flags from a string or a list."""
    return tuple(shlex.split(flags)) if isinstance(flags, str) else tuple(str(flag) for flag in flags or ())


def resolve_options(
    target: Any = None,
    execution_backend: str | None = None,
    pass_configs: dict[Any, Any] | None = None,
    compile_flags: Sequence[str] | str | None = None,
    verbose: bool | None = None,
    compiler: JitBase | None = None,
    require: Any = None,
    auto_device: bool = True,
    cache: str | None = "disk",
    cache_token: str = "",
) -> CompileOptions:
    """Arguments over environment variables over defaults.

    Raises
    ------
    ExecutionBackendError
        For a backend that does not exist or does not serve the target.
    JITUnavailableError
        When what the backend or the compiler stands on is not installed.
    JitError
        When compiler and backend do not guarantee what is required.
    PassConfigError
        For a pass configuration that does not exist.
    """
    if compiler is None and env.TILELANG_INTERPRET:
        compiler = resolve_compiler(False)
    if cache not in ("disk", "memory", None):
        raise ArgumentTypeError(f"cache={cache!r} is no place for kernels", fix='use "disk", "memory" or None')
    requested = execution_backend or env.TILELANG_EXECUTION_BACKEND
    require_known(requested, target or "auto")
    chosen = resolve_target(
        env.TILELANG_DEFAULT_TARGET if target is None else target, simulate=requested == "simulator" or env.TILELANG_SIMULATE
    )
    simulate_asked = env.TILELANG_SIMULATE or (isinstance(target, Target) and target.simulated)
    if requested in ("tvm_ffi", "nvrtc", "cutedsl") and chosen.simulated and not simulate_asked:
        chosen = dataclasses.replace(chosen, simulated=False)  # asked for by name: compiles here, and runs where a driver is
    backend = choose_backend(requested, chosen)
    if isinstance(compiler, BinaryJit):
        compiler.check(chosen)
        if getattr(compiler, "adapter", None) is not None and requested not in ("auto", "tvm_ffi"):
            raise ExecutionBackendError(
                f"execution_backend={requested!r} and a module builder both say how a kernel is called", fix="leave one out"
            )
    if require:
        require_guarantees(require, compiler or default_jit(chosen), adapter_of(backend))
    return CompileOptions(
        target=chosen,
        execution_backend=backend,
        pass_configs=normalize_pass_configs(pass_configs),
        compile_flags=normalize_flags(compile_flags),
        verbose=env.TILELANG_VERBOSE if verbose is None else bool(verbose),
        requested_backend=requested,
        compiler=compiler,
        auto_device=auto_device,
        cache=cache,
        cache_token=str(cache_token),
    )
