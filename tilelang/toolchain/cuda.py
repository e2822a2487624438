"""CUDA C++ text to a cubin or to PTX, with the compiler of the user's choice."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from tilelang.env import env
from tilelang.errors import UnsupportedError
from tilelang.toolchain.diagnostics import warn_if_serialised
from tilelang.toolchain.resources import KernelResources, parse_ptxas


def compile_cubin(source: str, arch: str, *, name: str = "kernel", options: Sequence[str] = (), verbose: bool = False) -> bytes:
    """Compile CUDA C++ text that includes headers of `src/device`.

    Parameters
    ----------
    source : str
        The text.
    arch : str
        A real architecture, such as "sm_90a".
    name : str
        The kernel's name, for messages.
    options : sequence of str
        Further options of the compiler.
    verbose : bool
        Log what the compiler says; otherwise it is only kept in a `CompilationError`'s `log`.

    Raises
    ------
    CompilationError
        When the compiler refuses the text.
    UnavailableError
        When the compiler is not installed.
    """
    return compile_measured(source, arch, name=name, options=options, verbose=verbose)[0]


def compile_measured(
    source: str, arch: str, *, name: str = "kernel", options: Sequence[str] = (), verbose: bool = False
) -> tuple[bytes, tuple[KernelResources, ...]]:
    """Like `compile_cubin`, with what each kernel takes."""
    binary, log = _compile(source, arch, "cubin", name, options, verbose)
    return binary, parse_ptxas(log)


def compile_ptx(source: str, arch: str, *, name: str = "kernel", options: Sequence[str] = (), verbose: bool = False) -> str:
    """Like `compile_cubin`, but the PTX that ptxas would get."""
    return _compile(source, arch, "ptx", name, options, verbose)[0].rstrip(b"\0").decode()


def _compile(source: str, arch: str, form: str, name: str, options: Sequence[str], verbose: bool) -> tuple[bytes, str]:
    if env.TILELANG_CUDA_COMPILER == "nvcc":
        from tilelang.toolchain.nvcc import compile_text as chosen
    else:
        from tilelang.toolchain.nvrtc import compile_text as chosen
    binary, log = chosen(source, arch, form=form, name=name, options=options, verbose=verbose or env.TILELANG_VERBOSE)
    warn_if_serialised(name, log)
    return binary, log


def cuda_compiler_identity() -> str:
    """Name and version of the compiler, for cache keys; starts no process and loads no library."""
    if env.TILELANG_CUDA_COMPILER == "nvcc":
        from tilelang.toolchain.nvcc import identity
    else:
        from tilelang.toolchain.nvrtc import identity
    return identity()


def device_compile_options(pass_configs: dict[str, Any], compile_flags: Sequence[str]) -> list[str]:
    """The options that pass configurations and `compile_flags` ask of the CUDA compiler."""
    options: list[str] = []
    if pass_configs.get("tl.enable_fast_math"):
        options.append("--use_fast_math")
    level = pass_configs.get("tl.ptxas_register_usage_level")
    if level is not None:
        if level not in range(11):
            raise UnsupportedError(f"tl.ptxas_register_usage_level is {level!r}", fix="give an int from 0 to 10")
        options.append(f"--ptxas-options=--register-usage-level={level}")
    flags = pass_configs.get("tl.device_compile_flags") or []
    options += shlex.split(flags) if isinstance(flags, str) else [str(flag) for flag in flags]
    return options + [str(flag) for flag in compile_flags]
