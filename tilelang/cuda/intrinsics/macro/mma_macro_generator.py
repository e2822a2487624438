"""TensorCoreIntrinEmitter: the products of a block by ldmatrix and mma.sync, one step along k at a time.

The block's tile is `block_row_warps x block_col_warps` warps, each of `warp_row_tiles x warp_col_tiles` elements, which it
multiplies in tiles of 16 x 16 (two m16n8 instructions side by side; 16 x 8 where `warp_col_tiles` is no multiple of 16). Each
thread keeps its part in arrays of T.alloc_local, tile after tile; or the block keeps it in fragments, which are then laid out so.
"""

from __future__ import annotations

from typing import Any

from tilelang.cuda.intrinsics.layout.mma_layout import a_place, b_place
from tilelang.cuda.intrinsics.macro.warp_tiles import WarpTiles
from tilelang.errors import SemanticError, UnsupportedError
from tilelang.language.buffer import Buffer, Region
from tilelang.language.emit import statement, whole
from tilelang.language.extern import Address
from tilelang.language.matrix import load_matrices, ready
from tilelang.language.pointers import matrix_at, unrolled
from tilelang.language.registers import call_on_registers
from tilelang.layout import Fragment
from tilelang.layout.fragment import local, thread

GROUP, MEMBER = thread(8, 4), thread(4, 1)


class TensorCoreIntrinEmitter(WarpTiles):
    """Emits ldmatrix, mma and the stores of a block's matrix product.

    Parameters
    ----------
    a_dtype, b_dtype, accum_dtype : dtype
        float16, bfloat16 and float32 (as tf32) with float32 accumulators, float16 with float16, int8 and uint8 with int32, 8-bit
        floats with float32.
    a_transposed : bool
        A is stored k x m.
    b_transposed : bool
        B is stored n x k.
    block_row_warps, block_col_warps : int
        Warps along m and n.
    warp_row_tiles, warp_col_tiles : int
        Elements of C along m and n of a warp: multiples of 16 and 8.
    chunk : int
        Extent along k of the shared tiles.
    reduce_k : int
        How many such tiles, one after the other along k, `rk` counts.
    num_elems_per_byte : int
        1: elements of less than a byte are unpacked first.
    is_m_first : bool
        Neighbouring warps share rows of C instead of columns.
    thread_var : Expr, optional
        The thread index; that of the launch by default.

    Raises
    ------
    UnsupportedError
        If no matrix instruction of a warp multiplies these dtypes.

    Examples
    --------
    >>> emitter = T.TensorCoreIntrinEmitter(a_dtype="float16", b_dtype="float16", accum_dtype="float32", b_transposed=True,
    ...     block_row_warps=2, block_col_warps=2, warp_row_tiles=32, warp_col_tiles=32, chunk=32)
    """

    # ------------------------------------------------------------------ loads

    def ldmatrix_a(self, A_local_buf: Any, A_shared_buf: Any, ki: Any, rk: Any = 0) -> None:
        """Load the warp's rows of A of step `ki` (of tile `rk`) into an array of `warp_rows * local_size_a` elements."""
        what = "ldmatrix_a"
        warp_m = self.extract_thread_binding(self.get_thread_binding())[2]
        k = (rk * self.chunk + ki * self.micro_size_k) // self.SPARSE_FACTOR

        def load(i: Any) -> None:
            m = warp_m * self.warp_row_tiles + i * self.M_DIM
            self._load("A", A_local_buf, i * self.local_size_a, A_shared_buf, m, k, self.M_DIM, self.a_transposed, what)

        unrolled((self.warp_rows,), load, what)

    def ldmatrix_b(self, B_local_buf: Any, B_shared_buf: Any, ki: Any, rk: Any = 0) -> None:
        """Load the warp's columns of B of step `ki` (of tile `rk`) into an array of `warp_cols * local_size_b` elements."""
        what = "ldmatrix_b"
        warp_n = self.extract_thread_binding(self.get_thread_binding())[1]
        k = rk * self.chunk + ki * self.micro_size_k

        def load(j: Any) -> None:
            n = warp_n * self.warp_col_tiles + j * self.n_dim
            self._load("B", B_local_buf, j * self.local_size_b, B_shared_buf, n, k, self.n_dim, not self.b_transposed, what)

        unrolled((self.warp_cols,), load, what)

    # ------------------------------------------------------------------ products

    @property
    def mma_num_inst_m(self) -> int:
        """Tiles of 16 rows of a warp."""
        return self.warp_rows

    @property
    def mma_num_inst_n(self) -> int:
        """Tiles of 16 (or 8) columns of a warp."""
        return self.warp_cols

    def mma(self, A_local_buf: Any, B_local_buf: Any, C_local_buf: Any, k_inner: Any = 0) -> None:
        """C += A @ B of one step along k; `k_inner` counts steps that A and B hold one after the other."""
        unrolled(
            (self.warp_rows, self.warp_cols),
            lambda i, j: self._product(A_local_buf, B_local_buf, C_local_buf, i, j, k_inner),
            "mma",
        )
        ready("mma")

    def mma_atom(
        self, A_local_buf: Any, B_local_buf: Any, C_local_buf: Any, inst_m_idx: Any, inst_n_idx: Any, k_inner: Any = 0
    ) -> None:
        """The products of one tile of C: `mma` is this for all tiles (i, j) of `mma_num_inst_m x mma_num_inst_n`."""
        self._product(A_local_buf, B_local_buf, C_local_buf, inst_m_idx, inst_n_idx, k_inner)
        ready("mma_atom")

    def _product(self, a: Any, b: Any, c: Any, i: Any, j: Any, k_inner: Any) -> None:
        a_at = (k_inner * self.warp_rows + i) * self.local_size_a
        b_at = (k_inner * self.warp_cols + j) * self.local_size_b
        c_at = (i * self.warp_cols + j) * self.local_size_out
        for half in range(self.n_dim // 8):
            operands = (
                self._registers(c, c_at + 4 * half, "C"),
                self._registers(a, a_at, "A"),
                self._registers(b, b_at + half * (self.local_size_b // (self.n_dim // 8)), "B"),
            )
            call_on_registers(f"tl.mma_{self.shape}", operands, "mma")

    # ------------------------------------------------------------------ results

    def stmatrix(self, C_local_buf: Any, C_buf: Any, pid_m: Any = None, pid_n: Any = None) -> None:
        """Store C.

        Parameters
        ----------
        C_local_buf : buffer
            The accumulators.
        C_buf : buffer
            The block's tile, m x n or (m / 16) x (n / 16) x 16 x 16; with `pid_m` and `pid_n` a tensor, of which the tile of
            that block is written.
        """
        what = "stmatrix"
        if not isinstance(C_buf, Buffer) or C_buf.ndim not in (2, 4):
            raise SemanticError(f"{what} into {C_buf!r}", fix="a buffer of two or four dimensions")
        if (pid_m is None) != (pid_n is None):
            raise SemanticError(f"{what} with pid_m={pid_m!r} and pid_n={pid_n!r}", fix="both, or neither")
        m, n = self._block_tile
        if C_buf.ndim == 4:
            expected = (m // self.M_DIM, n // self.n_dim, self.M_DIM, self.n_dim)
            if tuple(C_buf.shape) != expected or pid_m is not None:
                raise SemanticError(f"{what} into {C_buf.name} of shape {C_buf.shape}", fix=f"a shared tile of shape {expected}")
            target = whole(C_buf, what)
        else:
            row, column = (0, 0) if pid_m is None else (pid_m * m, pid_n * n)
            target = Region(C_buf, (row, column), (m, n), (False, False), False)
        array = whole(self._array(C_local_buf, "C", what), what)
        statement("tl.store_accumulators", (target, array), {"layout": self._store_layout}, what)

    @property
    def _b_registers(self) -> int:
        """32-bit registers of B's fragment of 8 columns."""
        return 2 * self.SPARSE_FACTOR

    @property
    def _block_tile(self) -> tuple[int, int]:
        return self.block_row_warps * self.warp_row_tiles, self.block_col_warps * self.warp_col_tiles

    def make_mma_load_layout(self, local_buf: Any, matrix: str = "A") -> Fragment:
        """The layout of a fragment that holds A (or B) of all steps along k, as `mma` reads it."""
        if matrix not in ("A", "B"):
            raise SemanticError(f"matrix={matrix!r}", fix='"A" or "B"')
        packed, (shape, k_axis) = self.packed, self._fragment_shape(local_buf, matrix)
        steps = shape[k_axis] * (self.SPARSE_FACTOR if matrix == "A" else 1) // self.micro_size_k
        if matrix == "A":
            tiles, size, warps = self.warp_rows, self.local_size_a, (self._warps_m, self._warps_n)
            other = (warps[0], local(tiles, size), local(2, packed), GROUP)
            along = (local(steps, tiles * size), local(2, 2 * packed), MEMBER, local(packed, 1))
        else:
            tiles, size, warps = self.warp_cols, self.local_size_b, (self._warps_n, self._warps_m)
            other = (warps[0], local(tiles, size), local(self.n_dim // 8, self._b_registers * packed), GROUP)
            along = (local(steps, tiles * size), local(self._b_registers, packed), MEMBER, local(packed, 1))
        dims = (along, other) if k_axis == 0 else (other, along)
        return Fragment(shape, tuple(kept(d) for d in dims), kept((warps[1],))).compacted()

    def make_mma_store_layout(self, local_buf: Any) -> Fragment:
        """The layout of a fragment that holds C, as `mma` leaves it."""
        shape = self._tile_shape(local_buf, "C")
        if shape != self._block_tile:
            raise SemanticError(
                f"C {local_buf.name} is {shape}, the block's tile {self._block_tile}", fix=f"allocate it as {self._block_tile}"
            )
        return self._store_layout

    @property
    def _store_layout(self) -> Fragment:
        size = self.local_size_out
        rows = (self._warps_m, local(self.warp_rows, self.warp_cols * size), local(2, 2), GROUP)
        columns = (self._warps_n, local(self.warp_cols, size), local(self.n_dim // 8, 4), MEMBER, local(2, 1))
        return Fragment(self._block_tile, (kept(rows), kept(columns))).compacted()

    def _fragment_layout(self, buffer: Buffer, letter: str) -> Fragment:
        return self.make_mma_store_layout(buffer) if letter == "C" else self.make_mma_load_layout(buffer, letter)

    def _load(
        self, letter: str, target: Any, at: Any, shared: Any, row: Any, k: Any, rows: int, k_outer: bool, what: str
    ) -> None:
        """One instruction tile of an operand, `rows` along m or n: by ldmatrix, or element by element where it cannot."""
        lane = self.extract_thread_binding(self.get_thread_binding())[0]
        if k_outer and self.bits != 16:
            array = self._array(target, letter, what)
            for e in range(self.local_size_a if letter == "A" else self.local_size_b):
                r, c = a_place(lane, e, self.packed) if letter == "A" else b_place(lane, e, self.packed, self._b_registers)
                array[at + e] = matrix_at(shared, k + c, row + r, what) if k_outer else matrix_at(shared, row + r, k + c, what)
            return
        if letter == "B" and rows == 16 and self._b_registers == 4:
            for n in range(2):
                self._load(letter, target, at + n * self.local_size_b // 2, shared, row + n * 8, k, 8, k_outer, what)
            return
        half, index, within = 128 // self.bits, lane // 8, lane % 8
        count = rows // 8 * (2 if letter == "A" else self._b_registers)
        # Matrices in the order of the registers: of A the two halves of rows first, of B the two halves of k.
        if letter == "A":
            upper, later = index % 2, index // 2
        else:
            upper, later = (index // self._b_registers if rows == 16 else 0), index % self._b_registers
        if k_outer:
            source = matrix_at(shared, k + later * 8 + within, row + upper * 8, what)
        else:
            source = matrix_at(shared, row + upper * 8 + within, k + later * half, what)
        load_matrices(None, k_outer, count, self._registers(target, at, letter), Address(source), what)


class TensorCoreIntrinEmitterWithLadderTransform(TensorCoreIntrinEmitter):
    """TensorCoreIntrinEmitter without layout transforms of its own: only kind 0, row-major tiles, is here.

    Raises
    ------
    UnsupportedError
        For a `transform_kind` other than 0: tiles whose elements were permuted beforehand.

    Examples
    --------
    >>> emitter = T.TensorCoreIntrinEmitterWithLadderTransform("float16", "float16", "float32", warp_row_tiles=16, chunk=32)
    """

    def __init__(self, *args: Any, transform_kind_a: Any = 0, transform_kind_b: Any = 0, **options: Any) -> None:
        for name, kind in (("transform_kind_a", transform_kind_a), ("transform_kind_b", transform_kind_b)):
            if int(kind) != 0:
                raise UnsupportedError(
                    f"{name}={kind!r}: operands that were permuted before the kernel", fix="0, with T.annotate_layout on the tile"
                )
        super().__init__(*args, **options)


def kept(factors: tuple[Any, ...]) -> tuple[Any, ...]:
    """The digits without those of extent 1."""
    return tuple(f for f in factors if f.extent > 1)


__all__ = ["TensorCoreIntrinEmitter", "TensorCoreIntrinEmitterWithLadderTransform"]
