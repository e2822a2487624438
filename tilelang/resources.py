"""What a kernel takes of a multiprocessor, and how many of its blocks fit on one: `kernel.resources`."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .codegen.launch_plan import LaunchPlan
    from .target.arch import Arch
    from .toolchain.resources import KernelResources


class SharedBuffer(NamedTuple):
    """A shared buffer in the arena of its launch: bytes over all pipeline stages, offset, and where it was allocated."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    bytes: int
    offset: int
    stages: int = 1
    file: str = ""
    line: int = 0


def shared_lines(buffers: Sequence[SharedBuffer]) -> tuple[str, ...]:
    """A table, one line a buffer."""
    rows = [("buffer", "shape", "dtype", "bytes", "offset", "stages", "line")]
    for b in buffers:
        place = f"{b.file}:{b.line}" if b.file else "-"
        rows.append((b.name, " x ".join(map(str, b.shape)), b.dtype, str(b.bytes), str(b.offset), str(b.stages), place))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return tuple("  ".join(cell.ljust(w) for cell, w in zip(row, widths)).rstrip() for row in rows)


class LaunchResources(NamedTuple):
    """One `__global__` function.

    Parameters
    ----------
    name : str
    threads : int
        Of one block.
    registers, stack_bytes, spill_store_bytes, spill_load_bytes : int
        Of one thread, from ptxas. With `setmaxnreg` the registers are those at launch.
    barriers : int
        Hardware barriers.
    shared_bytes : int
        Dynamic shared memory of one block.
    shared : tuple of SharedBuffer
        What it consists of.
    blocks_per_sm : int
        Blocks that fit on one multiprocessor at once; 0 where not even one does.
    limited_by : str
        What stops the next one: "registers", "shared memory", "threads" or "blocks".
    occupancy : float
        Resident warps as a part of those that a multiprocessor holds.
    blocks : int or None
        Of the grid; None where it depends on the arguments.
    waves : float or None
        `blocks` in terms of those that run at once on all multiprocessors of `arch`.
    """

    name: str
    threads: int
    registers: int
    stack_bytes: int
    spill_store_bytes: int
    spill_load_bytes: int
    barriers: int
    shared_bytes: int
    shared: tuple[SharedBuffer, ...]
    blocks_per_sm: int
    limited_by: str
    occupancy: float
    blocks: int | None
    waves: float | None

    def __str__(self) -> str:
        spills = f", {self.spill_store_bytes} bytes spilled" if self.spill_store_bytes else ", no spills"
        grid = "" if self.blocks is None else f"; {self.blocks} blocks, {self.waves:.2f} waves"
        head = (
            f"{self.name}: {self.threads} threads, {self.registers} registers{spills}, "
            f"{self.shared_bytes} bytes of shared memory\n"
            f"  {self.blocks_per_sm} blocks on a multiprocessor (limited by {self.limited_by}), "
            f"occupancy {self.occupancy:.0%}{grid}"
        )
        return "\n  ".join([head, *shared_lines(self.shared)]) if self.shared else head


class Resources(tuple[LaunchResources, ...]):
    """The launches of a kernel, in their order; prints as text."""

    def to_json(self) -> str:
        """A JSON array of objects with the fields of `LaunchResources`."""
        return json.dumps([{**launch._asdict(), "shared": [b._asdict() for b in launch.shared]} for launch in self], indent=1)

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__


def blocks_per_multiprocessor(threads: int, registers: int, shared_bytes: int, arch: Arch) -> tuple[int, str]:
    """(blocks that fit, what limits them); CUDA C++ Programming Guide, "Multiprocessor Level" and the occupancy calculator.

    Registers are given to warps in units of 256, warps in fours; each block takes a kilobyte of shared memory for the system.
    """
    warps = -(-threads // 32)
    per_warp = -(-max(registers, 1) * 32 // 256) * 256
    limits = {
        "registers": arch.registers_per_sm // per_warp // 4 * 4 // warps,
        "shared memory": arch.shared_per_sm // (-(-(shared_bytes + arch.shared_reserved) // 128) * 128),
        "threads": arch.threads_per_sm // (warps * 32),
        "blocks": arch.blocks_per_sm,
    }
    least = min(limits, key=lambda name: limits[name])
    return limits[least], least


def measure(
    plan: LaunchPlan, used: Iterable[KernelResources], shared: Mapping[str, Sequence[SharedBuffer]], arch: Arch
) -> Resources:
    """Put together what ptxas reported, the launch plan and the arenas."""
    by_name = {u.name: u for u in used}
    out = []
    for launch in plan.kernels:
        if launch.name not in by_name:
            continue
        u, threads = by_name[launch.name], math.prod(launch.block)
        shared_bytes = launch.shared_bytes
        count, limit = blocks_per_multiprocessor(threads, u.registers, shared_bytes, arch)
        grid: list[Any] = list(launch.grid)
        blocks = math.prod(grid) if all(isinstance(n, int) for n in grid) else None
        waves = blocks / (count * arch.multiprocessors) if blocks is not None and count else None
        occupancy = count * -(-threads // 32) / (arch.threads_per_sm // 32)
        numbers = (u.registers, u.stack_bytes, u.spill_store_bytes, u.spill_load_bytes, u.barriers, shared_bytes)
        buffers = tuple(shared.get(launch.name, ()))
        out.append(LaunchResources(launch.name, threads, *numbers, buffers, count, limit, occupancy, blocks, waves))
    return Resources(out)
