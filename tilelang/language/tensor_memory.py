"""Tensor memory of sm_100a, and products into it that their author waits for."""

from __future__ import annotations

from itertools import product
from typing import Any

from ..errors import SemanticError, ShapeError
from .allocate import _scalar_dtype, alloc_fragment
from .barrier import barrier_region
from .buffer import Buffer, Region
from .emit import alloc, statement, tile
from .expr import as_expr
from .shape import as_shape, static

SCOPE = "shared.tmem"


def alloc_tmem(shape: Any, dtype: Any) -> Buffer:
    """A tile in tensor memory: where the matrix instructions of sm_100a keep their accumulators, and may find A.

    T.gemm and T.tcgen05_gemm add to it; T.copy moves it to and from fragments (through one, where the other side is elsewhere).
    It is allocated when the kernel begins and given back when it ends, by powers of two of columns; a multiprocessor has 512, of
    128 rows and 32 bits, one accumulator each. No GPU of this architecture was at hand: kernels are compiled for it and run in
    the simulator.

    Parameters
    ----------
    shape : (rows, columns)
        64 rows or a multiple of 128; leading extents make several such tiles.
    dtype : dtype
        Of at most 32 bits.

    Raises
    ------
    UnsupportedError
        If the target is not sm_100a.
    ResourceError
        If the tiles of a kernel take more than 512 columns.

    Examples
    --------
    >>> C_tmem = T.alloc_tmem((128, 128), "float32")
    """
    extents = static(as_shape(shape, "T.alloc_tmem"), "T.alloc_tmem")
    if len(extents) < 2:
        raise ShapeError(f"T.alloc_tmem({shape!r})", fix="give rows and columns: T.alloc_tmem((128, 256), dtype)")
    return alloc("tmem", extents, _scalar_dtype(dtype, "a tile"), SCOPE, "T.alloc_tmem")


def in_tensor_memory(operand: Any) -> bool:
    """True for tiles of T.alloc_tmem and regions of them."""
    return isinstance(operand, (Buffer, Region)) and operand.scope() == SCOPE


def deallocate_tmem(tmem: Buffer) -> None:
    """Give the columns of a tile back before the kernel ends, which does so otherwise. All threads that used it have met before,
    and none uses it after.

    Examples
    --------
    >>> T.deallocate_tmem(C_tmem)
    """
    if not isinstance(tmem, Buffer) or not in_tensor_memory(tmem):
        raise SemanticError(f"T.deallocate_tmem({tmem!r})", fix="pass a tile of T.alloc_tmem, all of it")
    statement("tl.tmem_deallocate", (tmem,), None, "T.deallocate_tmem")


def tcgen05_gemm(
    A: Any,
    B: Any,
    C: Any,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: Any = 0,
    clear_accum: Any = False,
    *,
    mbar: Any,
    use_2cta: bool = False,
    annotations: dict[str, Any] | None = None,
) -> None:
    """T.gemm into tensor memory that goes on at once. A and B must not change and C must not be used before `mbar` has completed
    a phase.

    Parameters
    ----------
    A : buffer or region, shape (M, K), or (K, M) with transpose_A
        In shared memory, or (M, K) in tensor memory.
    B : buffer or region, shape (K, N), or (N, K) with transpose_B
        In shared memory.
    C : buffer or region, shape (M, N)
        In tensor memory; M is 64 or a multiple of 128.
    policy : GemmWarpPolicy
        Nothing here: one thread issues.
    clear_accum : bool or Expr
        Start from zero instead of C.
    mbar : barrier or None
        T.alloc_barrier(1): one arrival when the products are over, with use_2cta in both blocks. None: a later
        T.tcgen05_mma_arrive tells.
    use_2cta : bool
        Blocks 2i and 2i + 1 of a cluster multiply together: each has its own M rows of A and C, and half of B: N / 2 columns.
        The first of them issues, once the tiles of both are there (T.cluster_sync, or barriers across the cluster). All products
        of a kernel are then of pairs.

    Raises
    ------
    UnsupportedError
        If the target is not sm_100a, or an operand is elsewhere.

    Examples
    --------
    >>> T.tcgen05_gemm(A_s, B_s, C_tmem, transpose_B=True, mbar=done[0], clear_accum=True)
    >>> T.mbarrier_wait_parity(done[0], 0)
    """
    from .gemm import multiply

    if not in_tensor_memory(C):
        raise SemanticError("C of T.tcgen05_gemm is not in tensor memory", fix="allocate it by T.alloc_tmem, or use T.gemm")
    multiply(A, B, C, transpose_A, transpose_B, policy, clear_accum, mbar, annotations, wg_wait=-1, pair=bool(use_2cta))


def tcgen05_gemm_blockscaled(
    A: Any,
    B: Any,
    C: Any,
    SFA_tmem: Any,
    SFB_tmem: Any,
    transpose_A: bool = False,
    transpose_B: bool = False,
    clear_accum: Any = False,
    wg_wait: int = 0,
    mbar: Any = None,
    *,
    k_start: Any,
    sf_a_granularity_k: int,
    sf_b_granularity_k: int,
    use_2cta: bool = False,
    annotations: dict[str, Any] | None = None,
) -> None:
    """T.gemm of 8-bit floats into tensor memory, whose blocks along k have a scale each: `C += (A * SFA) @ (B * SFB)`.

    Parameters
    ----------
    A, B, C, transpose_A, transpose_B, clear_accum, mbar, use_2cta
        As of T.tcgen05_gemm; A in shared memory, M a multiple of 128, C of float32.
    SFA_tmem, SFB_tmem : tiles of T.alloc_tmem
        Scales (float8_e8m0fnu: 2**(byte - 127)) of rows of A and of columns of B: four columns of 32 bits for every 128, by
        T.tcgen05_cp_warpx4. A word holds those of four neighbouring blocks along k.
    wg_wait : int
        0: over when the statement ends. -1: when `mbar` has completed a phase.
    k_start : int or Expr
        Where the tile begins along k: block `k_start // granularity` has byte `k_start // granularity % 4` of its row's word.
    sf_a_granularity_k, sf_b_granularity_k : int
        Elements along k that share a scale, a multiple of 32.

    Examples
    --------
    >>> T.tcgen05_gemm_blockscaled(
    ...     A8, B8, C_tmem, SFA, SFB, transpose_B=True, k_start=0, sf_a_granularity_k=128, sf_b_granularity_k=128
    ... )
    """
    from .gemm import GemmWarpPolicy, Scales, multiply

    for operand, name in ((C, "C"), (SFA_tmem, "SFA_tmem"), (SFB_tmem, "SFB_tmem")):
        if not in_tensor_memory(operand):
            raise SemanticError(
                f"{name} of T.tcgen05_gemm_blockscaled is not in tensor memory", fix="allocate it by T.alloc_tmem"
            )
    scales = (tile(SFA_tmem, "SFA"), tile(SFB_tmem, "SFB"), as_expr(k_start, "k_start"))
    more = {"granularity": [int(sf_a_granularity_k), int(sf_b_granularity_k)]}
    pair, square = bool(use_2cta), GemmWarpPolicy.Square
    scaled = Scales("tl.gemm_blockscaled", "T.tcgen05_gemm_blockscaled", scales, more)
    multiply(A, B, C, transpose_A, transpose_B, square, clear_accum, mbar, annotations, 1, wg_wait, pair, scaled)


def tcgen05_sf_warp_transpose(smem_src: Any) -> None:
    """Put scales in the order in which T.tcgen05_cp_warpx4 takes them, in place: in each 128 words the one of row 32 c + l goes
    to 4 l + c.

    Parameters
    ----------
    smem_src : buffer or region
        In shared memory: words of 32 bits, one for each of a multiple of 128 rows.

    Examples
    --------
    >>> T.tcgen05_sf_warp_transpose(scale_words)
    """
    what = "T.tcgen05_sf_warp_transpose"
    statement("tl.sf_warp_transpose", (tile(smem_src, f"the tile of {what}"),), None, what)


def tcgen05_cp_warpx4(smem_src: Any, tmem_dst: Any, tmem_col_offset: Any = 0, *, use_2cta: bool = False) -> None:
    """Copy ordered scales to tensor memory, for all four warps; products that the same threads issue later come after it.

    The words must not change before a barrier of such products (T.tcgen05_mma_arrive) has completed its phase.

    Parameters
    ----------
    smem_src : buffer or region
        What T.tcgen05_sf_warp_transpose has put in order.
    tmem_dst : tile of T.alloc_tmem
        Four columns of 32 bits for every 128 words.
    tmem_col_offset : int or Expr
        The first column in `tmem_dst`, a multiple of 4.
    use_2cta : bool
        In kernels of pairs, where it is so anyway.

    Examples
    --------
    >>> T.tcgen05_cp_warpx4(scale_words, SFA)
    """
    what = "T.tcgen05_cp_warpx4"
    if not in_tensor_memory(tmem_dst):
        raise SemanticError(f"{what} to {tmem_dst}", fix='a tile of tensor memory: T.alloc_tmem((128, 4), "uint32")')
    args = (tile(smem_src, f"the source of {what}"), tile(tmem_dst, "the target"), as_expr(tmem_col_offset, "tmem_col_offset"))
    statement("tl.tcgen05_cp_warpx4", args, None, what)


def tcgen05_mma_arrive(mbar: Any, arrive_2cta: bool = False) -> None:
    """One arrival on a barrier when all products are over that the same threads' T.tcgen05_gemm has issued so far.

    Parameters
    ----------
    mbar : barrier
    arrive_2cta : bool
        On the barriers at this place in both blocks of the pair; the first of them does it.

    Examples
    --------
    >>> T.tcgen05_gemm(A_s, B_s, C_tmem, mbar=None)
    >>> T.tcgen05_mma_arrive(done[0])
    """
    place = barrier_region(mbar, "T.tcgen05_mma_arrive")
    statement("tl.tcgen05_arrive", (place,), {"both": bool(arrive_2cta)}, "T.tcgen05_mma_arrive")


def tcgen05_before_thread_sync() -> None:
    """This thread's work on tensor memory comes before a barrier that follows. T.copy and T.gemm do this themselves.

    Examples
    --------
    >>> T.tcgen05_before_thread_sync()
    """
    statement("tl.tcgen05_fence_before", (), None, "T.tcgen05_before_thread_sync")


def tcgen05_after_thread_sync() -> None:
    """This thread's work on tensor memory comes after a barrier before it. T.copy and T.gemm do this themselves.

    Examples
    --------
    >>> T.tcgen05_after_thread_sync()
    """
    statement("tl.tcgen05_fence_after", (), None, "T.tcgen05_after_thread_sync")


def copy_tensor_memory(src: Region, dst: Region, options: dict[str, Any]) -> None:
    """T.copy where one side is in tensor memory: through a fragment of its dtype, unless the other side is one."""
    tensor, other = (src, dst) if in_tensor_memory(src) else (dst, src)
    if other.scope() == "local.fragment" and other.dtype == tensor.dtype:
        statement("tl.copy", (src, dst), None, "T.copy")
        return
    from .copy import copy

    extents = [e for e, point in zip(tensor.extents, tensor.points, strict=True) if not point][-2:]
    through = alloc_fragment(extents, tensor.dtype)
    if tensor is src:
        statement("tl.copy", (src, tile(through, "a fragment")), None, "T.copy")
        copy(through, dst, **options)
    else:
        copy(src, through, **options)
        statement("tl.copy", (tile(through, "a fragment"), dst), None, "T.copy")


def fill_tensor_memory(region: Region, value: Any) -> None:
    """T.fill of a tile in tensor memory, through a fragment."""
    from .fill import fill

    leading, rows, columns = region.extents[:-2], *region.extents[-2:]
    through = alloc_fragment([rows, columns], region.dtype)
    fill(through, value)
    for place in product(*(range(e) for e in static(leading, "T.fill"))):
        starts = (*(s + p for s, p in zip(region.starts, place)), *region.starts[-2:])
        extents = (*(1 for _ in place), rows, columns)
        one = Region(region.buffer, starts, extents, (*(True for _ in place), False, False), False)
        statement("tl.copy", (tile(through, "a fragment"), one), None, "T.fill")


__all__ = [
    "alloc_tmem",
    "copy_tensor_memory",
    "deallocate_tmem",
    "fill_tensor_memory",
    "in_tensor_memory",
    "tcgen05_after_thread_sync",
    "tcgen05_before_thread_sync",
    "tcgen05_gemm",
    "tcgen05_cp_warpx4",
    "tcgen05_gemm_blockscaled",
    "tcgen05_mma_arrive",
    "tcgen05_sf_warp_transpose",
]
