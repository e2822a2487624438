"""Layouts of register tiles (`Fragment`), shared tiles (`SharedLayout`) and permuted tensors (`TensorLayout`)."""

from ..absent import Absent
from . import cute
from .fragment import Factor, Fragment, agree, covers, local, packed_factors, piece_factors, runs, thread, unpacked_factors
from .index_map import Layout
from .metadata import make_cutlass_metadata_layout
from .shared import SharedLayout
from .swizzle_mode import SwizzleMode
from .tensor import TensorLayout
from .user import (
    fragment_from_function,
    make_full_bank_swizzled_layout,
    make_fully_replicated_layout_fragment,
    make_gemm_fragment_8x8,
    make_gemm_fragment_8x8_transposed,
    make_half_bank_swizzled_layout,
    make_linear_layout,
    make_mma_swizzle_layout,
    make_quarter_bank_swizzled_layout,
    make_swizzled_layout,
    make_tcgen05mma_swizzled_layout,
    make_volta_swizzled_layout,
    make_wgmma_swizzled_layout,
)
from .view import ReshapedLayout, view_fragment, view_layout

PartialFragment = Absent(
    "tilelang.layout.PartialFragment",
    "no published page says what it is made of",
    "T.Fragment, of which threads may hold nothing: padded dimensions, replicate=",
)

__all__ = [
    "Factor",
    "Fragment",
    "Layout",
    "PartialFragment",
    "ReshapedLayout",
    "SharedLayout",
    "SwizzleMode",
    "TensorLayout",
    "agree",
    "covers",
    "cute",
    "fragment_from_function",
    "local",
    "make_cutlass_metadata_layout",
    "make_full_bank_swizzled_layout",
    "make_fully_replicated_layout_fragment",
    "make_gemm_fragment_8x8",
    "make_gemm_fragment_8x8_transposed",
    "make_half_bank_swizzled_layout",
    "make_linear_layout",
    "make_quarter_bank_swizzled_layout",
    "make_mma_swizzle_layout",
    "make_swizzled_layout",
    "make_tcgen05mma_swizzled_layout",
    "make_volta_swizzled_layout",
    "make_wgmma_swizzled_layout",
    "packed_factors",
    "piece_factors",
    "runs",
    "thread",
    "unpacked_factors",
    "view_fragment",
    "view_layout",
]
