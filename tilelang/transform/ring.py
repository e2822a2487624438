"""The barriers between a producer warp and the threads that consume what it brings."""

from __future__ import annotations

from dataclasses import dataclass

from .. import ir

BARRIER_SCOPE = "shared.barrier"


@dataclass(frozen=True)
class Ring:
    """The barriers of one group of copies: arrays of mbarriers, one element a slot.

    `full` completes a phase when the producer has arrived and all bytes are there, `empty` when every consumer warp has.
    """

    full: ir.Var
    empty: ir.Var
    slots: int
