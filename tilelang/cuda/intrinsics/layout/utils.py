"""What kernels that issue ldmatrix and mma by hand ask of the instructions."""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.layout import mma_layout as maps
from tilelang.errors import DTypeError, UnsupportedError
from tilelang.language.dtypes import dtype as as_dtype
from tilelang.language.matrix import mma_store_index_map

_A = {
    32: maps.ldmatrix_32x4_to_shared_16x8_layout_a,
    16: maps.ldmatrix_32x8_to_shared_16x16_layout,
    8: maps.ldmatrix_32x16_to_shared_16x32_layout_a,
}
_B = {
    32: maps.ldmatrix_32x4_to_shared_16x8_layout_b,
    16: maps.ldmatrix_trans_32x8_to_shared_16x16_layout,
    8: maps.ldmatrix_32x16_to_shared_16x32_layout_b,
}


def get_mma_micro_size(dtype: Any) -> tuple[int, int, int]:
    """m, n and k of the tile that TensorCoreIntrinEmitter multiplies at a time: 16, 16 and 32 bytes of elements.

    Examples
    --------
    >>> T.get_mma_micro_size("float16")
    (16, 16, 16)
    """
    kind = as_dtype(dtype)
    if kind.bits not in (8, 16, 32) or kind.lanes > 1:
        raise DTypeError(f"{kind} has no matrix instruction of 16 rows", fix="8-, 16- or 32-bit elements")
    return 16, 16, 256 // kind.bits


def get_ldmatrix_offset(
    matrix: str, row_idx: Any, col_idx: Any, stride: Any, dtype: Any = "float16", transposed: bool = False
) -> Any:
    """What a lane adds to the address of a 16 x 32-byte tile for ldmatrix.x4.

    Parameters
    ----------
    matrix : {"A", "B"}
    row_idx : int or Expr
        The lane.
    col_idx : int or Expr
        Along its row: 0.
    stride : int or Expr
        Elements from one row of the tile to the next.
    transposed : bool
        B stored n x k; A stored k x m, which is loaded with ldmatrix.trans (16-bit elements).

    Examples
    --------
    >>> offset = T.get_ldmatrix_offset("A", 17, 0, 32)
    """
    if matrix not in ("A", "B"):
        raise DTypeError(f"matrix={matrix!r}", fix='"A" or "B"')
    bits = as_dtype(dtype).bits
    if bits not in _A:
        raise DTypeError(f"ldmatrix of {as_dtype(dtype)}", fix="8-, 16- or 32-bit elements")
    if bits != 16 and transposed != (matrix == "B"):
        raise UnsupportedError(
            f"ldmatrix of {matrix} of {as_dtype(dtype)} whose other dimension is contiguous",
            fix="k contiguous, or 16-bit elements",
        )
    table = _B if transposed else _A
    row, column = table[bits](row_idx, col_idx)
    return row * stride + column


__all__ = ["get_ldmatrix_offset", "get_mma_micro_size", "mma_store_index_map"]
