"""What every callable kernel offers, whoever compiled it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.jit.param import Parameter


class KernelWrapper(ABC):
    """A callable kernel: what `JitBase.compile` returns."""

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it; arguments by position, by name, or both."""

    @property
    @abstractmethod
    def kernel(self) -> LoweredKernel:
        """The lowered program that was compiled."""

    @property
    def ast(self) -> LoweredKernel:
        """The same as `kernel`."""
        return self.kernel

    @property
    def prim_func(self) -> Any:
        """The tile program."""
        return self.kernel.prim_func

    @property
    def target(self) -> Any:
        return self.kernel.target

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """All parameters with their roles, in signature order."""
        return self.kernel.parameters

    @property
    def code(self) -> str:
        """The generated text."""
        return self.kernel.code
