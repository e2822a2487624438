"""Layouts of register tiles (`Fragment`), shared tiles (`SharedLayout`) and permuted tensors (`TensorLayout`)."""

from .fragment import Factor, Fragment, agree, covers, local, packed_factors, piece_factors, runs, thread, unpacked_factors
from .shared import MappedLayout, SharedLayout
from .tensor import TensorLayout
from .user import (
    fragment_from_function,
    make_full_bank_swizzled_layout,
    make_fully_replicated_layout_fragment,
    make_half_bank_swizzled_layout,
    make_linear_layout,
    make_quarter_bank_swizzled_layout,
    make_swizzled_layout,
    shared_from_function,
)
from .view import ReshapedLayout, view_fragment, view_layout

__all__ = [
    "Factor",
    "Fragment",
    "MappedLayout",
    "ReshapedLayout",
    "SharedLayout",
    "TensorLayout",
    "agree",
    "covers",
    "fragment_from_function",
    "local",
    "make_full_bank_swizzled_layout",
    "make_fully_replicated_layout_fragment",
    "make_half_bank_swizzled_layout",
    "make_linear_layout",
    "make_quarter_bank_swizzled_layout",
    "make_swizzled_layout",
    "packed_factors",
    "piece_factors",
    "runs",
    "shared_from_function",
    "thread",
    "unpacked_factors",
    "view_fragment",
    "view_layout",
]
