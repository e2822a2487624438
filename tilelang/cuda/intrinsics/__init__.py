"""Matrix instructions for kernels that issue them by hand: emitters, index maps, layouts that they read well."""

from __future__ import annotations

from tilelang.cuda.intrinsics.layout.mma_layout import get_swizzle_layout, make_mma_swizzle_layout
from tilelang.cuda.intrinsics.layout.utils import get_ldmatrix_offset, get_mma_micro_size, mma_store_index_map
from tilelang.cuda.intrinsics.macro.mma_macro_generator import (
    TensorCoreIntrinEmitter,
    TensorCoreIntrinEmitterWithLadderTransform,
)
from tilelang.cuda.intrinsics.macro.mma_sp_macro_generator import SparseTensorCoreIntrinEmitter
from tilelang.cuda.intrinsics.macro.tcgen05_macro_generator import TensorCoreIntrinEmitter as TCGEN05TensorCoreIntrinEmitter
from tilelang.cuda.intrinsics.macro.umma_descriptor import TCGEN05DescriptorParams, compute_umma_descriptor
from tilelang.cuda.intrinsics.macro.wgmma_macro_generator import TensorCoreIntrinEmitter as WGMMATensorCoreIntrinEmitter
from tilelang.cuda.intrinsics.macro.wgmma_macro_generator import WGMMADescriptorParams, compute_gmma_descriptor
from tilelang.cuda.intrinsics.macro.wgmma_sp_macro_generator import WGSparseTensorCoreIntrinEmitter

__all__ = [
    "SparseTensorCoreIntrinEmitter",
    "TCGEN05DescriptorParams",
    "TCGEN05TensorCoreIntrinEmitter",
    "TensorCoreIntrinEmitter",
    "TensorCoreIntrinEmitterWithLadderTransform",
    "WGMMADescriptorParams",
    "WGMMATensorCoreIntrinEmitter",
    "WGSparseTensorCoreIntrinEmitter",
    "compute_gmma_descriptor",
    "compute_umma_descriptor",
    "get_ldmatrix_offset",
    "get_mma_micro_size",
    "get_swizzle_layout",
    "make_mma_swizzle_layout",
    "mma_store_index_map",
]
