"""Hand-written kernels with one planted defect each, by what is wrong with them."""

from __future__ import annotations

from testing.checker.defect import DEFECTS
from testing.checker.planted import barriers, blocks, bounds, copies, lanes, matrices, named_barriers, unwritten

__all__ = ["DEFECTS", "barriers", "blocks", "bounds", "copies", "lanes", "matrices", "named_barriers", "unwritten"]
