"""Matrices of a warp under TVM's names: T.tvm_fill_fragment, T.tvm_load_matrix_sync, T.tvm_mma_sync, T.tvm_store_matrix_sync.

A buffer of scope wmma.matrix_a, wmma.matrix_b or wmma.accumulator holds matrices, one after the other; which lane has which
element is nobody's concern but these functions'. Here it is what mma.sync wants (PTX ISA, "mma"): with lane = 4 g + t, 16 rows of
the row operand by 32 bytes of K, 8 columns of the column operand, 16 x 8 accumulators. Where M is 8 the operands change places.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from .buffer import Buffer, BufferData
from .dtypes import dtype
from .emit import alloc, statement
from .expr import Expr, as_expr
from .extern import Address
from .matrix import load_matrices, ready
from .pointers import SHARED, pointer, unrolled
from .registers import Registers
from .shape import as_shape, static
from .warp import linear_thread

SCOPES = {"wmma.matrix_a": "A", "wmma.matrix_b": "B", "wmma.accumulator": "C"}
_LANES = 32
# (M, N, K) of each dtype of A and B, and the dtypes of accumulators.
_SIXTEEN = ((16, 16, 16), (32, 8, 16), (8, 32, 16))
_TABLE: dict[str, tuple[tuple[tuple[int, int, int], ...], tuple[str, ...]]] = {
    "float16": (_SIXTEEN, ("float32", "float16")),
    "bfloat16": (_SIXTEEN, ("float32",)),
    "int8": (_SIXTEEN, ("int32",)),
    "uint8": (_SIXTEEN, ("int32",)),
    "float32": (((16, 16, 8),), ("float32",)),
    "float64": (((8, 8, 4),), ("float64",)),
}
_INSTRUCTIONS = {8: "m16n8k32", 16: "m16n8k16", 32: "m16n8k8", 64: "m8n8k4"}


@dataclass(frozen=True)
class Place:
    """Where a lane's elements of a matrix are: `rows` x `columns`, which is M x K, N x K or, of accumulators, M x N.

    Attributes
    ----------
    operand : str
        "row" (16 rows at a time), "column" (8 at a time) or "sum".
    bits : int
        Of an element.
    flipped : bool
        Accumulators of exchanged operands: rows are N.
    """

    rows: int
    columns: int
    operand: str
    bits: int
    flipped: bool = False

    @property
    def count(self) -> int:
        """Elements of a lane."""
        return self.rows * self.columns // _LANES

    def element(self, lane: Any, i: Any) -> tuple[Any, Any]:
        """Row and column of a lane's element `i`."""
        g, t = lane // 4, lane % 4
        if self.bits == 64 and self.operand != "sum":
            return g, t
        if self.operand == "sum":
            tiles = self.columns // 8
            if self.rows == 8:
                return g, t * 2 + i
            return i // (4 * tiles) * 16 + i % 4 // 2 * 8 + g, i // 4 % tiles * 8 + t * 2 + i % 2
        packed = 32 // self.bits
        registers = self.columns // (4 * packed)  # along K
        k = i // packed
        if self.operand == "row":
            return i // (2 * packed * registers) * 16 + k % 2 * 8 + g, k // 2 % registers * (4 * packed) + t * packed + i % packed
        return i // (packed * registers) * 8 + g, k % registers * (4 * packed) + t * packed + i % packed


class WarpMatrices(Buffer):
    """A buffer of scope wmma.*: a thread's array of its part of each matrix; `shape_mnk` is known from the first use on."""

    letter: str
    shape_mnk: tuple[int, int, int] | None

    @property
    def place(self) -> Place:
        """Where its elements are; every use says the shape first."""
        assert self.shape_mnk is not None
        m, n, k = self.shape_mnk
        flipped, bits = m == 8 and n == 32, self.dtype.bits
        if self.letter == "C":
            return Place(n if flipped else m, m if flipped else n, "sum", bits, flipped)
        return Place(m if self.letter == "A" else n, k, "row" if (self.letter == "A") != flipped else "column", bits)


def alloc_matrices(shape: Any, of: Any, scope: str) -> WarpMatrices:
    """The buffer of a scope of `SCOPES`; `shape` counts the elements that the warp holds together."""
    total = 1
    for extent in static(as_shape(shape, f"a buffer in {scope}"), f"a buffer in {scope}"):
        total *= extent
    kind = dtype(of)
    if total % _LANES:
        raise ShapeError(f"{total} elements in {scope}", fix="whole matrices: 256 elements for 16 x 16")
    made = alloc("matrices", (total // _LANES,), kind, "local", f"T.alloc_buffer in {scope}")
    made.__class__ = WarpMatrices
    made.letter, made.shape_mnk = SCOPES[scope], None  # type: ignore[attr-defined]
    return made  # type: ignore[return-value]


def tvm_fill_fragment(fragment: Any, m: int, n: int, k: int, index: Any, value: Any) -> None:
    """Set all elements of a matrix.

    Parameters
    ----------
    fragment : buffer of scope wmma.*, or its `.data`
        T.alloc_buffer((256,), "float32", scope="wmma.accumulator").
    m, n, k : int
        The product's shape: 16 x 16 x 16, 32 x 8 x 16 or 8 x 32 x 16 of 16-bit floats and 8-bit integers, 16 x 16 x 8 of
        float32 (as tf32), 8 x 8 x 4 of float64.
    index : int or Expr
        Which of the buffer's matrices.
    value : number or Expr

    Examples
    --------
    >>> T.tvm_fill_fragment(wmma_c.data, 16, 16, 16, 0, 0.0)
    """
    what = "T.tvm_fill_fragment"
    held = _matrices(fragment, (m, n, k), what)
    first = _first(held, index)
    unrolled((held.place.count,), lambda i: pointer(held, first + i, what).element.store(value), what)


def tvm_load_matrix_sync(fragment: Any, m: int, n: int, k: int, index: Any, buffer_ptr: Any, stride: Any, layout: str) -> None:
    """Load a matrix from shared or global memory, all lanes of a warp together.

    Parameters
    ----------
    fragment, m, n, k, index
        As of T.tvm_fill_fragment.
    buffer_ptr : address, buffer or data
        Of the matrix's first element, aligned to 16 bytes.
    stride : int or Expr
        Elements from one row (of "col_major" one column) to the next.
    layout : str
        "row_major" or "col_major": how the matrix lies in memory, A as M x K, B as K x N.

    Examples
    --------
    >>> T.tvm_load_matrix_sync(wmma_a.data, 16, 16, 16, 0, T.address_of(A_s[0, 0]), 64, "row_major")
    """
    what = "T.tvm_load_matrix_sync"
    held = _matrices(fragment, (m, n, k), what)
    source = pointer(buffer_ptr, 0, f"the source of {what}", (*SHARED, "global"))
    if source.element.dtype != held.dtype:
        raise DTypeError(
            f"{what} from {source.element.buffer.name} of {source.element.dtype} to {held.name} of {held.dtype}", fix="one dtype"
        )
    contiguous = _along(held, layout, what)
    first = _first(held, index)
    by_ldmatrix = held.letter != "C" and held.dtype.bits == 16 and source.element.buffer.scope() in SHARED
    if by_ldmatrix and isinstance(stride, int) and stride % 8 == 0:
        _load_by_ldmatrix(held, first, source, stride, contiguous, what)
        return
    lane = linear_thread() % _LANES

    def load(i: Any) -> None:
        row, column = held.place.element(lane, i)
        at = row * stride + column if contiguous else column * stride + row
        pointer(held, first + i, what).element.store(pointer(source, at, what).element)

    unrolled((held.place.count,), load, what)


def tvm_mma_sync(
    fragment_d: Any,
    index_d: Any,
    fragment_a: Any,
    index_a: Any,
    fragment_b: Any,
    index_b: Any,
    fragment_c: Any,
    index_c: Any,
) -> None:
    """D = A @ B + C of a warp's matrices, by mma.sync.

    Examples
    --------
    >>> T.tvm_mma_sync(wmma_c.data, 0, wmma_a.data, 0, wmma_b.data, 0, wmma_c.data, 0)
    """
    what = "T.tvm_mma_sync"
    d, a, b, c = (
        _known(f, letter, name, what) for f, letter, name in zip((fragment_d, fragment_a, fragment_b, fragment_c), "CABC", "DABC")
    )
    shapes = {x.shape_mnk for x in (a, b, c) if x.shape_mnk is not None}
    if d.shape_mnk is None:
        d.shape_mnk = c.shape_mnk
    if len({*shapes, d.shape_mnk}) != 1:
        raise ShapeError(f"{what} of matrices of shapes {', '.join(str(x.shape_mnk) for x in (d, a, b, c))}", fix="one m, n, k")
    mixed = a.dtype.bits == b.dtype.bits == 8
    if not (a.dtype == b.dtype or mixed) or str(c.dtype) not in _TABLE[str(a.dtype)][1] or d.dtype != c.dtype:
        known = "; ".join(f"{t} into {' or '.join(into)}" for t, (_, into) in _TABLE.items())
        raise DTypeError(f"{what} of {a.dtype} x {b.dtype} + {c.dtype} -> {d.dtype}", fix=known)
    into, sums = _first(d, index_d), _first(c, index_c)
    same = d.node is c.node and isinstance(into, int) and into == sums
    if not same:
        unrolled((d.place.count,), lambda i: pointer(d, into + i, what).element.store(pointer(c, sums + i, what).element), what)
    left, right = (a, index_a), (b, index_b)
    if d.place.flipped:
        left, right = right, left
    _multiply(d, into, (left[0], _first(*left)), (right[0], _first(*right)), what)
    ready(what)


def tvm_store_matrix_sync(fragment: Any, m: int, n: int, k: int, index: Any, buffer_ptr: Any, stride: Any, layout: str) -> None:
    """Store an accumulator to shared or global memory; parameters are those of T.tvm_load_matrix_sync.

    Examples
    --------
    >>> T.tvm_store_matrix_sync(wmma_c.data, 16, 16, 16, 0, T.address_of(C_s[0, 0]), 64, "row_major")
    """
    what = "T.tvm_store_matrix_sync"
    held = _matrices(fragment, (m, n, k), what)
    target = pointer(buffer_ptr, 0, f"the target of {what}", (*SHARED, "global"))
    contiguous, first, lane = _along(held, layout, what), _first(held, index), linear_thread() % _LANES

    def store(i: Any) -> None:
        row, column = held.place.element(lane, i)
        at = row * stride + column if contiguous else column * stride + row
        pointer(target, at, what).element.store(pointer(held, first + i, what).element)

    unrolled((held.place.count,), store, what)


def _matrices(fragment: Any, shape: tuple[Any, Any, Any], what: str) -> WarpMatrices:
    """The buffer, whose matrices are of a product of `shape`."""
    held = _buffer(fragment, what)
    given = tuple(x.constant() if isinstance(x, Expr) else x for x in shape)
    kinds = [str(held.dtype)] if held.letter != "C" else [t for t, (_, into) in _TABLE.items() if str(held.dtype) in into]
    legal = [s for t in kinds for s in _TABLE.get(t, ((), ()))[0]]
    if given not in legal:
        known = (
            ", ".join(" x ".join(map(str, s)) for s in dict.fromkeys(legal)) or "16-bit floats, 8-bit integers, float32, float64"
        )
        raise UnsupportedError(f"{what}: there are no matrices of {held.dtype} in a product of {given}", fix=known)
    if held.shape_mnk not in (None, given):
        raise ShapeError(f"{what} with {given} on {held.name}, which is used with {held.shape_mnk}", fix="one shape for a buffer")
    held.shape_mnk = given
    if held.shape[0] % held.place.count:
        raise ShapeError(f"{held.name} has {held.shape[0] * _LANES} elements", fix=f"a multiple of {held.place.count * _LANES}")
    return held


def _buffer(fragment: Any, what: str) -> WarpMatrices:
    found = fragment.buffer if isinstance(fragment, BufferData) else fragment
    if not isinstance(found, WarpMatrices):
        raise SemanticError(
            f"{what} of {fragment!r}, no matrices of a warp", fix='T.alloc_buffer((256,), "float16", scope="wmma.matrix_a")'
        )
    return found


def _known(fragment: Any, letter: str, name: str, what: str) -> WarpMatrices:
    held = _buffer(fragment, what)
    if held.letter != letter:
        scopes = {v: k for k, v in SCOPES.items()}
        raise SemanticError(f"{name} of {what} is {held.name}, in {scopes[held.letter]}", fix=f"a buffer in {scopes[letter]}")
    if held.shape_mnk is None and name != "D":
        raise SemanticError(
            f"{name} of {what}, {held.name}, holds nothing yet", fix="T.tvm_load_matrix_sync or T.tvm_fill_fragment"
        )
    return held


def _first(held: WarpMatrices, index: Any) -> Any:
    """A thread's first element of the matrix `index`."""
    known = index.constant() if isinstance(index, Expr) else index
    if isinstance(known, int):
        count = held.shape[0] // held.place.count
        if not 0 <= known < count:
            raise ShapeError(f"matrix {known} of {held.name}, which holds {count}", fix=f"0 to {count - 1}")
        return known * held.place.count
    return as_expr(index) * held.place.count


def _along(held: WarpMatrices, layout: Any, what: str) -> bool:
    """Whether columns of the matrix's place are neighbours in memory."""
    orders = {"row_major": True, "col_major": False, "column_major": False}
    if str(layout) not in orders:
        raise SemanticError(f"layout={layout!r} of {what}", fix='"row_major" or "col_major"')
    rows = orders[str(layout)]
    if held.letter == "B" or (held.letter == "C" and held.place.flipped):  # its place has N first
        return not rows
    return rows


def _load_by_ldmatrix(held: WarpMatrices, first: Any, source: Address, stride: int, contiguous: bool, what: str) -> None:
    """16-bit operands: 16 x 16 elements at a time, or 8 x 16."""
    lane, place = linear_thread() % _LANES, held.place
    height = min(16, place.rows)
    # The four matrices of 8 x 8 in the order of registers: of the row operand along rows first, of the column operand along K.
    low, high = lane % 16 // 8 * 8, lane // 16 * 8
    row, column = (low, high) if place.operand == "row" else (high if height == 16 else 0, low)

    def load(tile: Any) -> None:
        # Each lane gives the address of eight neighbours in memory.
        r, c = (row + lane % 8, column) if contiguous else (row, column + lane % 8)
        at = (tile * height + r) * stride + c if contiguous else c * stride + tile * height + r
        start = first + tile * height * place.columns // _LANES
        registers = Registers(held, pointer(held, start, what))
        load_matrices(None, not contiguous, height // 4, registers, pointer(source, at, what), what)

    unrolled((place.rows // height,), load, what)


def _multiply(d: WarpMatrices, into: Any, left: tuple[WarpMatrices, Any], right: tuple[WarpMatrices, Any], what: str) -> None:
    bits, name = left[0].dtype.bits, f"tl.mma_{_INSTRUCTIONS[left[0].dtype.bits]}"
    if bits == 64:
        statement(name, tuple(pointer(x, at, what) for x, at in ((d, into), left, right)), None, what)
        return
    rows, columns = d.place.rows // 16, d.place.columns // 8
    counts = left[0].place.count // rows, right[0].place.count // columns

    def product(i: Any, j: Any) -> None:
        a, b = pointer(left[0], left[1] + i * counts[0], what), pointer(right[0], right[1] + j * counts[1], what)
        if bits == 8:
            a, b = _widened(a, counts[0], what), _widened(b, counts[1], what)
        statement(name, (pointer(d, into + (i * columns + j) * 4, what), a, b), None, what)

    unrolled((rows, columns), product, what)


def _widened(operand: Address, count: int, what: str) -> Address:
    """An operand of k16 with zeros behind it: 8-bit instructions here take k32."""
    wide = alloc("wide", (2 * count,), operand.element.dtype, "local", what)
    for i in range(2 * count):
        pointer(wide, i, what).element.store(pointer(operand, i, what).element if i < count else 0)
    return pointer(wide, 0, what)


__all__ = ["tvm_fill_fragment", "tvm_load_matrix_sync", "tvm_mma_sync", "tvm_store_matrix_sync"]
