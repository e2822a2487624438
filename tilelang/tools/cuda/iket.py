"""TileLang 0.1's timelines of a kernel: not in this version."""

from __future__ import annotations

from tilelang.absent import absent_names

__getattr__ = absent_names(
    __name__, "no published page describes it", "kernel.trace(*inputs), the simulator's timeline, or Nsight Compute on the GPU"
)
