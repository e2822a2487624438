"""One proposal of a template."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tilelang.carver.roller.rasterization import NoRasterization, Rasterization


@dataclass(frozen=True)
class Hint:
    """Tiles, threads and stages of a kernel.

    Attributes
    ----------
    block : list of int
        The output tile of a block.
    warp : list of int
        The part of one warp, where matrix instructions are used; empty otherwise.
    rstep : list of int
        How much of the reduced dimensions one step takes.
    pipeline_stage : int
        `num_stages` of the loop over them.
    threads : int
        Of a block.
    vectorize : int
        Elements of one access to global memory.
    rasterization_plan : Rasterization
        The order of blocks.
    predicted_ms : float
        What the cost model says of it.
    """

    block: list[int]
    warp: list[int] = field(default_factory=list)
    rstep: list[int] = field(default_factory=list)
    pipeline_stage: int = 1
    threads: int = 128
    vectorize: int = 1
    rasterization_plan: Rasterization = field(default_factory=NoRasterization)
    predicted_ms: float = 0.0

    @property
    def use_tc(self) -> bool:
        """Whether it is for matrix instructions."""
        return bool(self.warp)

    def to_dict(self) -> dict[str, Any]:
        """The choices as plain data."""
        found: dict[str, Any] = {"block": self.block, "rstep": self.rstep, "threads": self.threads}
        if self.warp:
            found |= {"warp": self.warp, "pipeline_stage": self.pipeline_stage}
        return found
