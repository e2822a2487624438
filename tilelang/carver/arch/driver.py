"""Facts about this machine's GPU; where there is none, about the one that stands for the default architecture."""

from __future__ import annotations

from tilelang.carver.arch.device import Device, current_device
from tilelang.target import device_arch
from tilelang.target.target import DEFAULT_ARCH


def _device() -> Device:
    return current_device(device_arch() or DEFAULT_ARCH)


def get_num_sms(device_id: int = 0) -> int:
    """Multiprocessors, such as a persistent kernel's grid needs."""
    if device_arch() is not None:
        import torch

        if torch.cuda.is_available():
            return int(torch.cuda.get_device_properties(device_id).multi_processor_count)
    return _device().sms


def get_device_name() -> str:
    """The GPU's name in the tables."""
    return _device().name


def get_shared_memory_per_block() -> int:
    """Bytes of shared memory that one block can have."""
    return _device().shared_per_block


def get_max_dynamic_shared_size_bytes() -> int:
    """Like `get_shared_memory_per_block`."""
    return _device().shared_per_block


def get_l2_cache_size() -> int:
    """Bytes of the L2 cache."""
    return _device().l2_bytes
