"""Products of warpgroups that their author waits for."""

from __future__ import annotations

from typing import Any

from ..errors import SemanticError
from .emit import statement
from .gemm import GemmWarpPolicy, gemm


def wgmma_gemm(
    A: Any,
    B: Any,
    C: Any,
    transpose_A: bool = False,
    transpose_B: bool = False,
    policy: GemmWarpPolicy = GemmWarpPolicy.Square,
    clear_accum: Any = False,
    annotations: dict[str, Any] | None = None,
) -> None:
    """T.gemm by wgmma that is left under way: one group of products. C, and A in registers, are not to be touched before
    T.wait_wgmma.

    Raises
    ------
    UnsupportedError
        If wgmma does not take these operands, or the target has none.

    Examples
    --------
    >>> T.wgmma_gemm(A_s, B_s, acc)
    >>> T.wait_wgmma(0)
    """
    gemm(A, B, C, transpose_A, transpose_B, policy, clear_accum, annotations={**(annotations or {}), "in_flight": True})


def _depth(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 8:
        raise SemanticError(f"{what}({value!r})", fix="a constant number of groups, from 0 to 7")
    return value


def wait_wgmma(id: int) -> None:
    """Wait until at most `id` groups of products are under way; each T.wgmma_gemm is one.

    Examples
    --------
    >>> T.wait_wgmma(0)
    """
    statement("tl.gemm_wait", (), {"pending": _depth(id, "T.wait_wgmma"), "columns": []}, "T.wait_wgmma")


def warpgroup_wait(num_mma: int) -> None:
    """T.wait_wgmma.

    Examples
    --------
    >>> T.warpgroup_wait(0)
    """
    statement("tl.gemm_wait", (), {"pending": _depth(num_mma, "T.warpgroup_wait"), "columns": []}, "T.warpgroup_wait")


def warpgroup_arrive() -> None:
    """Registers written so far come before the products that follow. T.wgmma_gemm does this itself.

    Examples
    --------
    >>> T.warpgroup_arrive()
    """
    statement("tl.wgmma_fence", (), None, "T.warpgroup_arrive")


def warpgroup_commit_batch() -> None:
    """Close a group of products. T.wgmma_gemm closes its own.

    Examples
    --------
    >>> T.warpgroup_commit_batch()
    """
    statement("tl.wgmma_commit", (), None, "T.warpgroup_commit_batch")
