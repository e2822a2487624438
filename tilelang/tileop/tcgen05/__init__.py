"""Tensor memory (sm_100a): copies to and from it, and T.gemm into it."""

from .arrive import ProductsArrive
from .by_hand import ProductByHand
from .copy import TensorCopy
from .deallocate import DeallocateTensorMemory
from .gemm import TensorGemm
from .scale_copy import ScaleCopy, ScaleTranspose
from .scaled import ScaledTensorGemm
from .tile import SCOPE, TensorTile

__all__ = [
    "SCOPE",
    "DeallocateTensorMemory",
    "ProductByHand",
    "ProductsArrive",
    "ScaleCopy",
    "ScaleTranspose",
    "ScaledTensorGemm",
    "TensorCopy",
    "TensorGemm",
    "TensorTile",
]
