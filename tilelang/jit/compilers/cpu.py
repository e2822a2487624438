"""The host's C++ compiler, for kernels of the target "c"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentTypeError, JITUnavailableError
from tilelang.jit.availability import Availability
from tilelang.jit.compilers.base import BinaryJit
from tilelang.jit.compilers.compiler_info import CompilerInfo

if TYPE_CHECKING:
    from tilelang.cache import Artifact
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

    Examples
    --------
    >>> kernel = tilelang.compile(func, target="c", jit=CpuJit(GccInfo(optlevel="2", fast_math=True)))
    """

    compiler_info: CompilerInfo | None = None
    kind: str = "c"
    num_threads: int | None = None
    name = "cpu"

    def __post_init__(self) -> None:
        if self.num_threads is not None and (not isinstance(self.num_threads, int) or self.num_threads < 1):
            raise ArgumentTypeError(f"num_threads={self.num_threads!r}", fix="give a positive number, or None")

    @staticmethod
    def create(compiler_info: CompilerInfo | None = None, *, num_threads: int | None = None) -> CpuJit:
        """The same as `CpuJit(compiler_info, num_threads=num_threads)`."""
        return CpuJit(compiler_info, num_threads=num_threads)

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
        if info is None:
            return {"name": self.name, "version": cpu_compiler_identity(self.kind), "threads": self.num_threads}
        identity: dict[str, Any] = {"name": self.name, "version": info.version(), "flags": self._compiler(), "env": info.env}
        identity["threads"] = self.num_threads
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
        payload = compile_cpu_kernel(
            lowered.source,
            kind=self.kind,
            name=lowered.name,
            options=[*self._definitions(), *flags],
            verbose=options.verbose,
            compiler=self._compiler(),
            environment=dict(self.compiler_info.env) if self.compiler_info else None,
        )
        return Artifact("cpu", lowered.plan, lowered.source, payload, lowered.remarks, flags, shared=lowered.shared)
