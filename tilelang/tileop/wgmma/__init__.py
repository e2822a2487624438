"""T.gemm on the matrix instructions of Hopper's warpgroups."""

from .descriptor import DescribedMatrix
from .lower import lower_wgmma
from .plan import WgmmaPlan

__all__ = ["DescribedMatrix", "WgmmaPlan", "lower_wgmma"]
