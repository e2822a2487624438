"""`tilelang.lower`: a tile program to text, without a binary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tilelang.errors import FunctionTypeError
from tilelang.jit.param import KernelParam


@dataclass(frozen=True)
class GeneratedText:
    """Generated text, where others hold a compiled module.

    Parameters
    ----------
    text : str
    """

    text: str

    def get_source(self, format: str = "") -> str:
        """The text."""
        return self.text

    inspect_source = get_source

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class CompiledArtifact:
    """What `tilelang.lower` returns.

    Parameters
    ----------
    host_mod, device_mod : GeneratedText
        How the kernel is launched; the kernel.
    params : list of KernelParam
        All parameters, outputs included.
    kernel_source : str
        The device text.
    rt_mod : JITKernel or None
        The compiled kernel, with `enable_device_compile`.
    target : Target
    target_host : str
        The kind of the host's target.
    """

    host_mod: GeneratedText
    device_mod: GeneratedText
    params: list[KernelParam]
    kernel_source: str
    rt_mod: Any
    target: Any
    target_host: str


def lower(
    func_or_mod: Any,
    target: Any = "auto",
    target_host: Any = None,
    runtime_only: bool = False,
    enable_host_codegen: bool = False,
    enable_device_compile: bool = False,
) -> CompiledArtifact:
    """Run the passes on a tile program and print its text; compile it only if asked to.

    Parameters
    ----------
    func_or_mod : PrimFunc
        A function of T.prim_func.
    target : str, dict or Target
        As for `tilelang.compile`.
    target_host : optional
        The host is this machine; "c" or None.
    runtime_only, enable_host_codegen : bool
        Nothing depends on them: the launch is data that the runtime reads.
    enable_device_compile : bool
        Compile it too: `rt_mod`.

    Raises
    ------
    ArgumentTypeError
        If `func_or_mod` is not a tile program.

    Examples
    --------
    >>> print(tilelang.lower(program, target="cuda").kernel_source)
    """
    from tilelang.jit.compiler import lower as lower_program
    from tilelang.jit.impl import is_prim_func, traced
    from tilelang.jit.kernel import JITKernel
    from tilelang.jit.options import resolve_options
    from tilelang.jit.param import params_of

    if not is_prim_func(func_or_mod):
        raise FunctionTypeError(f"target function must be a PrimFunc but got {func_or_mod!r}", fix="decorate it with T.prim_func")
    options = resolve_options(target, None, None, None, None, None, None, True)
    program = lower_program(traced(func_or_mod), options, None)
    compiled: JITKernel | None = None
    if enable_device_compile:
        from tilelang.jit.compiler import compile_lowered

        compiled = JITKernel(compile_lowered(program), options, program.trace)
    host = GeneratedText(program.plan.to_json())
    device = GeneratedText(program.source)
    return CompiledArtifact(host, device, params_of(program.plan), program.source, compiled, options.target, "c")
