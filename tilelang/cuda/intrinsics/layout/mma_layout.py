"""Index maps of mma.sync and ldmatrix (PTX ISA, figures of the fragments): a tile's indices to (lane, register element) and back.

They compute with `+ * // % ^` alone, so that they take Python ints and expressions. A tile of 16 x 8 holds 32-bit elements,
one of 16 x 16 16-bit and one of 16 x 32 8-bit elements; B tiles are n x k, two m16n8 instructions side by side.
"""

from __future__ import annotations

from typing import Any

from tilelang.errors import LayoutError
from tilelang.language.dtypes import dtype as as_dtype
from tilelang.layout.user import make_mma_swizzle_layout

_CHUNK_BITS = 128  # ldmatrix moves rows of 16 bytes


def get_swizzle_layout(
    row_idx: Any, col_idx: Any, row_size: int, dtype: Any, swizzle_bytes: int | None = None
) -> tuple[Any, Any]:
    """Where the element (row, column) of a shared tile lies under the XOR swizzle of its 16-byte chunks.

    Parameters
    ----------
    row_idx, col_idx : int or Expr
    row_size : int
        Elements of a row: a multiple of 32 bytes.
    dtype : dtype
    swizzle_bytes : int, optional
        32, 64 or 128; by default the widest that a row holds.

    Returns
    -------
    (row, column)

    Raises
    ------
    LayoutError
        If rows are no multiple of the swizzle.

    Examples
    --------
    >>> T.get_swizzle_layout(3, 8, 64, "float16")
    (3, 16)
    """
    bits = as_dtype(dtype).bits
    row_bytes = row_size * bits // 8
    if row_bytes % 32:
        raise LayoutError(
            f"rows of {row_size} elements of {as_dtype(dtype)}, {row_bytes} bytes, are not swizzled", fix="32 bytes"
        )
    width = swizzle_bytes or next(w for w in (128, 64, 32) if row_bytes % w == 0)
    if width not in (32, 64, 128) or row_bytes % width:
        raise LayoutError(f"swizzle_bytes={width} of rows of {row_bytes} bytes", fix="32, 64 or 128, a divisor of a row")
    per_chunk, chunks = _CHUNK_BITS // bits, width // 16
    # The swizzle repeats after 1024, 512 or 256 bytes: eight chunks in the other direction.
    turn = row_idx * (row_bytes // width) // (8 // chunks) % chunks if chunks < 8 else row_idx % 8
    chunk = col_idx // per_chunk
    swizzled = chunk // chunks * chunks + (chunk % chunks ^ turn)
    return row_idx, swizzled * per_chunk + col_idx % per_chunk


def _fragment(row: Any, column: Any, packed: int) -> tuple[Any, Any]:
    """Lane and element of a 16-row operand with `packed` elements to a register."""
    lane = row % 8 * 4 + column % (4 * packed) // packed
    return lane, column // (4 * packed) * (2 * packed) + row // 8 * packed + column % packed


def a_place(thread_id: Any, local_id: Any, packed: int) -> tuple[Any, Any]:
    """Row and column of element `local_id` of a lane in a 16-row operand."""
    row = thread_id // 4 + local_id // packed % 2 * 8
    return row, local_id // (2 * packed) * (4 * packed) + thread_id % 4 * packed + local_id % packed


def _b_fragment(n: Any, k: Any, packed: int) -> tuple[Any, Any]:
    return n % 8 * 4 + k % (4 * packed) // packed, n // 8 * (2 * packed) + k // (4 * packed) * packed + k % packed


def b_place(thread_id: Any, local_id: Any, packed: int, registers: int = 2) -> tuple[Any, Any]:
    n = local_id // (registers * packed) * 8 + thread_id // 4
    return n, local_id // packed % registers * (4 * packed) + thread_id % 4 * packed + local_id % packed


def shared_16x8_to_mma_a_32x4_layout(i: Any, j: Any) -> tuple[Any, Any]:
    """Lane and element of (m, k) of A, 32-bit elements."""
    return _fragment(i, j, 1)


def shared_16x16_to_mma_a_32x8_layout(i: Any, j: Any) -> tuple[Any, Any]:
    """Lane and element of (m, k) of A, 16-bit elements."""
    return _fragment(i, j, 2)


def shared_16x32_to_mma_a_32x16_layout(i: Any, j: Any) -> tuple[Any, Any]:
    """Lane and element of (m, k) of A, 8-bit elements."""
    return _fragment(i, j, 4)


def shared_16x8_to_mma_b_32x4_layout(i: Any, j: Any) -> tuple[Any, Any]:
    """Lane and element of (n, k) of B, 32-bit elements."""
    return _b_fragment(i, j, 1)


def shared_16x16_to_mma_b_32x8_layout(i: Any, j: Any) -> tuple[Any, Any]:
    """Lane and element of (n, k) of B, 16-bit elements."""
    return _b_fragment(i, j, 2)


def shared_16x32_to_mma_b_32x16_layout(i: Any, j: Any) -> tuple[Any, Any]:
    """Lane and element of (n, k) of B, 8-bit elements."""
    return _b_fragment(i, j, 4)


def mma_load_a_32x4_to_shared_16x8_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(m, k) of an element of A, 32 bits."""
    return a_place(thread_id, local_id, 1)


def mma_load_a_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(m, k) of an element of A, 16 bits."""
    return a_place(thread_id, local_id, 2)


def mma_load_a_32x16_to_shared_16x32_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(m, k) of an element of A, 8 bits."""
    return a_place(thread_id, local_id, 4)


def mma_load_b_32x4_to_shared_16x8_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(n, k) of an element of B, 32 bits."""
    return b_place(thread_id, local_id, 1)


def mma_load_b_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(n, k) of an element of B, 16 bits."""
    return b_place(thread_id, local_id, 2)


def mma_load_b_32x16_to_shared_16x32_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(n, k) of an element of B, 8 bits."""
    return b_place(thread_id, local_id, 4)


def mma_store_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """(m, n) of an accumulator of two m16n8 instructions."""
    return local_id % 4 // 2 * 8 + thread_id // 4, local_id // 4 * 8 + thread_id % 4 * 2 + local_id % 2


mma_32x8_to_shared_16x16_layout = mma_store_32x8_to_shared_16x16_layout


def ldmatrix_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """The row that a lane gives to ldmatrix.x4 of a 16 x 16 tile of A, 16-bit elements (`local_id` along it)."""
    return thread_id % 16, thread_id // 16 * 8 + local_id % 8


def ldmatrix_trans_32x8_to_shared_16x16_layout(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """The same of B stored n x k, or of A stored k x m for ldmatrix.trans."""
    return thread_id // 16 * 8 + thread_id % 8, thread_id % 16 // 8 * 8 + local_id % 8


def ldmatrix_32x4_to_shared_16x8_layout_a(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """Rows for ldmatrix.x4 of a 16 x 8 tile of A, 32-bit elements."""
    return thread_id % 16, thread_id // 16 * 4 + local_id % 4


def ldmatrix_32x4_to_shared_16x8_layout_b(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """Rows for ldmatrix.x4 of a 16 x 8 tile of B stored n x k, 32-bit elements."""
    return thread_id // 16 * 8 + thread_id % 8, thread_id % 16 // 8 * 4 + local_id % 4


def ldmatrix_32x16_to_shared_16x32_layout_a(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """Rows for ldmatrix.x4 of a 16 x 32 tile of A, 8-bit elements."""
    return thread_id % 16, thread_id // 16 * 16 + local_id % 16


def ldmatrix_32x16_to_shared_16x32_layout_b(thread_id: Any, local_id: Any) -> tuple[Any, Any]:
    """Rows for ldmatrix.x4 of a 16 x 32 tile of B stored n x k, 8-bit elements."""
    return thread_id // 16 * 8 + thread_id % 8, thread_id % 16 // 8 * 16 + local_id % 16


__all__ = [
    "get_swizzle_layout",
    "make_mma_swizzle_layout",
    *(name for name in list(globals()) if "layout" in name and "mma_" in name or name.startswith("ldmatrix_")),
]
