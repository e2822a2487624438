"""Hand-written kernels with one planted defect each, by what is wrong with them."""

from __future__ import annotations

from testing.checker.defect import DEFECTS
from testing.checker.planted import (
    barriers,
    blocks,
    bounds,
    clusters,
    copies,
    lanes,
    matrices,
    mbarriers,
    named_barriers,
    proxies,
    tensor_copies,
    tensor_memory,
    unwritten,
    warpgroups,
)

__all__ = [
    "DEFECTS",
    "barriers",
    "blocks",
    "bounds",
    "clusters",
    "copies",
    "lanes",
    "matrices",
    "mbarriers",
    "named_barriers",
    "proxies",
    "tensor_copies",
    "tensor_memory",
    "unwritten",
    "warpgroups",
]
