"""What ptxas says a kernel takes: registers, spills, stack."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

_ENTRY = re.compile(r"Compiling entry function '(\w+)'")
_PROPERTIES = re.compile(r"Function properties for (\w+)")
_STACK = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
_USED = re.compile(r"Used (\d+) registers")
_BARRIERS = re.compile(r"used (\d+) barriers")


class KernelResources(NamedTuple):
    """What one `__global__` function takes of a multiprocessor, besides its dynamic shared memory.

    Parameters
    ----------
    name : str
    registers : int
        Of one thread.
    stack_bytes, spill_store_bytes, spill_load_bytes : int
        Local memory of one thread: its frame, and the registers that did not fit.
    barriers : int
        Hardware barriers.
    """

    name: str
    registers: int
    stack_bytes: int = 0
    spill_store_bytes: int = 0
    spill_load_bytes: int = 0
    barriers: int = 0


def parse_ptxas(log: str) -> tuple[KernelResources, ...]:
    """The resources of every kernel in the report of `ptxas -v`."""
    found: list[KernelResources] = []
    entry, described, frame = "", "", (0, 0, 0)
    for line in log.splitlines():
        if match := _ENTRY.search(line):
            entry, frame = match[1], (0, 0, 0)
        elif match := _PROPERTIES.search(line):
            described = match[1]
        elif (match := _STACK.search(line)) and described == entry:  # and not a function that the kernel calls
            frame = int(match[1]), int(match[2]), int(match[3])
        elif match := _USED.search(line):
            barriers = _BARRIERS.search(line)
            found.append(KernelResources(entry, int(match[1]), *frame, int(barriers[1]) if barriers else 0))
    return tuple(found)


def total_spills(resources: Sequence[KernelResources]) -> int:
    """Registers (4 bytes) that the worst kernel stores to local memory because they did not fit."""
    return max((r.spill_store_bytes // 4 for r in resources), default=0)
