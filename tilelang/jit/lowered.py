"""A program between lowering and compiling: text and launch plan, to be looked at and compiled."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.jit.launch_grid import LaunchConfig
from tilelang.jit.options import CompileOptions
from tilelang.jit.param import Parameter, parameters_of

if TYPE_CHECKING:
    from tilelang.jit.wrapper import KernelWrapper
    from tilelang.remarks import Remarks
    from tilelang.resources import SharedBuffer
    from tilelang.target import Target


@dataclass(frozen=True)
class LoweredKernel:
    """What `JITImpl.lower` returns.

    Parameters
    ----------
    source : str
        The generated text.
    plan : LaunchPlan
        How it is called.
    remarks : Remarks
        What the compiler decided and could not do.
    options : CompileOptions
        How it was lowered and will be compiled, the compiler included.
    trace : callable
        Makes the tile program.
    shared : dict
        The shared buffers of each launch, by its name.
    watched : PrimFunc, optional
        The tile program with what `tl.check_finite` put into it, where that was lowered.
    """

    source: str
    plan: LaunchPlan
    remarks: Remarks
    options: CompileOptions
    trace: Callable[[], Any] = field(compare=False, repr=False)
    shared: dict[str, tuple[SharedBuffer, ...]] = field(default_factory=dict, compare=False)
    watched: Any = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def code(self) -> str:
        return self.source

    @property
    def target(self) -> Target:
        return self.options.target

    @property
    def prim_func(self) -> Any:
        """The tile program."""
        return self.trace()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return parameters_of(self.plan)

    @property
    def launch_config(self) -> LaunchConfig:
        return LaunchConfig(self.plan)

    def with_compiler(self, compiler: Any) -> LoweredKernel:
        """The same program for another compiler object; None: the target's own."""
        return dataclasses.replace(self, options=dataclasses.replace(self.options, compiler=compiler))

    def compile(self) -> KernelWrapper:
        """Compile with the compiler that the function was decorated with, or the target's own; or find it in the cache."""
        from tilelang.jit.decorator import compile as compile_kernel

        return compile_kernel(self)
