"""What machines can do."""

from __future__ import annotations

from tilelang.carver.arch import driver
from tilelang.carver.arch.cuda import CUDA
from tilelang.carver.arch.device import DEVICES, Device, current_device, device_named, device_of_arch
from tilelang.carver.arch.other import CDNA, CPU, METAL, RDNA

__all__ = [
    "CDNA",
    "CPU",
    "CUDA",
    "DEVICES",
    "METAL",
    "RDNA",
    "Device",
    "current_device",
    "device_named",
    "device_of_arch",
    "driver",
]
