"""The CPU simulator: the very text that a GPU would run, one fiber for each thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tilelang.jit.adapter.base import register
from tilelang.jit.adapter.tvm_ffi import TvmFfiAdapter

if TYPE_CHECKING:
    from tilelang.target import Target


@register
class SimulatorAdapter(TvmFfiAdapter):
    """As `tvm_ffi`, for tensors on the CPU; asking for it by name simulates a GPU target."""

    name = "simulator"

    @classmethod
    def runs(cls, target: Target) -> bool:
        return target.simulated
