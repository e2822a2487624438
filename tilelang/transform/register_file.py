"""The registers of a multiprocessor and who shares them.

CUDA C++ Programming Guide, "Compute Capabilities": 65536 registers of 32 bits. They lie in four equal parts, one for each of the
processing blocks among which warps are dealt out, and a warp takes them in units of 256, 8 a thread.
"""

from __future__ import annotations

FILE = 65536
WARP, WARPGROUP = 32, 128
_PARTS, _STEP, MOST = 4, 8, 255
# PTX ISA, "setmaxnreg": what a producer keeps, and the most a consumer takes.
PRODUCER_REGISTERS, CONSUMER_REGISTERS = 24, 240


def blocks_side_by_side(threads: int, registers: int) -> int:
    """Blocks that a multiprocessor's registers hold at once; 0 if there are too few for one."""
    used = WARP * (-(-registers // _STEP) * _STEP)
    return _PARTS * (FILE // _PARTS // used) // -(-threads // WARP)


def share(threads: int, blocks: int = 1) -> int:
    """Registers of a thread where `blocks` blocks of `threads` threads are side by side."""
    warps = blocks * -(-threads // WARP)
    return min(MOST, FILE // _PARTS // (-(-warps // _PARTS) * WARP) // _STEP * _STEP)


def consumer_registers(consumers: int) -> int:
    """What a consumer's thread gets at most, if the producer is a warpgroup that gives its registers back."""
    groups, rest = divmod(consumers, WARPGROUP)
    if rest or groups < 2:  # whole warpgroups trade; a single one gains nothing over a small producer
        return share(consumers + WARP)
    # setmaxnreg moves registers within what the block was launched with: who asks for one more than that holds waits for ever.
    threads = consumers + WARPGROUP
    given = share(threads) * threads - PRODUCER_REGISTERS * WARPGROUP
    return min(CONSUMER_REGISTERS, given // consumers // _STEP * _STEP)
