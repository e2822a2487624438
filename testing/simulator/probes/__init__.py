"""Small device programs, one an instruction mode: `PROBES`."""

from __future__ import annotations

from testing.simulator.probes import copies, matrices, scalars, warp_specialized
from testing.simulator.probes.probe import Probe, Tile, copied

PROBES = [*warp_specialized.PROBES, *matrices.PROBES, *copies.PROBES, *scalars.PROBES]

__all__ = ["PROBES", "Probe", "Tile", "copied"]
