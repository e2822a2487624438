"""Schedules of warps say nothing to a CPU: the program runs in its own order."""

from __future__ import annotations

from dataclasses import replace

from ..kernel_program import KernelProgram
from ..schedule.materialize import drop_labels


def drop_schedule(program: KernelProgram) -> KernelProgram:
    """The launch without its schedule and labels."""
    return replace(program, body=drop_labels(program.body))
