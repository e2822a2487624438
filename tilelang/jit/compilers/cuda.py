"""nvcc."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.jit.availability import Availability
from tilelang.jit.compilers.base import BinaryJit
from tilelang.toolchain.locate import find_tool

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.target import Target


@dataclass(frozen=True)
class CudaJit(BinaryJit):
    """Compiles with nvcc, which knows every flag; a process for each kernel.

    Parameters
    ----------
    flags : tuple of str
        For nvcc, before those of `compile_flags`.
    """

    flags: tuple[str, ...] = ()
    name = "nvcc"

    def available(self) -> Availability:
        found = find_tool("nvcc") is not None
        return Availability(found, "nvcc", "install the CUDA toolkit, set CUDA_HOME, or use NvrtcJit()")

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.toolchain.nvcc import identity

        return {"name": self.name, "version": identity(), "flags": self.flags}

    def supports(self, target: Target) -> bool:
        return target.kind == "cuda" and not target.simulated

    def build(self, lowered: LoweredKernel) -> Artifact:
        from tilelang.toolchain.nvcc import compile_text

        return build_cubin(lowered, compile_text, self.flags)


def build_cubin(lowered: LoweredKernel, compile_text: Any, own_flags: tuple[str, ...]) -> Artifact:
    """The artifact of a text, through nvcc's or NVRTC's `compile_text`."""
    from tilelang.cache import Artifact
    from tilelang.env import env
    from tilelang.toolchain import device_compile_options
    from tilelang.toolchain.resources import parse_ptxas

    options = lowered.options
    flags = (*own_flags, *device_compile_options(options.pass_configs, options.compile_flags))
    cubin, log = compile_text(
        lowered.source,
        options.target.arch,
        form="cubin",
        name=lowered.name,
        options=flags,
        verbose=options.verbose or env.TILELANG_VERBOSE,
    )
    return Artifact("cuda", lowered.plan, lowered.source, cubin, lowered.remarks, flags, parse_ptxas(log), lowered.shared)
