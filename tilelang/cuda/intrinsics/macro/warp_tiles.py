"""How emitters of matrix instructions divide a block's tile over warps, and what a lane holds of it."""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.layout.utils import mma_store_index_map
from tilelang.errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from tilelang.language.buffer import Buffer
from tilelang.language.dtypes import dtype
from tilelang.language.expr import as_expr, binary
from tilelang.language.extern import Address
from tilelang.language.pointers import LOCAL, pointer
from tilelang.language.registers import Registers
from tilelang.language.warp import linear_thread
from tilelang.layout import Factor, Fragment
from tilelang.layout.fragment import thread

_ABBREVIATIONS = {
    "float16": "fp16",
    "bfloat16": "bf16",
    "float32": "fp32",
    "float64": "fp64",
    "int8": "int8",
    "uint8": "uint8",
    "int32": "int32",
    "float8_e4m3fn": "e4m3",
    "float8_e5m2": "e5m2",
}
_PRODUCTS = {
    "float16": ("float32", "float16"),
    "bfloat16": ("float32",),
    "float32": ("float32",),
    "int8": ("int32",),
    "uint8": ("int32",),
    "float8_e4m3fn": ("float32",),
    "float8_e5m2": ("float32",),
}


class WarpTiles:
    """The partition of an emitter; see TensorCoreIntrinEmitter for its parameters.

    Attributes
    ----------
    micro_size_x, micro_size_y, micro_size_k : int
        m, n and k of the tile that is multiplied at a time.
    local_size_a, local_size_b, local_size_out : int
        Elements of such a tile that a lane holds.
    warp_rows, warp_cols : int
        Such tiles of a warp along m and n.
    threads : int
        Of the block.
    """

    M_DIM = 16
    n_dim = 16
    WARP_SIZE = 32
    SPARSE_FACTOR = 1
    dtype_abbrv = _ABBREVIATIONS

    def __init__(
        self,
        a_dtype: Any = "float16",
        b_dtype: Any = "float16",
        accum_dtype: Any = "float16",
        a_transposed: bool = False,
        b_transposed: bool = False,
        block_row_warps: int = 2,
        block_col_warps: int = 2,
        warp_row_tiles: int = 8,
        warp_col_tiles: int = 8,
        chunk: int = 16,
        reduce_k: int = 1,
        num_elems_per_byte: int = 1,
        is_m_first: bool | None = False,
        thread_var: Any = None,
    ) -> None:
        self.a_dtype, self.b_dtype, self.accum_dtype = dtype(a_dtype), dtype(b_dtype), dtype(accum_dtype)
        self.a_transposed, self.b_transposed = bool(a_transposed), bool(b_transposed)
        self.block_row_warps, self.block_col_warps = int(block_row_warps), int(block_col_warps)
        self.warp_row_tiles, self.warp_col_tiles = int(warp_row_tiles), int(warp_col_tiles)
        self.chunk, self.reduce_k, self.num_elems_per_byte = int(chunk), int(reduce_k), int(num_elems_per_byte)
        self.is_m_first, self.thread_var = bool(is_m_first), thread_var
        self._check_types()
        self.bits = self.a_dtype.bits
        self.packed = 32 // self.bits  # elements of a register
        self.threads = self.WARP_SIZE * self.block_row_warps * self.block_col_warps * self.reduce_k
        self.micro_size_k = self.SPARSE_FACTOR * 256 // self.bits
        self._check_shape()

    def _check_types(self) -> None:
        a, b, c = str(self.a_dtype), str(self.b_dtype), str(self.accum_dtype)
        both8 = self.a_dtype.bits == self.b_dtype.bits == 8 and self.a_dtype.is_float == self.b_dtype.is_float
        if a not in _PRODUCTS or c not in _PRODUCTS[a] or not (a == b or both8):
            known = "; ".join(f"{t} into {' or '.join(into)}" for t, into in _PRODUCTS.items())
            raise UnsupportedError(f"{type(self).__name__}: no matrix instruction of a warp for {a} x {b} -> {c}", fix=known)
        if self.num_elems_per_byte != 1:
            raise UnsupportedError(f"num_elems_per_byte={self.num_elems_per_byte}", fix="unpack the elements to bytes first")

    def _check_shape(self) -> None:
        self.n_dim = 16 if self.warp_col_tiles % 16 == 0 else 8
        bad = [
            f"{name}={value}"
            for name, value, step in (
                ("warp_row_tiles", self.warp_row_tiles, self.M_DIM),
                ("warp_col_tiles", self.warp_col_tiles, self.n_dim),
                ("chunk" if self.SPARSE_FACTOR == 1 else "warp_k", self.chunk, self.micro_size_k),
            )
            if value < 1 or value % step
        ]
        if bad:
            raise ShapeError(
                f"{type(self).__name__} with {', '.join(bad)}",
                fix=f"multiples of 16 rows, 8 columns and {self.micro_size_k} along k ({self.a_dtype})",
            )
        self.warp_rows, self.warp_cols = self.warp_row_tiles // self.M_DIM, self.warp_col_tiles // self.n_dim
        self.micro_size_x, self.micro_size_y, self.k_dim = self.M_DIM, self.n_dim, self.micro_size_k
        self.local_size_a = self.M_DIM * self.micro_size_k // self.SPARSE_FACTOR // self.WARP_SIZE
        self.local_size_b = self.n_dim * self.micro_size_k // self.WARP_SIZE
        self.local_size_out = self.M_DIM * self.n_dim // self.WARP_SIZE

    @property
    def shape(self) -> str:
        """The instruction's shape."""
        return f"m16n8k{self.micro_size_k}"

    # ------------------------------------------------------------------ threads

    def get_thread_binding(self) -> Any:
        """The linear thread index."""
        return linear_thread() if self.thread_var is None else as_expr(self.thread_var)

    def get_store_index_map(self, inverse: bool = False) -> Any:
        """The function (lane, element) -> (row, column) of an accumulator in a tile of 16 x `n_dim`; or back, with `inverse`."""
        if not inverse:
            return mma_store_index_map

        def back(i: Any, j: Any) -> tuple[Any, Any]:
            return i % 8 * 4 + j % 8 // 2, j // 8 * 4 + i // 8 * 2 + j % 2

        return back

    def extract_thread_binding(self, thread_id: Any, is_m_first: bool | None = None) -> tuple[Any, Any, Any]:
        """Lane, and the warp's place along n and along m."""
        m_first = self.is_m_first if is_m_first is None else is_m_first
        warp = binary("floordiv", thread_id, self.WARP_SIZE)
        rows, columns = self.block_row_warps, self.block_col_warps
        if m_first:
            warp_n = binary("floormod", warp, columns)
            warp_m = binary("floormod", binary("floordiv", warp, columns), rows)
        else:
            warp_m = binary("floormod", warp, rows)
            warp_n = binary("floormod", binary("floordiv", warp, rows), columns)
        return binary("floormod", thread_id, self.WARP_SIZE), warp_n, warp_m

    @property
    def _warps_m(self) -> Factor:
        return thread(self.block_row_warps, 32 * (self.block_col_warps if self.is_m_first else 1))

    @property
    def _warps_n(self) -> Factor:
        return thread(self.block_col_warps, 32 * (1 if self.is_m_first else self.block_row_warps))

    # ------------------------------------------------------------------ registers

    def _fragment_layout(self, buffer: Buffer, letter: str) -> Fragment:
        raise NotImplementedError

    def _registers(self, array: Any, offset: Any, letter: str) -> Registers:
        """An operand's registers, checked for its dtype; a fragment with the layout that it must have."""
        found = Registers.of(array, offset, f"{letter} of {type(self).__name__}")
        expected = {"A": self.a_dtype, "B": self.b_dtype, "C": self.accum_dtype}[letter]
        if found.dtype != expected:
            raise DTypeError(
                f"{letter} {found.buffer.name} is {found.dtype}, the emitter's is {expected}", fix=f"make it {expected}"
            )
        if found.is_fragment:
            return Registers(found.buffer, offset, self._fragment_layout(found.buffer, letter))
        return found

    def _array(self, array: Any, letter: str, what: str) -> Buffer:
        """An operand that must be an array of the thread's own."""
        address: Address = pointer(array, 0, f"{letter} of {what}", LOCAL)
        if address.element.buffer.ndim != 1:
            raise ShapeError(f"{letter} of {what} is {address.element.buffer}", fix="an array of one dimension")
        return address.element.buffer

    def _tile_shape(self, buffer: Any, letter: str) -> tuple[int, ...]:
        if not isinstance(buffer, Buffer) or buffer.scope() != "local.fragment":
            raise SemanticError(f"{letter} is {buffer!r}, no fragment", fix="T.alloc_fragment")
        return tuple(int(n) for n in buffer.shape)

    def _fragment_shape(self, buffer: Any, letter: str) -> tuple[tuple[int, ...], int]:
        """The shape of A's or B's fragment, and its axis along k."""
        shape = self._tile_shape(buffer, letter)
        k_axis = int(self.a_transposed) ^ 1 if letter == "A" else int(self.b_transposed)
        other = self.block_row_warps * self.warp_row_tiles if letter == "A" else self.block_col_warps * self.warp_col_tiles
        step = self.micro_size_k // (self.SPARSE_FACTOR if letter == "A" else 1)
        if len(shape) != 2 or shape[1 - k_axis] != other or shape[k_axis] % step:
            raise ShapeError(f"{letter} {buffer.name} is {shape}", fix=f"{other} elements, and a multiple of {step} along k")
        return shape, k_axis
