"""SparseTensorCoreIntrinEmitter: products of a block with a 2:4 sparse A, by ldmatrix and mma.sp."""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.macro import mma_macro_generator as dense
from tilelang.cuda.intrinsics.sparse_layout import get_e_factor
from tilelang.errors import DTypeError, UnsupportedError
from tilelang.language.bits import bitwise_and, bitwise_or, shift_left, shift_right
from tilelang.language.buffer import Element
from tilelang.language.dtypes import dtype
from tilelang.language.expr import convert
from tilelang.language.matrix import packed_word, ready
from tilelang.language.pointers import LOCAL, matrix_at, pointer, unrolled
from tilelang.language.registers import call_on_registers

_WORDS = (8, 16, 32)


class SparseTensorCoreIntrinEmitter(dense.TensorCoreIntrinEmitter):
    """TensorCoreIntrinEmitter with a 2:4 sparse A: its tile holds the kept half, and E what was kept.

    Parameters
    ----------
    a_dtype, b_dtype, accum_dtype, a_transposed, b_transposed
        As of TensorCoreIntrinEmitter.
    e_dtype : dtype
        Of the metadata, integers of 8, 16 or 32 bits: row-major words as `tilelang.utils.sparse.compress` makes them.
    e_transposed : bool
        E is stored words x m.
    block_row_warps, block_col_warps, warp_row_tiles, warp_col_tiles
        As of TensorCoreIntrinEmitter.
    warp_k : int
        Extent along k of B's shared tile; A's has half as many elements, E's one for each `e_factor` of them.
    reduce_k, num_elems_per_byte, is_m_first, thread_var
        As of TensorCoreIntrinEmitter.

    Attributes
    ----------
    e_factor : int
        Elements along k that one word of E describes.
    local_size_e : int
        Words of E that a lane holds of a tile of 16 rows.

    Raises
    ------
    UnsupportedError
        If no sparse matrix instruction multiplies these dtypes.

    Examples
    --------
    >>> emitter = T.SparseTensorCoreIntrinEmitter(a_dtype="float16", e_dtype="int16", b_dtype="float16", accum_dtype="float32",
    ...     b_transposed=True, block_row_warps=2, block_col_warps=2, warp_row_tiles=32, warp_col_tiles=32, warp_k=64)
    """

    SPARSE_FACTOR = 2
    SPARSE_SELECTOR = 0

    def __init__(
        self,
        a_dtype: Any = "float16",
        e_dtype: Any = "uint8",
        b_dtype: Any = "float16",
        accum_dtype: Any = "float16",
        a_transposed: bool = False,
        b_transposed: bool = False,
        e_transposed: bool = False,
        block_row_warps: int = 2,
        block_col_warps: int = 2,
        warp_row_tiles: int = 8,
        warp_col_tiles: int = 8,
        warp_k: int = 16,
        reduce_k: int = 1,
        num_elems_per_byte: int = 1,
        is_m_first: bool = False,
        thread_var: Any = None,
    ) -> None:
        self.e_dtype, self.e_transposed, self.warp_k = dtype(e_dtype), bool(e_transposed), int(warp_k)
        if not self.e_dtype.is_int or self.e_dtype.bits not in _WORDS:
            raise DTypeError(f"e_dtype={self.e_dtype}", fix="an integer of 8, 16 or 32 bits")
        types, transposed = (a_dtype, b_dtype, accum_dtype), (a_transposed, b_transposed)
        warps, tiles = (block_row_warps, block_col_warps), (warp_row_tiles, warp_col_tiles)
        super().__init__(
            *types,
            *transposed,
            *warps,
            *tiles,
            warp_k,
            reduce_k,
            num_elems_per_byte,
            is_m_first=is_m_first,
            thread_var=thread_var,
        )
        self.e_factor = get_e_factor(self.a_dtype, self.e_dtype)
        self.local_size_e = 32 // self.e_dtype.bits

    def ldmatrix_e(self, E_local_buf: Any, E_shared_buf: Any, ki: Any, rk: Any = 0) -> None:
        """Load the metadata of the warp's rows of step `ki` (of tile `rk`) into `warp_rows * local_size_e` words."""
        warp_m = self.extract_thread_binding(self.get_thread_binding())[2]
        step = rk * (self.chunk // self.micro_size_k) + ki

        def load(i: Any) -> None:
            row = warp_m * self.warp_row_tiles + i * self.M_DIM
            self._load_metadata(E_local_buf, i * self.local_size_e, E_shared_buf, row, step, "ldmatrix_e")

        unrolled((self.warp_rows,), load, "ldmatrix_e")

    def mma_sp(self, A_local_buf: Any, E_local_buf: Any, B_local_buf: Any, C_local_buf: Any, k_inner: Any = 0) -> None:
        """C += A @ B of one step along k; `k_inner` counts steps that A, E and B hold one after the other."""

        def product(i: Any, j: Any) -> None:
            tile = k_inner * self.warp_rows + i
            for half in range(self.n_dim // 8):
                c_at = (i * self.warp_cols + j) * self.local_size_out + 4 * half
                b_at = (k_inner * self.warp_cols + j) * self.local_size_b + half * self._b_registers * self.packed
                word = self._word(E_local_buf, tile * self.local_size_e, "mma_sp")
                a = self._registers(A_local_buf, tile * self.local_size_a, "A")
                operands = self._registers(C_local_buf, c_at, "C"), a, self._registers(B_local_buf, b_at, "B"), word
                selector = {"template": [str(self.SPARSE_SELECTOR)]}
                call_on_registers(f"tl.mma_sp_{self.shape}", operands, "mma_sp", selector)

        unrolled((self.warp_rows, self.warp_cols), product, "mma_sp")
        ready("mma_sp")

    def mma(self, *operands: Any, **options: Any) -> None:
        """A sparse product has metadata: see `mma_sp`."""
        raise UnsupportedError(f"mma of a {type(self).__name__}: its A is sparse", fix="mma_sp(A, E, B, C)")

    mma_atom = mma

    def _word(self, array: Any, at: Any, what: str) -> Any:
        element = pointer(array, at, f"E of {what}", LOCAL).element
        if element.dtype != self.e_dtype:
            raise DTypeError(f"E {element.buffer.name} is {element.dtype}, the emitter's is {self.e_dtype}", fix="the same dtype")
        return packed_word(element, what)

    def _load_metadata(self, target: Any, at: Any, shared: Any, row: Any, step: Any, what: str) -> None:
        """The words that this lane passes to the instruction of 16 rows from `row` (PTX ISA, "Sparse matrix storage")."""
        lane = self.extract_thread_binding(self.get_thread_binding())[0]
        group, member, width = lane // 4, lane % 4, self.e_dtype.bits
        address = pointer(target, at, f"E of {what}", LOCAL)
        for found in (address.element.dtype, matrix_at(shared, 0, 0, what).dtype):
            if found != self.e_dtype:
                raise DTypeError(f"metadata of {what} is {found}, the emitter's {self.e_dtype}", fix=f"make it {self.e_dtype}")

        def word(line: Any, index: Any) -> Element:
            return matrix_at(shared, index, line, what) if self.e_transposed else matrix_at(shared, line, index, what)

        pieces: list[Any]
        if self.bits == 8:
            pieces = [
                word(row + group + member % 2 * 8, (step * 2 + member // 2) * (32 // width) + i) for i in range(32 // width)
            ]
        elif width < 32:
            count = 16 // width
            pieces = [
                word(row + group + half * 8, (step * 2 + member % 2) * count + i) for half in range(2) for i in range(count)
            ]
        else:  # a word has both halves of a row's 32 bits: take this thread's of either row
            bits = convert(member % 2 * 16, dtype("uint32"))
            low, high = (
                bitwise_and(shift_right(convert(word(row + group + half * 8, step), dtype("uint32")), bits), 0xFFFF)
                for half in range(2)
            )
            pieces = [convert(bitwise_or(low, shift_left(high, 16)), self.e_dtype)]
        for i, value in enumerate(pieces):
            place = pointer(address, i, what).element
            place.buffer[place.indices] = value


__all__ = ["SparseTensorCoreIntrinEmitter"]
