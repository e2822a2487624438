"""How near a kernel comes to what its GPU can do at most (Williams, Waterman, Patterson: Roofline, CACM 2009)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tilelang.carver.arch.device import Device, current_device
from tilelang.profiler.work import Work, count_work

if TYPE_CHECKING:
    from tilelang.jit.kernel import JITKernel


@dataclass(frozen=True)
class Roofline:
    """A kernel between its GPU's two ceilings.

    Attributes
    ----------
    device : Device
        The GPU.
    operations, bytes : float
        Arithmetic of one call; bytes that device memory must move at least (every tensor parameter once).
    traffic : float
        Bytes that blocks ask of the L2 cache.
    compute_ms, memory_ms : float
        The least time for each alone.
    latency_ms : float, optional
        What was measured.
    """

    device: Device
    operations: float
    bytes: float
    traffic: float
    compute_ms: float
    memory_ms: float
    latency_ms: float | None = None

    @property
    def bound_ms(self) -> float:
        """No kernel that does this work is faster."""
        return max(self.compute_ms, self.memory_ms)

    @property
    def limiter(self) -> str:
        return "compute" if self.compute_ms >= self.memory_ms else "memory"

    @property
    def intensity(self) -> float:
        """Operations a byte."""
        return self.operations / self.bytes if self.bytes else float("inf")

    @property
    def fraction(self) -> float | None:
        """The bound over the measured time: 1 is the ceiling."""
        return self.bound_ms / self.latency_ms if self.latency_ms else None

    def __str__(self) -> str:
        lines = [
            f"{self.device.name}: {self.operations / 1e9:.3f} Gflop, {self.bytes / 1e6:.3f} MB "
            f"({self.intensity:.1f} flop/byte), {self.traffic / 1e6:.3f} MB through L2",
            f"at least {self.bound_ms:.4f} ms, limited by {self.limiter} "
            f"(compute {self.compute_ms:.4f} ms, memory {self.memory_ms:.4f} ms)",
        ]
        if self.latency_ms:
            seconds = self.latency_ms * 1e-3
            lines.append(
                f"measured {self.latency_ms:.4f} ms: {self.operations / seconds / 1e12:.1f} Tflop/s, "
                f"{self.bytes / seconds / 1e9:.0f} GB/s, {self.fraction:.0%} of the ceiling"
            )
        return "\n".join(lines)


def roofline_of(work: Work, device: Device, latency_ms: float | None = None) -> Roofline:
    """The roofline of counted work on a device."""
    compute = 0.0
    for launch in work.launches:
        compute += sum(count / device.peak(dtype) for dtype, count in launch.matrix_operations.items())
        # A multiply-add counts twice in the peak, single operations once; special functions are slower still.
        compute = max(compute, launch.plain_operations / (device.simt_tflops * 1e12 / 2))
    memory = work.footprint / (device.bandwidth * 1e9)
    return Roofline(device, work.operations, work.footprint, work.traffic, compute * 1e3, memory * 1e3, latency_ms)


def kernel_roofline(
    kernel: JITKernel,
    latency_ms: float | None = None,
    values: Mapping[str, int] | None = None,
    device: Device | None = None,
) -> Roofline:
    """The roofline of a compiled kernel.

    Parameters
    ----------
    kernel : JITKernel
        Traced again if it came from the cache.
    latency_ms : float, optional
        A measured time; the tuner's if it has one.
    values : mapping, optional
        Values of symbolic dimensions.
    device : Device, optional
        The GPU; this machine's by default, or the one that stands for the kernel's architecture. Times of the simulator
        are compared with nothing.
    """
    device = device or current_device(kernel.target.arch)
    if latency_ms is None and not kernel.target.simulated:
        latency_ms = kernel.latency
    return roofline_of(count_work(kernel.prim_func, values), device, latency_ms)
