"""What a compiler object is, and which one a target gets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from tilelang.env import env
from tilelang.errors import ArgumentTypeError, JitError, UnsupportedError
from tilelang.jit.availability import Availability

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.adapter import Adapter
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.jit.wrapper import KernelWrapper
    from tilelang.target import Target


class JitBase(ABC):
    """Turns programs into callable kernels.

    A user's own compiler derives from this class and is passed as `jit=`; what it needs is `compile`.

    Attributes
    ----------
    name : str
        For messages and cache keys.
    guarantees : frozenset of str
        What its binaries promise, for `require=`.

    Examples
    --------
    >>> class Counting(tilelang.jit.JitBase):
    ...     name, count = "counting", 0
    ...     def compile(self, kernel, **options):
    ...         self.count += 1
    ...         return default_jit("auto").compile(kernel, **options)
    """

    name: ClassVar[str] = "user"
    guarantees: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def compile(self, kernel: Any, **options: Any) -> KernelWrapper:
        """A callable kernel.

        Parameters
        ----------
        kernel : PrimFunc, T.prim_func or LoweredKernel
            What to compile.
        **options
            The keyword arguments of `tilelang.compile`.
        """

    def available(self) -> Availability:
        """Whether its tools are installed."""
        return Availability(True)

    def cache_identity(self) -> dict[str, Any]:
        """Everything about the compiler that decides what a text compiles to; part of every cache key."""
        return {"name": self.name}

    def supports(self, target: Target) -> bool:
        """Whether it makes binaries for `target`."""
        return True


class BinaryJit(JitBase):
    """A compiler that makes one binary of one text; tracing, lowering, caching and calling are common to all of them."""

    @property
    def adapter(self) -> type[Adapter] | None:
        """How its kernels are called, where no execution backend can; None: through the one that was chosen."""
        return None

    def compile(self, kernel: Any, **options: Any) -> KernelWrapper:
        from tilelang.jit.impl import kernel_of_program

        return kernel_of_program(kernel, compiler=self, **options)

    @abstractmethod
    def build(self, lowered: LoweredKernel) -> Artifact:
        """Compile the text; nothing is cached here."""

    def check(self, target: Target) -> None:
        """Refuse a target that it cannot serve, and missing tools, before anything is lowered."""
        if not self.supports(target):
            raise UnsupportedError(
                f"{type(self).__name__} does not compile for {target}",
                fix=f"leave out jit=, or use {type(default_jit(target)).__name__}()",
            )
        self.available().require(type(self).__name__)


def default_jit(target: Any = "auto") -> BinaryJit:
    """The compiler that a target gets where none is named.

    Parameters
    ----------
    target : str, dict or Target
        As for `tilelang.jit`.
    """
    from tilelang.target import resolve_target

    chosen = resolve_target(target, simulate=env.TILELANG_SIMULATE)
    if chosen.is_cpu:
        from tilelang.jit.compilers.cpu import CpuJit

        return CpuJit(kind=chosen.kind)
    if chosen.simulated:
        from tilelang.jit.compilers.simulator import SimulatorJit

        return SimulatorJit()
    if env.TILELANG_CUDA_COMPILER == "nvcc":
        from tilelang.jit.compilers.cuda import CudaJit

        return CudaJit()
    from tilelang.jit.compilers.nvrtc import NvrtcJit

    return NvrtcJit()


def resolve_compiler(jit: Any, compiler: Any = None) -> JitBase | None:
    """The compiler object that the arguments `jit=` and `compiler=` (its other name) mean; None: the target's own.

    False is the interpreter: the program runs in Python.

    Raises
    ------
    ArgumentTypeError
        For anything but None, a bool or a compiler object; also when both are given.
    """
    if jit is not None and compiler is not None:
        raise ArgumentTypeError("jit= and compiler= are two names of one argument, and both are given", fix="leave one out")
    chosen = compiler if jit is None else jit
    if chosen is None or chosen is True:
        return None
    if chosen is False:
        from tilelang.jit.compilers.interpreter import InterpreterJit

        return InterpreterJit()
    if not isinstance(chosen, JitBase):
        raise ArgumentTypeError(
            f"jit={chosen!r} is no compiler object",
            fix="pass CudaJit(), NvrtcJit(), no_jit or an object of a class under JitBase",
        )
    return chosen


def compiles_itself(compiler: JitBase | None) -> bool:
    """Whether a user wrote the compiler's `compile`, so that it must be called instead of the common way."""
    return compiler is not None and type(compiler).compile is not BinaryJit.compile


def require_guarantees(require: Any, compiler: JitBase, backend: Any) -> None:
    """Refuse a compiler and backend that do not promise all of `require`.

    Raises
    ------
    JitError
        Names the guarantee that is missing.
    """
    wanted = {require} if isinstance(require, str) else set(require or ())
    given = compiler.guarantees | backend.guarantees
    for guarantee in sorted(wanted - given):
        raise JitError(
            f"require={guarantee!r}: neither {type(compiler).__name__} nor the backend {backend.name!r} guarantees it "
            f"(they guarantee {', '.join(sorted(given)) or 'nothing'})",
            fix="choose another jit= or execution_backend=, or drop the requirement",
        )
