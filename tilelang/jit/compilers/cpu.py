"""The host's C++ compiler, for kernels of the target "c"."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentTypeError, JITUnavailableError
from tilelang.jit.availability import Availability
from tilelang.jit.compilers.base import BinaryJit
from tilelang.jit.compilers.compiler_info import CompilerInfo

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.adapter import Adapter
    from tilelang.jit.compilers.extension import ExtensionModuleBuilderBase
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.target import Target


@dataclass(frozen=True)
class CpuJit(BinaryJit):
    """Compiles for this machine's CPU.

    Parameters
    ----------
    compiler_info : CompilerInfo, optional
        Compiler and flags; the target's compiler with the usual flags if None.
    kind : {"c", "llvm"}
        The target whose compiler that is.
    num_threads : int, optional
        How many threads share a kernel's blocks, at most; what OpenMP says at each call (OMP_NUM_THREADS) if None.
    module_builder : ExtensionModuleBuilderBase, optional
        Makes a Python extension module of the kernel and says how it is called; a plain library for the launcher if None.

    Examples
    --------
    >>> kernel = tilelang.compile(func, target="c", jit=CpuJit(GccInfo(optlevel="2", fast_math=True)))
    """

    compiler_info: CompilerInfo | None = None
    kind: str = "c"
    num_threads: int | None = None
    module_builder: ExtensionModuleBuilderBase | None = None
    name = "cpu"

    def __post_init__(self) -> None:
        if self.num_threads is not None and (not isinstance(self.num_threads, int) or self.num_threads < 1):
            raise ArgumentTypeError(f"num_threads={self.num_threads!r}", fix="give a positive number, or None")

    @staticmethod
    def create(
        compiler_info: CompilerInfo | None = None,
        *,
        num_threads: int | None = None,
        module_builder: ExtensionModuleBuilderBase | None = None,
    ) -> CpuJit:
        """The same as `CpuJit(compiler_info, num_threads=num_threads, module_builder=module_builder)`."""
        return CpuJit(compiler_info, num_threads=num_threads, module_builder=module_builder)

    @property
    def adapter(self) -> type[Adapter] | None:
        """What calls go through, in place of an execution backend; None without a module builder."""
        if self.module_builder is None:
            return None
        from tilelang.jit.adapter.extension import ExtensionAdapter

        return ExtensionAdapter

    def _definitions(self) -> list[str]:
        return [] if self.num_threads is None else [f"-DTL_NUM_THREADS={self.num_threads}"]

    def available(self) -> Availability:
        from tilelang.toolchain.host import cpu_compiler

        try:
            cpu_compiler(self.kind) if self.compiler_info is None else self.compiler_info.path()
        except JITUnavailableError as error:
            return Availability(False, error.tool or "g++", error.fix)
        return Availability(True)

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.toolchain.host import cpu_compiler_identity

        info = self.compiler_info
        identity: dict[str, Any] = {"name": self.name, "threads": self.num_threads}
        if self.module_builder is not None:
            identity |= {"module": self.module_builder.cache_identity(), "python": sys.version}
            identity["include"] = sysconfig.get_path("include")
        if info is None:
            return {**identity, "version": cpu_compiler_identity(self.kind)}
        identity |= {"version": info.version(), "flags": self._compiler(), "env": info.env}
        return {**identity, "instruction_set": info.instruction_set()}

    def supports(self, target: Target) -> bool:
        return target.kind == self.kind or (target.is_cpu and self.compiler_info is not None)

    def command(self, source: str, target: str, options: Sequence[str] = ()) -> list[str]:
        """The command line that compiles a file of kernel text."""
        from tilelang.toolchain.host import cpu_command

        return cpu_command(source, target, [*self._definitions(), *options], self.kind, self._compiler())

    def _compiler(self) -> list[str]:
        return [] if self.compiler_info is None else [self.compiler_info.path(), *self.compiler_info.cxxflags()]

    def build(self, lowered: LoweredKernel) -> Artifact:
        from tilelang.cache import Artifact
        from tilelang.toolchain.host import compile_cpu_kernel, cpu_compile_options

        options = lowered.options
        flags = tuple(cpu_compile_options(options.pass_configs, options.compile_flags))
        text, folders = lowered.source, []
        if self.module_builder is not None:
            from tilelang.jit.adapter.extension import module_name

            text = self.module_builder.render_module(lowered, module_name(lowered.name))
            folders = [f"-I{folder}" for folder in self.module_builder.include_dirs()]
        payload = compile_cpu_kernel(
            text,
            kind=self.kind,
            name=lowered.name,
            options=[*self._definitions(), *folders, *flags],
            verbose=options.verbose,
            compiler=self._compiler(),
            environment=dict(self.compiler_info.env) if self.compiler_info else None,
        )
        return Artifact("cpu", lowered.plan, lowered.source, payload, lowered.remarks, flags, shared=lowered.shared)
