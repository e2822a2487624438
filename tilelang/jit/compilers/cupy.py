"""CuPy: its modules and its arrays around a cubin of ours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.jit.availability import Availability, package_availability
from tilelang.jit.compilers.nvrtc import NvrtcJit
from tilelang.stability import warn_experimental

if TYPE_CHECKING:
    from tilelang.jit.adapter import Adapter


@dataclass(frozen=True)
class CupyJit(NvrtcJit):
    """Kernels that take CuPy arrays, run on CuPy's current stream, and return CuPy arrays.

    NVRTC compiles here, as in `NvrtcJit`, for the exact architecture (sm_90a); `cupy.RawModule` loads the cubin. Experimental.

    Parameters
    ----------
    flags : tuple of str
        As of `NvrtcJit`.
    """

    name = "cupy"

    def __post_init__(self) -> None:
        warn_experimental("CupyJit")

    def available(self) -> Availability:
        found = package_availability("cupy", "cupy-cuda13x")
        return super().available() if found else found

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.toolchain.versions import package_version

        return {**super().cache_identity(), "cupy": package_version("cupy-cuda13x")}

    @property
    def adapter(self) -> type[Adapter]:
        from tilelang.jit.adapter.cupy import CupyAdapter

        return CupyAdapter
