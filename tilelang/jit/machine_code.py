"""What lies below a kernel's CUDA C++: PTX, SASS, registers. Simulated kernels are compiled for their target to answer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from tilelang.errors import UnsupportedError
from tilelang.toolchain import KernelResources, compile_measured, compile_ptx

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.target import Target


class MachineCode:
    """The machine code of one kernel, made when it is asked for.

    Parameters
    ----------
    artifact : Artifact
        Its text and, if it was compiled for a GPU, its binary.
    target : Target
        The architecture.
    """

    def __init__(self, artifact: Artifact, target: Target) -> None:
        if target.is_cpu:
            raise UnsupportedError(
                f"a kernel for {target} has no PTX, SASS or registers of a GPU", fix="compile it for a CUDA target"
            )
        self._artifact, self._arch, self._name = artifact, target.arch, artifact.plan.name

    @functools.cached_property
    def _compiled(self) -> tuple[bytes, tuple[KernelResources, ...]]:
        return compile_measured(self._artifact.source, self._arch, name=self._name, options=self._artifact.options)

    @property
    def cubin(self) -> bytes:
        return self._artifact.payload if self._artifact.kind == "cuda" else self._compiled[0]

    @property
    def resources(self) -> tuple[KernelResources, ...]:
        """What ptxas reported of each kernel, in the order of its report."""
        return self._artifact.resources or self._compiled[1]

    @functools.cached_property
    def ptx(self) -> str:
        return compile_ptx(self._artifact.source, self._arch, name=self._name, options=self._artifact.options)

    @functools.cached_property
    def sass(self) -> str:
        from tilelang.toolchain.disassemble import disassemble

        return disassemble(self.cubin, self._name)
