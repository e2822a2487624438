"""CuTe DSL: kernels written as CuTe programs, compiled by nvidia-cutlass-dsl."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tilelang.errors import UnsupportedError
from tilelang.jit.adapter.base import Adapter, register
from tilelang.jit.availability import Availability, package_availability

if TYPE_CHECKING:
    from tilelang.target import Target


@register
class CuteDslAdapter(Adapter):
    """Kernels are generated as CUDA C++, never as CuTe programs, so no target is served: asking for it is an error."""

    name = "cutedsl"

    @classmethod
    def runs(cls, target: Target) -> bool:
        return False

    @classmethod
    def available(cls) -> Availability:
        return package_availability("cutlass", "nvidia-cutlass-dsl")

    def __call__(self, *args: Any) -> Any:
        raise UnsupportedError("kernels are generated as CUDA C++, not as CuTe DSL", fix='use target="cuda"')
