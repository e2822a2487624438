"""What every execution backend has in common, and their registry."""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from tilelang.errors import ArgumentError, DeviceMismatchError, UnsupportedError
from tilelang.jit.availability import Availability

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.codegen.launch_plan import LaunchPlan
    from tilelang.jit.options import CompileOptions
    from tilelang.runtime.launcher import Named, Recover
    from tilelang.target import Target


class Adapter(ABC):
    """A compiled program as a callable, through one execution backend.

    Parameters
    ----------
    artifact : Artifact
        The binary and its launch plan.
    options : CompileOptions
        How it was compiled.

    Attributes
    ----------
    name : str
        The name of the execution backend.
    guarantees : frozenset of str
        What it promises, for `require=`. "gil_free": other Python threads run while a kernel is launched, and while it
        computes on a CPU.
    calls_host : bool
        Whether it makes the plan's calls of functions of the host (T.call_packed).
    """

    name: ClassVar[str]
    guarantees: ClassVar[frozenset[str]] = frozenset({"gil_free"})
    calls_host: ClassVar[bool] = True

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        if artifact.plan.calls and not self.calls_host:
            raise UnsupportedError(
                f"`{artifact.plan.name}` calls `{artifact.plan.calls[0].function}` on the host (T.call_packed), which execution "
                f"backend {self.name!r} does not do",
                fix="use execution_backend='tvm_ffi'",
            )
        self.artifact, self.options, self.plan = artifact, options, artifact.plan

    @classmethod
    @abstractmethod
    def runs(cls, target: Target) -> bool:
        """Whether kernels for this target can be called through this backend."""

    @classmethod
    def available(cls) -> Availability:
        """Whether what the backend stands on is installed."""
        return Availability(True)

    @abstractmethod
    def __call__(self, *args: Any) -> Any:
        """Run the program on the parameters that are not outputs.

        Returns
        -------
        The output, a list of several, or None when there is none.
        """

    @classmethod
    def host_source(cls, plan: LaunchPlan) -> str:
        """What launches are made by, as text: the plan, which the native launcher reads instead of generated host code."""
        return plan.to_json()

    @property
    def raw_function(self) -> Any:
        """The program as a tvm-ffi function, for callers of that interface; None where there is none."""
        return None

    def expect_all(self, args: tuple) -> None:
        """Refuse a call with too few or too many arguments."""
        inputs = [p.name for p in self.plan.parameters if not p.output]
        if len(args) != len(inputs):
            raise ArgumentError(
                f"Kernel expected {len(inputs)} inputs, but {len(args)} are provided: `{self.plan.name}` takes "
                f"({', '.join(inputs)})",
                fix="pass each parameter that is not an output, in this order",
            )

    def entry(self, named: Named, recover: Recover | None) -> Callable[..., Any]:
        """The shortest way to the binary, which a kernel's calls go.

        Parameters
        ----------
        named : callable
            Puts (positional arguments, keyword arguments) into order.
        recover : callable, optional
            Answers a call with a tensor on another device, given the error and the arguments; None: that is an error.
        """

        def call(*args: Any, **kwargs: Any) -> Any:
            if kwargs:
                args = named(args, kwargs)
            try:
                return self(*args)
            except DeviceMismatchError as error:
                if recover is None:
                    raise
                refused = error
            return recover(refused, args)

        return call


_ADAPTERS: dict[str, type[Adapter]] = {}
Registered = TypeVar("Registered", bound=type[Adapter])


def register(cls: Registered) -> Registered:
    """Decorator: make an adapter known under its `name`."""
    _ADAPTERS[cls.name] = cls
    return cls


def adapter_of(name: str) -> type[Adapter]:
    """The adapter of one execution backend; the others are not imported."""
    if name not in _ADAPTERS:
        importlib.import_module(f"tilelang.jit.adapter.{name}")
    return _ADAPTERS[name]


def adapters() -> Mapping[str, type[Adapter]]:
    """All adapters by the name of their execution backend."""
    from tilelang.jit.execution_backend import BACKENDS

    return MappingProxyType({name: adapter_of(name) for name in BACKENDS if name != "auto"})
