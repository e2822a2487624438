"""NVRTC: nvcc's compiler as a library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.jit.availability import Availability, package_availability
from tilelang.jit.compilers.base import BinaryJit

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.target import Target


@dataclass(frozen=True)
class NvrtcJit(BinaryJit):
    """Compiles in this process: the default for GPUs.

    Parameters
    ----------
    flags : tuple of str
        For NVRTC, before those of `compile_flags`.
    """

    flags: tuple[str, ...] = ()
    name = "nvrtc"

    def available(self) -> Availability:
        return package_availability("cuda.bindings", "'cuda-bindings==13.*' 'nvidia-cuda-nvrtc==13.0.*'")

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.toolchain.nvrtc import identity

        return {"name": self.name, "version": identity(), "flags": self.flags}

    def supports(self, target: Target) -> bool:
        return target.kind == "cuda" and not target.simulated

    def build(self, lowered: LoweredKernel) -> Artifact:
        from tilelang.jit.compilers.cuda import build_cubin
        from tilelang.toolchain.nvrtc import compile_text

        return build_cubin(lowered, compile_text, self.flags)
