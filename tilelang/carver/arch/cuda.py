"""An NVIDIA GPU as templates see it."""

from __future__ import annotations

from typing import Any

from tilelang.carver.arch.device import Device, current_device
from tilelang.target import resolve_target


class CUDA:
    """One GPU architecture.

    Parameters
    ----------
    target : str, dict or Target
        As everywhere; "cuda" is this machine's GPU, or the default architecture where there is none.

    Attributes
    ----------
    device : Device
        The table's row.
    compute_capability : str
        Such as "90".
    compute_max_core : int
        Multiprocessors.
    smem_cap, max_smem_usage : int
        Bytes of shared memory that one block can have.
    reg_cap : int
        Registers of a multiprocessor.
    warp_size, sm_partition : int
        Threads of a warp, schedulers of a multiprocessor.
    bandwidth : list of float
        Of device memory and of the L2 cache, in 1e9 bytes a second.
    """

    warp_size, sm_partition = 32, 4
    transaction_size = [32, 128]  # bytes: a sector of L2, a wavefront of shared memory

    def __init__(self, target: Any = "cuda") -> None:
        self.target = resolve_target(target)
        self.device: Device = current_device(self.target.arch)
        self.compute_capability = self.target.arch.removeprefix("sm_").rstrip("af")
        self.compute_max_core = self.device.sms
        self.smem_cap = self.max_smem_usage = self.device.shared_per_block
        self.reg_cap = self.device.registers_per_sm
        self.bandwidth = [self.device.bandwidth, self.device.l2_bandwidth]

    @property
    def sm_version(self) -> int:
        return int(self.compute_capability)

    def __repr__(self) -> str:
        return f"CUDA({self.target.arch}: {self.device.name}, {self.device.sms} multiprocessors)"
