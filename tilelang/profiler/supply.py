"""Inputs made to order: tensors of a parameter's shape and dtype."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from tilelang.errors import ShapeError
from tilelang.runtime.arguments import SUB_BYTE

if TYPE_CHECKING:
    from tilelang.jit.param import KernelParam

_ONES = {"int4": 0x11, "uint4": 0x11, "float4_e2m1fn": 0x22}  # two elements of value 1 in a byte


class TensorSupplyType(Enum):
    """How inputs are filled. Auto: small integers for integer types, uniform in [-1, 1) for floating ones.

    Of 4-bit types every kind but Zero and One gives random codes.
    """

    Integer = 1
    Uniform = 2
    Normal = 3
    Randn = 4
    Zero = 5
    One = 6
    Auto = 7


def supply_tensor(param: KernelParam, supply: TensorSupplyType, device: str) -> Any:
    """A tensor for `param`.

    Raises
    ------
    ShapeError
        For a shape that is known only at a call.
    """
    import torch

    if param.is_symbolic():
        raise ShapeError(f"`{param.name}` has the symbolic shape {param.shape}", fix="pass input_tensors")
    shape, dtype = tuple(e for e in param.shape if isinstance(e, int)), param.torch_dtype()
    if param.dtype in SUB_BYTE:
        bytes_ = {TensorSupplyType.Zero: (0, 1), TensorSupplyType.One: (_ONES[param.dtype], _ONES[param.dtype] + 1)}.get(
            supply, (0, 256)
        )
        return torch.randint(*bytes_, (*shape[:-1], shape[-1] // 2), dtype=torch.uint8, device=device).view(dtype)
    if supply is TensorSupplyType.Auto:
        return _auto(shape, dtype, device)
    if supply is TensorSupplyType.Zero:
        return torch.zeros(shape, device=device).to(dtype)
    if supply is TensorSupplyType.One:
        return torch.ones(shape, device=device).to(dtype)
    if supply is TensorSupplyType.Integer:
        low, high = (0, 3) if _is_unsigned(dtype) else (0, 2) if dtype == torch.bool else (-2, 3)
        return torch.randint(low, high, shape, device=device).to(dtype)
    if supply is TensorSupplyType.Uniform:
        return torch.empty(shape, device=device).uniform_(-1.0, 1.0).to(dtype)
    return torch.randn(shape, device=device).to(dtype)


def _is_unsigned(dtype: Any) -> bool:
    return str(dtype).startswith("torch.uint")


def _auto(shape: tuple, dtype: Any, device: str) -> Any:
    import torch

    if dtype == torch.bool:
        return torch.randint(0, 2, shape, device=device).to(dtype)
    if _is_unsigned(dtype):
        return torch.randint(0, 3, shape, device=device).to(dtype)
    if dtype.is_floating_point and dtype.itemsize == 1:
        return torch.randint(-128, 128, shape, device=device).to(torch.int8).to(dtype)
    if dtype.is_floating_point:
        return torch.empty(shape, device=device).uniform_(-1.0, 1.0).to(dtype)
    return torch.randint(-2, 3, shape, device=device).to(dtype)
