"""T.gemm_sp: products whose left operand is 2:4 sparse, given as its nonzeros and their places."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, SemanticError, ShapeError
from .allocate import alloc_shared
from .bits import bitwise_and, shift_right
from .buffer import Region
from .dtypes import dtype
from .emit import name_of, tile
from .expr import binary, convert
from .gather import element_at, parallel_nest
from .gemm import GemmWarpPolicy, gemm, matrix_extents
from .select import if_then_else
from .shape import shape_text
from .wgmma import wait_wgmma, wgmma_gemm


def gemm_sp(
    A_sparse: Any,
    E: Any,
    B: Any,
    C: Any,
    transpose_A: bool = False,
    transpose_E: bool = False,
    transpose_B: bool = False,
    policy: GemmWarpPolicy = GemmWarpPolicy.Square,
    clear_accum: Any = False,
    wg_wait: int = 0,
    annotations: dict[str, Any] | None = None,
) -> None:
    """Multiply a 2:4 sparse tile with a dense one: `C += A @ B`, where of four neighbours along K of A at most two are not zero.

    `tilelang.utils.sparse.compress` makes `A_sparse` and `E`. This version expands A into a shared tile of its own and multiplies
    it as T.gemm does: the sparse tensor cores are not used, and A takes its full size in shared memory.

    Parameters
    ----------
    A_sparse : buffer or region, shape (M, K / 2), or (K / 2, M) with transpose_A
        The two elements kept of each four, in their order. Of 32-bit elements one of each two is kept.
    E : buffer or region of integers, shape (M, K / f), or transposed with transpose_E
        Where they were: four bits for each four elements along K (two for 32-bit ones), lowest first: the index of the first kept
        element in bits 0 and 1, of the second in bits 2 and 3. One of two 32-bit elements: 0b0100 the first, 0b1110 the second.
        An element of E of `w` bits says it for f = w elements along K, w / 2 of 32 bits.
    B : buffer or region, shape (K, N), or (N, K) with transpose_B
    C : buffer or region, shape (M, N)
        The accumulator.
    policy, clear_accum
        As in T.gemm.
    wg_wait : int
        Accepted; the product is done when the statement ends.

    Raises
    ------
    ShapeError
        If the extents of A_sparse, E and B do not belong together.

    Examples
    --------
    >>> T.gemm_sp(A_kept, A_places, B_s, acc)
    """
    if wg_wait not in (0, -1):
        raise SemanticError(f"wg_wait={wg_wait!r} of T.gemm_sp", fix="T.wgmma_gemm_sp and T.wait_wgmma leave products under way")
    dense = _expanded(A_sparse, E, B, transpose_A, transpose_E, transpose_B, "T.gemm_sp")
    gemm(dense, B, C, False, transpose_B, policy, clear_accum, annotations=annotations)


def wgmma_gemm_sp(
    A_sparse: Any,
    E: Any,
    B: Any,
    C: Any,
    transpose_A: bool = False,
    transpose_E: bool = False,
    transpose_B: bool = False,
    policy: GemmWarpPolicy = GemmWarpPolicy.Square,
    clear_accum: Any = False,
    annotations: dict[str, Any] | None = None,
) -> None:
    """T.gemm_sp by wgmma that is left under way, as T.wgmma_gemm: T.wait_wgmma completes it. It waits for those before it.

    Examples
    --------
    >>> T.wgmma_gemm_sp(A_kept, A_places, B_s, acc)
    >>> T.wait_wgmma(0)
    """
    wait_wgmma(0)  # the expanded tile of the product before this one is written again
    dense = _expanded(A_sparse, E, B, transpose_A, transpose_E, transpose_B, "T.wgmma_gemm_sp")
    wgmma_gemm(dense, B, C, False, transpose_B, policy, clear_accum, annotations)


def _expanded(A: Any, E: Any, B: Any, transpose_A: bool, transpose_E: bool, transpose_B: bool, what: str) -> Any:
    """The dense tile (M, K) in shared memory."""
    kept, places, right = tile(A, f"A_sparse of {what}"), tile(E, f"E of {what}"), tile(B, f"B of {what}")
    kind, code = kept.dtype, places.dtype
    if not (kind.is_float or kind.is_int) or kind.bits not in (8, 16, 32) or kind.lanes > 1:
        raise DTypeError(f"{what} of {kind} elements", fix="8-, 16- or 32-bit elements, as the matrix instructions take them")
    if not code.is_int or code.bits not in (8, 16, 32):
        raise DTypeError(f"E of {what} is {code}", fix="int8, int16, int32 or their unsigned kinds")
    rows, half = _extents(kept, "A_sparse", transpose_A, what)
    k, _ = _extents(right, "B", transpose_B, what)
    group = 2 if kind.bits == 32 else 4  # elements along K that four bits of E describe
    covered = code.bits // 4 * group
    if half * 2 != k or _extents(places, "E", transpose_E, what) != (rows, -(-k // covered)) or k % covered:
        shapes = [f"{n} {name_of(r)} {shape_text(r.shape)}" for n, r in (("A_sparse", kept), ("E", places), ("B", right))]
        raise ShapeError(
            f"{what}: {', '.join(shapes)} do not belong together",
            fix=f"K of B is {k}: A_sparse is {rows} x {k // 2}, and E is {rows} x {k / covered:g}, as one {code} is for "
            f"{covered} elements along K",
        )
    dense = alloc_shared((rows, k), kind)
    word = dtype("uint32" if code.bits == 32 else "int32")

    def element(i: Any, j: Any) -> None:
        which, within = binary("floordiv", j, group), binary("floormod", j, group)
        at = binary("floordiv", j, covered)
        number = convert(element_at(places, (at, i) if transpose_E else (i, at)), word)
        bits = bitwise_and(shift_right(number, convert(binary("floormod", which, covered // group) * 4, word)), convert(15, word))
        bits = convert(bits, dtype("int32"))

        def taken(n: Any) -> Any:
            return element_at(kept, (n, i) if transpose_A else (i, n))

        zero = convert(0, kind)
        if group == 2:
            value = if_then_else(binary("floordiv", bitwise_and(bits, 3), 2) == within, taken(which), zero)
        else:
            second = if_then_else(shift_right(bits, 2) == within, taken(which * 2 + 1), zero)
            value = if_then_else(bitwise_and(bits, 3) == within, taken(which * 2), second)
        element_at(_whole(dense), (i, j)).store(value)

    parallel_nest((rows, k), element, what)
    return dense


def _whole(buffer: Any) -> Region:
    return tile(buffer, "the expanded tile")


def _extents(region: Region, name: str, transposed: bool, what: str) -> tuple[int, int]:
    """Rows and columns of an operand as constants."""
    first, second = matrix_extents(region, name, what)
    if not isinstance(first, int) or not isinstance(second, int):
        raise ShapeError(f"{name} of {what} is {region}, whose extents are not constant")
    return (second, first) if transposed else (first, second)
