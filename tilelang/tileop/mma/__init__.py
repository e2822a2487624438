"""T.gemm on warp-wide matrix instructions: partition over warps, operand loads, emission."""

from .lower import lower_mma
from .partition import Policy, WarpGrid, partition
from .plan import MmaPlan

__all__ = ["MmaPlan", "Policy", "WarpGrid", "lower_mma", "partition"]
