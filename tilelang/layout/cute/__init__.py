"""CuTe's layouts in Python: nested shapes and strides, and their algebra, for programs that plan tiles with it.

T.annotate_layout gives a tile one; `index_map()` is the same as T.Layout.
"""

from __future__ import annotations

from .algebra import ComposedLayout, coalesce, composition, right_inverse
from .int_tuple import E, ScaledBasis, flatten_to_tuple, from_python, product, to_python
from .layout import (
    Layout,
    flatten,
    make_column_major_layout,
    make_identity_layout,
    make_layout,
    make_row_major_layout,
    rank,
    size,
)
from .swizzle import Swizzle

__all__ = [
    "ComposedLayout",
    "E",
    "Layout",
    "ScaledBasis",
    "Swizzle",
    "coalesce",
    "composition",
    "flatten",
    "flatten_to_tuple",
    "from_python",
    "make_column_major_layout",
    "make_identity_layout",
    "make_layout",
    "make_row_major_layout",
    "product",
    "rank",
    "right_inverse",
    "size",
    "to_python",
]
