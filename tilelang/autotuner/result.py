"""What a tuning run returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilelang.autotuner.record import FAILURES, Record
from tilelang.jit.kernel import JITKernel


@dataclass
class AutotuneResult:
    """The best configuration, and all that were tried.

    Attributes
    ----------
    latency : float
        Milliseconds of a call of the best.
    config : dict
        The best configuration.
    ref_latency : float, optional
        Milliseconds of the reference.
    libcode : str
        The best kernel's text.
    func : PrimFunc
        Its program.
    kernel : JITKernel
        The best kernel.
    records : list of Record
        All configurations, in the order in which they were given.
    device : str
        What the times are of: a GPU's name, or the simulator, whose times rank nothing on a GPU.
    seconds : float
        What the run took.
    """

    latency: float
    config: dict[str, Any]
    ref_latency: float | None
    kernel: JITKernel
    records: list[Record] = field(default_factory=list)
    device: str = ""
    seconds: float = 0.0

    @property
    def libcode(self) -> str:
        return self.kernel.get_kernel_source()

    @property
    def func(self) -> Any:
        return self.kernel.prim_func

    @property
    def failures(self) -> list[Record]:
        """Configurations that went wrong; those pruned, skipped or stopped are not among them."""
        return [record for record in self.records if record.status in FAILURES]

    def ranking(self) -> list[Record]:
        """Measured configurations, fastest first."""
        measured = [r for r in self.records if r.latency_ms is not None]
        return sorted(measured, key=lambda r: (r.latency_ms, r.index))

    def report(self) -> str:
        """The sweep as a text table."""
        lines = [f"{len(self.records)} configurations on {self.device} in {self.seconds:.1f} s"]
        if "simulator" in self.device:
            lines.append("times are of the CPU simulator: they rank nothing on a GPU")
        for record in [*self.ranking(), *(r for r in self.records if r.latency_ms is None)]:
            mark = "*" if record.config == self.config else " "
            lines.append(f"{mark} {record}")
        return "\n".join(lines)

    def plot(self, path: str | Path) -> None:
        """Write a page (HTML, no scripts) with each configuration's time and its place under the roofline."""
        from tilelang.autotuner.plot import write_plot

        write_plot(self, Path(path))
