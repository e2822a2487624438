"""Orders of the metadata words of 2:4 sparse matrices, other than row-major."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, ShapeError, UnsupportedError
from .index_map import Layout


class CutlassMetadataLayout(Layout):
    """The order of the words of a sparse matrix of `element_bits`."""

    def __init__(self, shape: Any, element_bits: int, word_bits: int) -> None:
        rows = cutlass_rows(word_bits)
        super().__init__(shape, lambda i, j: cutlass_place(i, j, rows), word_bits)
        self.element_bits = element_bits

    def with_bits(self, bits: int) -> CutlassMetadataLayout:
        return CutlassMetadataLayout(self.shape, self.element_bits, bits)


def make_cutlass_metadata_layout(buffer: Any, mma_dtype: Any = "float16", arch: Any = None, **options: Any) -> Layout:
    """The order of metadata words that CUTLASS and torch.sparse make for sm_80 and later: for T.annotate_layout of T.gemm_sp's E.

    Blocks of 32 rows of int16 words (16 rows of int32 words) are reordered so that the rows g, g + 8, ... of an instruction
    are neighbours, 2 x 2 words are transposed, and the words are stored in pairs of columns. What
    `tilelang.utils.sparse.compress` makes is row-major unless it is asked for an `arch`; it needs no annotation.

    Parameters
    ----------
    buffer : buffer of int16 or int32, shape (M, words)
        M a multiple of 32 (int16) or 16 (int32), an even number of words. int16 belongs to 16- and 32-bit elements, int32 to
        those of 8 bits.
    mma_dtype : str
        dtype of the sparse matrix.
    arch : str
        Compute capability of the compressor: "8.0", "8.6", "8.9" or "sm_80" ...
    **options
        `block_k` is accepted: the order does not depend on it.

    Raises
    ------
    UnsupportedError
        For CUTLASS's sm_90 compressor, whose order is another one.

    Examples
    --------
    >>> T.annotate_layout({E: tilelang.layout.make_cutlass_metadata_layout(E, mma_dtype="float16", arch="8.0")})
    """
    from .. import ir
    from ..tileop.base import dtype_bits

    if set(options) - {"block_k", "backend"}:
        raise UnsupportedError(f"make_cutlass_metadata_layout has no option {', '.join(options)}", fix="mma_dtype, arch, block_k")
    check_cutlass_arch(arch)
    node = getattr(buffer, "node", buffer)
    shape, word = ir.static_shape(node), ir.buffer_dtype(node)
    needed = cutlass_word(dtype_bits(str(mma_dtype)))
    if word.removeprefix("u") != needed:
        raise DTypeError(
            f"CUTLASS's metadata of {mma_dtype} is {needed}, {getattr(buffer, 'name', 'the buffer')} is {word}",
            fix=f"make it {needed}",
        )
    rows = cutlass_rows(dtype_bits(word))
    if len(shape) != 2 or shape[0] % rows or shape[1] % 2:
        raise ShapeError(
            f"metadata of shape {shape} has no CUTLASS order", fix=f"rows in multiples of {rows}, an even number of {word} words"
        )
    return CutlassMetadataLayout(shape, dtype_bits(str(mma_dtype)), dtype_bits(word))


def check_cutlass_arch(arch: Any) -> None:
    """Refuse compressors whose order of words is not known here."""
    number = "".join(c for c in str(arch) if c.isdigit())
    if arch is None or not number:
        raise UnsupportedError(
            f"arch={arch!r}: CUTLASS orders metadata differently for sm_80 and for sm_90",
            fix='arch="8.0"; row-major metadata needs no annotation',
        )
    if not number.startswith("8"):
        raise UnsupportedError(
            f"the order of metadata of CUTLASS's compressor for arch {arch} is not in this version",
            fix="tilelang.utils.sparse.compress without arch: T.gemm_sp takes row-major metadata on every target, not annotated",
        )


def cutlass_word(element_bits: int) -> str:
    """The dtype of CUTLASS's metadata words."""
    return "int32" if element_bits == 8 else "int16"


def cutlass_rows(word_bits: int) -> int:
    """Rows that are reordered together."""
    return 32 if word_bits == 16 else 16


def cutlass_place(i: Any, j: Any, rows: int) -> tuple[Any, Any, Any]:
    """Pair of columns, row and column in the pair of the word (i, j)."""
    row = i // rows * rows + i % 8 * (rows // 8) + i % rows // 8
    # Of 2 x 2 words the one above right and the one below left change places.
    return j // 2, row // 2 * 2 + j % 2, row % 2
