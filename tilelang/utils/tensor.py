"""torch tensors for kernels: dtypes by name, inputs, comparison."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilelang.profiler.supply import TensorSupplyType, supply_tensor
from tilelang.testing.compare import torch_assert_close

if TYPE_CHECKING:
    from tilelang.jit.param import KernelParam

__all__ = ["TensorSupplyType", "get_tensor_supply", "map_torch_type", "torch_assert_close"]


def map_torch_type(intype: Any) -> Any:
    """The torch dtype of a name, a T dtype or a torch dtype.

    Examples
    --------
    >>> map_torch_type("e4m3_float8")
    torch.float8_e4m3fn
    """
    from tilelang.language.dtypes import dtype

    older = {"e4m3_float8": "float8_e4m3fn", "e5m2_float8": "float8_e5m2"}
    return dtype(older.get(intype, intype) if isinstance(intype, str) else intype).as_torch()


def get_tensor_supply(supply_type: TensorSupplyType = TensorSupplyType.Integer) -> Callable[[KernelParam], Any]:
    """A function that makes a tensor for a parameter, on the current device.

    Examples
    --------
    >>> inputs = [get_tensor_supply(TensorSupplyType.Normal)(param) for param in kernel.params]
    """
    from tilelang.utils.device import get_current_device

    return lambda param: supply_tensor(param, supply_type, str(get_current_device()))
