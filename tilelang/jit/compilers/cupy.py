"""CuPy: its RawModule compiles and launches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.jit.availability import Availability, package_availability
from tilelang.jit.compilers.base import BinaryJit
from tilelang.stability import warn_experimental

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.adapter import Adapter
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.target import Target


@dataclass(frozen=True)
class CupyJit(BinaryJit):
    """Compiles through `cupy.RawModule` (NVRTC as CuPy brings it); kernels take CuPy arrays on CuPy's current stream.

    Outputs are CuPy's, too. Experimental: it has not been run beside CuPy yet.
    """

    name = "cupy"

    def __post_init__(self) -> None:
        warn_experimental("CupyJit")

    def available(self) -> Availability:
        return package_availability("cupy", "cupy-cuda13x")

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.toolchain.versions import package_version

        return {"name": self.name, "version": package_version("cupy-cuda13x"), "nvrtc": package_version("nvidia-cuda-nvrtc")}

    def supports(self, target: Target) -> bool:
        return target.kind == "cuda" and not target.simulated

    @property
    def adapter(self) -> type[Adapter]:
        from tilelang.jit.adapter.cupy import CupyAdapter

        return CupyAdapter

    def build(self, lowered: LoweredKernel) -> Artifact:
        """The text alone: CuPy compiles it when it is first launched, and keeps the binary in its own cache."""
        from tilelang.cache import Artifact
        from tilelang.toolchain import device_compile_options

        options = lowered.options
        flags = tuple(device_compile_options(options.pass_configs, options.compile_flags))
        return Artifact("cuda", lowered.plan, lowered.source, b"", lowered.remarks, flags, shared=lowered.shared)
