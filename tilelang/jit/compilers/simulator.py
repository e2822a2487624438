"""The host's C++ compiler, for kernels that run in the simulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tilelang.jit.availability import Availability
from tilelang.jit.compilers.base import BinaryJit

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.target import Target


@dataclass(frozen=True)
class SimulatorJit(BinaryJit):
    """Compiles the text of a GPU kernel for the CPU, where the simulator runs it; products and sums are never contracted."""

    name = "simulator"
    guarantees = frozenset({"deterministic", "fp_contract_off"})

    def available(self) -> Availability:
        from tilelang.errors import UnavailableError
        from tilelang.simulator.toolchain import host_compiler

        try:
            host_compiler()
        except UnavailableError as error:
            return Availability(False, "g++", error.fix)
        return Availability(True)

    def cache_identity(self) -> dict[str, Any]:
        from tilelang.simulator import cache_key

        return {"name": self.name, "version": cache_key()}

    def supports(self, target: Target) -> bool:
        return target.simulated

    def build(self, lowered: LoweredKernel) -> Artifact:
        from tilelang.cache import Artifact
        from tilelang.simulator import compile_kernel
        from tilelang.toolchain import device_compile_options

        options = lowered.options
        flags = tuple(device_compile_options(options.pass_configs, options.compile_flags))
        payload = compile_kernel(lowered.source, [kernel.name for kernel in lowered.plan.kernels])
        return Artifact("simulator", lowered.plan, lowered.source, payload, lowered.remarks, flags, shared=lowered.shared)
