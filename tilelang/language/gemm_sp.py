"""T.gemm_sp: products whose left operand is 2:4 sparse, given as its nonzeros and their places."""

from __future__ import annotations

from typing import Any

from ..errors import DTypeError, LayoutError, SemanticError, ShapeError, UnsupportedError
from .buffer import Region
from .emit import name_of, statement, tile
from .expr import as_condition
from .gemm import GemmWarpPolicy, check_operand_dtypes, matrix_extents
from .shape import same, shape_text
from .tensor_memory import in_tensor_memory


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

    `tilelang.utils.sparse.compress` makes `A_sparse` and `E`. It runs on the sparse tensor cores: wgmma.mma_async.sp on sm_90a
    where M is a multiple of 64 and whole warpgroups take part, mma.sp otherwise (float32 operands are rounded to tf32). What
    these do not cover (M, N or K no multiples of 16, 8 and 64 bytes; a CPU) multiplies an expanded copy of A in shared memory,
    with a remark. So does a product into tensor memory.

    Parameters
    ----------
    A_sparse : buffer or region, shape (M, K / 2), or (K / 2, M) with transpose_A
        The two elements kept of each four, in their order. Of 32-bit elements one of each two is kept.
    E : buffer or region of integers, shape (M, K / f), or transposed with transpose_E
        Where they were: four bits for each four elements along K (two for 32-bit ones), lowest first: the index of the first kept
        element in bits 0 and 1, of the second in bits 2 and 3. One of two 32-bit elements: 0b0100 the first, 0b1110 the second.
        An element of E of `w` bits says it for f = w elements along K, w / 2 of 32 bits. Words are taken row-major: element
        (i, j) of E is of row i. Words in another order (torch's and CUTLASS's compressors, `compress` with `arch`) have the same
        dtype, shape and codes, so that nothing tells them apart and the product would be wrong: they need a layout, by
        T.annotate_layout with `tilelang.layout.make_cutlass_metadata_layout`.
    B : buffer or region, shape (K, N), or (N, K) with transpose_B
    C : buffer or region, shape (M, N)
        The accumulator.
    policy, clear_accum
        As in T.gemm.
    wg_wait : int
        0, or -1: leave the product under way until T.wait_wgmma, as T.wgmma_gemm_sp does.

    Raises
    ------
    ShapeError
        If the extents of A_sparse, E and B do not belong together.

    Examples
    --------
    >>> T.gemm_sp(A_kept, A_places, B_s, acc)
    """
    if wg_wait not in (0, -1):
        raise SemanticError(f"wg_wait={wg_wait!r} of T.gemm_sp", fix="0, or -1 to wait by T.wait_wgmma")
    notes = {**(annotations or {}), **({"in_flight": True} if wg_wait else {})}
    _product(A_sparse, E, B, C, (transpose_A, transpose_E, transpose_B), policy, clear_accum, notes, "T.gemm_sp")


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

    Raises
    ------
    UnsupportedError
        If wgmma does not take these operands, or the target has none.

    Examples
    --------
    >>> T.wgmma_gemm_sp(A_kept, A_places, B_s, acc)
    >>> T.wait_wgmma(0)
    """
    notes = {**(annotations or {}), "in_flight": True}
    _product(A_sparse, E, B, C, (transpose_A, transpose_E, transpose_B), policy, clear_accum, notes, "T.wgmma_gemm_sp")


def tcgen05_gemm_sp(
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
    """T.gemm_sp with C in tensor memory (sm_100a): a dense tcgen05.mma on a copy of A expanded in shared memory, with a remark.

    It is over when the statement ends; a T.tcgen05_mma_arrive behind it arrives at once.

    Parameters
    ----------
    A_sparse, E, B, transpose_A, transpose_E, transpose_B, policy, clear_accum
        As of T.gemm_sp, A_sparse and B in shared memory.
    C : tile of T.alloc_tmem, shape (M, N)

    Raises
    ------
    UnsupportedError
        If C is elsewhere, or the target is not sm_100a.

    Examples
    --------
    >>> T.tcgen05_gemm_sp(A_kept, A_places, B_s, C_tmem)
    """
    what = "T.tcgen05_gemm_sp"
    if not in_tensor_memory(C):
        raise UnsupportedError(f"{what} into {C}, which is not in tensor memory", fix="T.alloc_tmem, or T.gemm_sp")
    _product(A_sparse, E, B, C, (transpose_A, transpose_E, transpose_B), policy, clear_accum, dict(annotations or {}), what)


def _product(
    A: Any, E: Any, B: Any, C: Any, transposed: tuple[bool, bool, bool], policy: Any, clear: Any, notes: dict[str, Any], what: str
) -> None:
    kept, places, right, out = (tile(x, f"{n} of {what}") for x, n in ((A, "A_sparse"), (E, "E"), (B, "B"), (C, "C")))
    kind, code = kept.dtype, places.dtype
    if not (kind.is_float or kind.is_int) or kind.bits not in (8, 16, 32) or kind.lanes > 1:
        raise DTypeError(f"{what} of {kind} elements", fix="8-, 16- or 32-bit elements, as the matrix instructions take them")
    if not code.is_int or code.bits not in (8, 16, 32):
        raise DTypeError(f"E of {what} is {code}", fix="int8, int16, int32 or their unsigned kinds")
    check_operand_dtypes(kept, right, out, what)
    rows, half = _extents(kept, "A_sparse", transposed[0], what)
    k, columns = _extents(right, "B", transposed[2], what)
    covered = code.bits // 4 * (2 if kind.bits == 32 else 4)
    if half * 2 != k or _extents(places, "E", transposed[1], what) != (rows, -(-k // covered)) or k % covered:
        shapes = [f"{n} {name_of(r)} {shape_text(r.shape)}" for n, r in (("A_sparse", kept), ("E", places), ("B", right))]
        raise ShapeError(
            f"{what}: {', '.join(shapes)} do not belong together",
            fix=f"K of B is {k}: A_sparse is {rows} x {k // 2}, and E is {rows} x {k / covered:g}, as one {code} is for "
            f"{covered} elements along K",
        )
    _check_order(places, kind, what)
    shape = matrix_extents(out, "C", what)
    if not (same(shape[0], rows) and same(shape[1], columns)):
        raise ShapeError(f"C of {what}, {name_of(out)}, is {shape_text(shape)}", fix=f"A has {rows} rows, B {columns} columns")
    try:
        policy = GemmWarpPolicy(int(policy))
    except (ValueError, TypeError):
        raise SemanticError(f"policy={policy!r}", fix="T.GemmWarpPolicy.Square, FullRow or FullCol") from None
    names = ("transpose_A", "transpose_E", "transpose_B")
    attrs = {**{name: bool(flag) for name, flag in zip(names, transposed, strict=True)}, "policy": int(policy), **notes}
    statement("tl.gemm", (kept, right, out, as_condition(clear, "clear_accum"), places), attrs, what)


def _check_order(places: Region, kind: Any, what: str) -> None:
    """An order that E is annotated with belongs to elements of A's width."""
    if places.buffer.annotated is None:
        return
    from ..layout.metadata import CutlassMetadataLayout, cutlass_word

    order, word = places.buffer.annotated, cutlass_word(kind.bits)
    if isinstance(order, CutlassMetadataLayout) and cutlass_word(order.element_bits) != word:
        raise LayoutError(
            f"E of {what}, {name_of(places)}, has the order of metadata of {order.element_bits}-bit elements; A_sparse is {kind}",
            fix=f"make_cutlass_metadata_layout({places.buffer.name}, mma_dtype={str(kind)!r}, ...), with words of {word}",
        )


def _extents(region: Region, name: str, transposed: bool, what: str) -> tuple[int, int]:
    """Rows and columns of an operand as constants."""
    first, second = matrix_extents(region, name, what)
    if not isinstance(first, int) or not isinstance(second, int):
        raise ShapeError(f"{name} of {what} is {region}, whose extents are not constant")
    return (second, first) if transposed else (first, second)
