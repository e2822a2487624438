"""T.gemm: C += A @ B on tiles."""

from __future__ import annotations

from enum import IntEnum
from typing import Any, NamedTuple

from ..errors import DTypeError, SemanticError, ShapeError, UnsupportedError
from .barrier import barrier_region
from .buffer import Region
from .emit import name_of, statement, tile
from .expr import as_condition
from .shape import same, shape_text
from .tensor_memory import in_tensor_memory


class GemmWarpPolicy(IntEnum):
    """How the block's warps divide the output tile.

    Examples
    --------
    >>> T.gemm(A_s, B_s, acc, policy=T.GemmWarpPolicy.FullRow)
    """

    Square = 0
    FullRow = 1
    FullCol = 2


class Scales(NamedTuple):
    """The block scales of a product: the operator that takes them, the author's name for it, further operands and attributes."""

    operator: str
    what: str
    operands: tuple[Any, ...]
    attributes: dict[str, Any]


def gemm(
    A: Any,
    B: Any,
    C: Any,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: GemmWarpPolicy = GemmWarpPolicy.Square,
    clear_accum: Any = False,
    mbar: Any = None,
    annotations: dict[str, Any] | None = None,
    *,
    k_pack: int = 1,
    wg_wait: int = 0,
) -> None:
    """Multiply two tiles into a third: `C += A @ B`.

    Parameters
    ----------
    A : buffer or region, shape (M, K), or (K, M) with transpose_A
    B : buffer or region, shape (K, N), or (N, K) with transpose_B
    C : buffer or region, shape (M, N)
        The accumulator: a fragment, a shared tile, or (sm_100a) a tile of T.alloc_tmem, for which tcgen05.mma is used.
    policy : GemmWarpPolicy
        Square, FullRow or FullCol.
    clear_accum : bool or Expr
        Start from zero instead of C.
    mbar : barrier, optional
        With C in tensor memory: T.alloc_barrier(1), which counts one arrival when the products are over.
    k_pack : int
        1 or 2; changes how AMD's matrix instructions are fed and nothing else, so nothing here.
    wg_wait : int
        0, or -1: leave the product under way until T.wait_wgmma, as T.wgmma_gemm does; with C in tensor memory until a wait for
        `mbar`, as T.tcgen05_gemm does.

    Raises
    ------
    ShapeError
        If M, N or K differ between the operands.

    Examples
    --------
    >>> T.gemm(A_s, B_s, acc)
    """
    multiply(A, B, C, transpose_A, transpose_B, policy, clear_accum, mbar, annotations, k_pack, wg_wait)


def multiply(
    A: Any,
    B: Any,
    C: Any,
    transpose_A: bool,
    transpose_B: bool,
    policy: GemmWarpPolicy,
    clear_accum: Any,
    mbar: Any,
    annotations: dict[str, Any] | None,
    k_pack: int = 1,
    wg_wait: int = 0,
    pair: bool = False,
    scales: Scales | None = None,
) -> None:
    """T.gemm; `pair`: of two blocks, each of which has half of the columns of B; `scales`: what makes it another statement."""
    a, b, c = tile(A, "A of T.gemm"), tile(B, "B of T.gemm"), tile(C, "C of T.gemm")
    shape_a, shape_b, shape_c = matrix_extents(a, "A"), matrix_extents(b, "B"), matrix_extents(c, "C")
    transpose_A, transpose_B = _flag(transpose_A, "transpose_A"), _flag(transpose_B, "transpose_B")
    m, k = (shape_a[1], shape_a[0]) if transpose_A else shape_a
    n, kb = shape_b if transpose_B else (shape_b[1], shape_b[0])
    n = n * 2 if pair else n
    for axis, x, y, left, right in (("K", k, kb, a, b), ("M", m, shape_c[0], a, c), ("N", n, shape_c[1], b, c)):
        if not same(x, y):
            raise ShapeError(
                f"{axis} of T.gemm differs: {x} in {name_of(left)} and {y} in {name_of(right)} "
                f"(A is {shape_text(shape_a)}{', transposed' if transpose_A else ''}, B is {shape_text(shape_b)}"
                f"{', transposed' if transpose_B else ''}, C is {shape_text(shape_c)})",
                fix="A is M x K, B is K x N (N x K with transpose_B=True), C is M x N",
            )
    check_operand_dtypes(a, b, c)
    try:
        policy = GemmWarpPolicy(int(policy))
    except (ValueError, TypeError):
        raise SemanticError(f"policy={policy!r}", fix="T.GemmWarpPolicy.Square, FullRow or FullCol") from None
    if k_pack not in (1, 2):
        raise SemanticError(f"k_pack={k_pack!r} of T.gemm", fix="1 or 2")
    if mbar is not None and not in_tensor_memory(c):
        raise UnsupportedError(
            f"mbar of T.gemm tells when products into tensor memory are over; C, {name_of(c)}, is in {c.scope()}",
            fix="leave it out: this gemm is over when the statement ends",
        )
    if wg_wait not in (0, -1):
        raise SemanticError(f"wg_wait={wg_wait!r} of T.gemm", fix="0, or -1 to wait by T.wait_wgmma")
    attrs = {"transpose_A": transpose_A, "transpose_B": transpose_B, "policy": int(policy), **(annotations or {})}
    if wg_wait:
        attrs["in_flight"] = True
    if pair:
        attrs["pair"] = True
    barrier = () if mbar is None else (barrier_region(mbar, "mbar of T.gemm"),)
    operands = (a, b, c, as_condition(clear_accum, "clear_accum"))
    if scales is not None:
        statement(scales.operator, (*operands, *scales.operands, *barrier), {**attrs, **scales.attributes}, scales.what)
    else:
        statement("tl.gemm", (*operands, *barrier), attrs, "T.gemm")


def matrix_extents(region: Region, name: str, what: str = "T.gemm") -> tuple:
    """The two extents of an operand; leading axes must have been indexed away or be 1."""
    extents = [e for e, point in zip(region.extents, region.points, strict=True) if not point]
    while len(extents) > 2 and isinstance(extents[0], int) and extents[0] == 1:
        extents.pop(0)
    if len(extents) != 2:
        raise ShapeError(f"{name} of {what} is {name_of(region)} of shape {shape_text(extents)}; two dimensions are needed")
    return tuple(extents)


def _flag(value: Any, name: str) -> bool:
    if isinstance(value, bool) or value in (0, 1):
        return bool(value)
    raise SemanticError(f"{name}={value!r} must be True or False")


def check_operand_dtypes(a: Region, b: Region, c: Region, what: str = "T.gemm") -> None:
    """Refuse element types that no product takes."""
    ta, tb, tc = a.dtype, b.dtype, c.dtype
    if any(t.is_bool or t.lanes > 1 for t in (ta, tb, tc)):
        raise DTypeError(f"{what} of {ta} and {tb} into {tc}", fix="use float or integer tiles")
    both8 = (ta.is_float8 and tb.is_float8) or (ta.is_int and tb.is_int and ta.bits == tb.bits)
    if ta != tb and not both8:
        raise DTypeError(
            f"{what} of {name_of(a)} ({ta}) and {name_of(b)} ({tb}): the operands have different dtypes",
            fix="copy one into a tile of the other's dtype first",
        )
    if ta.is_float != tc.is_float:
        raise DTypeError(
            f"{what} of {ta} operands into the {tc} accumulator {name_of(c)}",
            fix="accumulate floats in float32 (or float16), integers in int32",
        )
    if tc.bits < ta.bits:
        raise DTypeError(
            f"the accumulator {name_of(c)} ({tc}) is narrower than the operands ({ta})", fix=f"allocate it as {ta} or wider"
        )
