"""Whether the loops of a tile program have a meaning."""

from __future__ import annotations

from typing import Any

from tilelang.transform.module_pass import ModulePass


def NestedLoopChecker() -> ModulePass:  # noqa: N802 - a documented name
    """A pass that refuses loops without a meaning: T.Pipelined or a tile operator in T.Parallel, and the like.

    It checks the other rules of a tile program with them, since one walk does.

    Returns
    -------
    ModulePass
        Takes an IRModule or a PrimFunc and returns it as it is.

    Raises
    ------
    SemanticError, UnsupportedError
        From the pass, with the author's line.

    Examples
    --------
    >>> NestedLoopChecker()(tvm.IRModule({"main": program}))
    """
    return ModulePass("NestedLoopChecker", _checked)


def FragmentLoopChecker() -> ModulePass:  # noqa: N802 - a documented name
    """The same rules, among them that a tile in registers is indexed by loops of T.Parallel or by constants."""
    return ModulePass("FragmentLoopChecker", _checked)


def _checked(func: Any) -> Any:
    from tilelang import ir
    from tilelang.errors import TileLangError
    from tilelang.target.target import resolve_target
    from tilelang.transform import pipeline
    from tilelang.transform.split_launches import split_launches

    ahead = pipeline.CUDA[: pipeline.CUDA.index(pipeline.check_semantics) + 1]
    for launch in split_launches(func, resolve_target("cuda"), {}).launches:
        try:
            pipeline.run_passes(launch, ahead)
        except TileLangError as error:
            raise error.with_span(ir.span_to_source(launch.span)) from None
    return func
