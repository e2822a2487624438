"""Helpers around kernels: tensors, devices, targets, buffers."""

from __future__ import annotations

from tilelang.utils.device import get_current_device
from tilelang.utils.target import determine_target
from tilelang.utils.tensor import TensorSupplyType, map_torch_type, torch_assert_close

__all__ = ["TensorSupplyType", "determine_target", "get_current_device", "map_torch_type", "torch_assert_close"]
