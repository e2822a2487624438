"""What can be said of a configuration before it is compiled: that it does not fit, and about how long it takes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tilelang.carver.arch.device import Device
from tilelang.errors import ResourceError
from tilelang.profiler.work import LaunchWork, Work

_REGISTERS = 255  # of one thread, at most, on every architecture
_ROOMY = 144
# Fitted to the published times of an H100 (benchmark/results); testing/carver/test_model.py holds the two against each other.
_LAUNCH_MS = 0.001
_MEMORY_REACHED = 0.92  # of the bandwidth in the data sheet
_WITHOUT_WGMMA = 1.6  # mma.sync reaches about 60 % of the peak on Hopper (Luo et al., Benchmarking Hopper, 2024)
# A block's loads are hidden behind its arithmetic only in part; the share that shows, by stages of the pipeline.
_EXPOSED = {0: 1.0, 1: 1.0, 2: 0.2}
_EXPOSED_DEEPER = 0.12
_SHARED_SLOPE = 9.5  # operations a byte from L2 at which the matrix units wait half of the time


class PrunedError(ResourceError):
    """A configuration that cannot run, or only with registers in local memory; it is not compiled."""

    code = "TL0721"


@dataclass(frozen=True)
class Occupancy:
    """How many blocks of a launch one multiprocessor holds at once, and what limits them."""

    blocks: int
    limiter: str


def occupancy(work: LaunchWork, device: Device) -> Occupancy:
    """Blocks on a multiprocessor, by threads, shared memory in flight and accumulators (a lower bound of registers)."""
    registers = min(_REGISTERS, work.registers + 40) * work.threads
    limits = {
        "blocks": device.blocks_per_sm,
        "threads": device.threads_per_sm // max(1, work.threads),
        "shared memory": device.shared_per_sm // (work.pipelined_bytes + 1024) if work.pipelined_bytes else device.blocks_per_sm,
        "registers": int(device.registers_per_sm // registers) if registers else device.blocks_per_sm,
    }
    limiter = min(limits, key=lambda name: limits[name])
    return Occupancy(max(1, limits[limiter]), limiter)


def screen(work: Work, device: Device) -> None:
    """Refuse what cannot fit.

    Raises
    ------
    PrunedError
        With the number that is too large and its limit.
    """
    for launch in work.launches:
        if launch.threads > 1024:
            raise PrunedError(f"{launch.threads} threads a block, {device.name} has at most 1024", fix="use fewer threads")
        if launch.pipelined_bytes > device.shared_per_block:
            raise PrunedError(
                f"{launch.pipelined_bytes} bytes of shared memory in flight, a block of {device.name} has "
                f"{device.shared_per_block}",
                fix="use smaller tiles or fewer stages",
            )
        if launch.registers > _REGISTERS:
            raise PrunedError(
                f"accumulators take {launch.registers:.0f} registers a thread, there are {_REGISTERS}",
                fix="use smaller tiles or more threads",
            )


def predict_ms(work: Work, device: Device) -> float:
    """A guess at the time of a call, within a third of what was measured, for ranking configurations of one program.

    Arithmetic, L2 traffic and device memory each have their least time; blocks come in waves, of which the last may be
    nearly empty; and what a shallow pipeline does not hide is added.
    """
    total = 0.0
    for launch in work.launches:
        matrix = sum(launch.matrix_operations.values())
        moved = launch.global_read + launch.global_written
        # With few blocks, each has a multiprocessor to itself, and others idle.
        held = min(occupancy(launch, device).blocks, math.ceil(launch.blocks / device.sms)) or 1
        waves = launch.blocks / (device.sms * held)
        ragged = math.ceil(waves) / waves if waves else 1.0
        intensity = matrix / moved if moved else float("inf")
        efficiency = intensity / (intensity + _SHARED_SLOPE) if matrix and moved else 1.0
        arithmetic = sum(n / device.peak(dtype) for dtype, n in launch.matrix_operations.items()) / max(efficiency, 1e-3)
        arithmetic += launch.plain_operations / (device.simt_tflops * 1e12 / 2)
        if matrix and launch.threads * held < 128:
            arithmetic *= 1.5  # too few warps to feed four schedulers
        if matrix and device.arch.startswith("sm_9") and (launch.matrix_rows < 64 or launch.threads < 128):
            arithmetic *= _WITHOUT_WGMMA
        # Addresses, operands and the next tile's work need room beside the accumulators.
        arithmetic *= 1 + max(0.0, launch.registers - _ROOMY) / 100
        least = work.footprint / len(work.launches) / (device.bandwidth * _MEMORY_REACHED * 1e9)
        memory = max(moved / (device.l2_bandwidth * 1e9), least)
        if 0 < launch.narrowest_row < 64:
            memory *= 64 / max(16, launch.narrowest_row)
        exposed = _EXPOSED.get(launch.stages, _EXPOSED_DEEPER) / min(held, 3)
        total += (max(arithmetic, memory) + exposed * min(arithmetic, memory)) * ragged * 1e3 + _LAUNCH_MS
    return total
