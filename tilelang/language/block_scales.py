"""Products whose operands have a scale for each block along K: T.mma_gemm_blockscaled, and T.gemm_blockscaled over both."""

from __future__ import annotations

from typing import Any

from ..errors import SemanticError, ShapeError, UnsupportedError
from .emit import name_of, tile
from .expr import as_expr
from .gemm import GemmWarpPolicy, Scales, multiply
from .tensor_memory import in_tensor_memory, tcgen05_gemm_blockscaled

SF_LAYOUTS = ("row_major", "column_major")


def mma_gemm_blockscaled(
    A: Any,
    B: Any,
    C: Any,
    SFA: Any,
    SFB: Any,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: Any = GemmWarpPolicy.Square,
    clear_accum: Any = False,
    *,
    k_start: Any,
    sf_a_granularity_k: int,
    sf_b_granularity_k: int,
    sf_layout: str = "row_major",
    annotations: dict[str, Any] | None = None,
) -> None:
    """T.gemm of 4- or 8-bit floats whose blocks along K have a scale each, by mma.sync of sm_120a: `C += (A * SFA) @ (B * SFB)`.

    | A and B | scales | elements that share one | |
    |---|---|---|---|
    | float4_e2m1fn | float8_e4m3fn, not negative | a multiple of 16 | NVFP4 |
    | float4_e2m1fn | float8_e8m0fnu: 2**(byte - 127) | a multiple of 32 | MXFP4 |
    | float8_e4m3fn, float8_e5m2 | float8_e8m0fnu | a multiple of 32 | MXFP8 |

    No GPU of this architecture was at hand: kernels are compiled for it and run in the simulator.

    Parameters
    ----------
    A : shared tile, shape (M, K), or (K, M) with transpose_A
    B : shared tile, shape (K, N), or (N, K) with transpose_B
        4-bit elements have K innermost: no transpose_A, but transpose_B. M is a multiple of 16, N of 8, K of 64 (8 bits: of 32).
    C : fragment or shared tile, shape (M, N), float32
    SFA, SFB : shared tiles
        Scales of the rows of A and of the columns of B: (M, blocks) and (N, blocks) of the scales' dtype or of uint8, or words of
        uint32, whose four bytes are those of neighbouring blocks along K, the lowest first; (M,) and (N,) where a row has one.
        Codes in uint8 or uint32 are float8_e4m3fn where fewer than 32 elements share one, else float8_e8m0fnu.
    policy, clear_accum
        As of T.gemm.
    k_start : int or Expr
        Where the tile begins along K: element k's scale is number `(k_start + k) // granularity`, modulo as many as a row of the
        tile of scales has. So these may be this step's, or those of all K.
    sf_a_granularity_k, sf_b_granularity_k : int
        Elements along K that share a scale.
    sf_layout : str
        "row_major", or "column_major": SFA is (blocks, M), SFB (blocks, N).

    Raises
    ------
    UnsupportedError
        If the target is not sm_120a, or an operand is elsewhere.
    DTypeError, ShapeError
        If there is no instruction for the dtypes or extents.

    Examples
    --------
    >>> T.mma_gemm_blockscaled(
    ...     A4, B4, acc, SFA, SFB, transpose_B=True, k_start=0, sf_a_granularity_k=16, sf_b_granularity_k=16
    ... )
    """
    what = "T.mma_gemm_blockscaled"
    if sf_layout not in SF_LAYOUTS:
        raise SemanticError(f"sf_layout={sf_layout!r} of {what}", fix=f"one of {', '.join(SF_LAYOUTS)}")
    granularity = [int(sf_a_granularity_k), int(sf_b_granularity_k)]
    if min(granularity) < 1:
        raise ShapeError(f"sf_a_granularity_k={granularity[0]}, sf_b_granularity_k={granularity[1]} of {what}", fix="16 or more")
    if in_tensor_memory(C):
        raise SemanticError(f"C of {what} is in tensor memory", fix="T.tcgen05_gemm_blockscaled, or C in T.alloc_fragment")
    operands = (tile(SFA, f"SFA of {what}"), tile(SFB, f"SFB of {what}"), as_expr(k_start, "k_start"))
    scales = Scales("tl.mma_gemm_blockscaled", what, operands, {"granularity": granularity, "sf_layout": sf_layout})
    multiply(A, B, C, transpose_A, transpose_B, policy, clear_accum, None, annotations, scales=scales)


def gemm_blockscaled(
    A: Any,
    B: Any,
    C: Any,
    SFA: Any,
    SFB: Any,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: Any = 0,
    clear_accum: Any = False,
    *,
    k_start: Any,
    sf_a_granularity_k: int,
    sf_b_granularity_k: int,
    mbar: Any = None,
    wg_wait: int = 0,
    use_2cta: bool = False,
    annotations: dict[str, Any] | None = None,
) -> None:
    """T.gemm whose operands have block scales, by where C is: tensor memory: T.tcgen05_gemm_blockscaled (sm_100a), a fragment or
    shared memory: T.mma_gemm_blockscaled (sm_120a).

    Parameters
    ----------
    A, B, C, SFA, SFB, transpose_A, transpose_B, policy, clear_accum, k_start, sf_a_granularity_k, sf_b_granularity_k
        As there.
    mbar, wg_wait, use_2cta
        As of T.tcgen05_gemm_blockscaled; T.mma_gemm_blockscaled has none of them.

    Raises
    ------
    UnsupportedError
        If they are given and C is not in tensor memory, or the scales are there and C is not.

    Examples
    --------
    >>> T.gemm_blockscaled(
    ...     A8, B8, C_tmem, SFA, SFB, transpose_B=True, k_start=0, sf_a_granularity_k=128, sf_b_granularity_k=128
    ... )
    """
    if not in_tensor_memory(C):
        target = tile(C, "C of T.gemm_blockscaled")
        if in_tensor_memory(SFA) or in_tensor_memory(SFB):
            raise UnsupportedError(
                f"C of T.gemm_blockscaled, {name_of(target)}, is in {target.scope()}, not in tensor memory as its scales are",
                fix="T.alloc_tmem for C and the scales, or T.alloc_shared for the scales",
            )
        if mbar is not None or wg_wait or use_2cta:
            raise UnsupportedError(
                f"mbar, wg_wait and use_2cta of T.gemm_blockscaled are of products into tensor memory; C, "
                f"{name_of(target)}, is in {target.scope()}",
                fix="leave them out: this product is over when the statement ends; or T.alloc_tmem for C and the scales",
            )
        mma_gemm_blockscaled(
            A,
            B,
            C,
            SFA,
            SFB,
            transpose_A,
            transpose_B,
            policy,
            clear_accum,
            k_start=k_start,
            sf_a_granularity_k=sf_a_granularity_k,
            sf_b_granularity_k=sf_b_granularity_k,
            annotations=annotations,
        )
        return
    tcgen05_gemm_blockscaled(
        A,
        B,
        C,
        SFA,
        SFB,
        transpose_A,
        transpose_B,
        clear_accum,
        wg_wait,
        mbar,
        k_start=k_start,
        sf_a_granularity_k=sf_a_granularity_k,
        sf_b_granularity_k=sf_b_granularity_k,
        use_2cta=use_2cta,
        annotations=annotations,
    )


__all__ = ["SF_LAYOUTS", "gemm_blockscaled", "mma_gemm_blockscaled"]
