"""Running a rewritten function, and the PrimFunc that comes of it."""

from __future__ import annotations

from types import FunctionType
from typing import Any

from .._lazy import ir
from ..errors import FrontendError, SourceSpan, TileLangError
from ..language.buffer import Buffer
from ..language.pointer import Pointer
from .builder import Builder, active
from .verify import verify_scopes


def run(builder: Builder, func: FunctionType, arguments: dict[str, Any]) -> Any:
    """Call the rewritten function; errors of ours get the line that was being traced."""
    with active(builder):
        try:
            return func(**arguments)
        except TileLangError as error:
            error.with_span(builder.place)
            raise
        except RecursionError:
            raise FrontendError(
                f"{func.__name__} recurses without end while it is traced",
                fix="recursion must end by a constant condition",
                span=builder.place,
            ) from None


def finish(builder: Builder, result: Any, name: str, place: SourceSpan) -> Any:
    """The PrimFunc of a traced function that returned `result`."""
    outputs = check_outputs(builder, result, name, place)
    with active(builder):
        builder.leave(0)
        parameters = [*builder.parameters, *builder.outputs, *builder.grid]
        body = ir.seq(builder.blocks[0])
        func = ir.PrimFunc([p.node for p in parameters], body)
    func = func.with_attr("global_symbol", builder.attributes.get("global_symbol", name)).with_attr("s_tir", True)
    pointers = [str(p.node.name) for p in parameters if isinstance(p, Pointer) and p.raw]
    if pointers:
        func = func.with_attr("tl.pointers", pointers)
    if builder.grid:
        func = func.with_attr("tl.grid", [str(extent.node.name) for extent in builder.grid])
    for key in ("tilelang_pass_configs", "tilelang_compile_flags"):
        if key in builder.attributes:
            func = func.with_attr(key, builder.attributes[key])
    if outputs:
        func = func.with_attr("tl.out_idx", [parameters.index(o) for o in outputs])
    if "tl.prelude" in builder.attributes:
        func = func.with_attr("tl.prelude", builder.attributes["tl.prelude"])
    verify_scopes(func)
    return func


def check_outputs(builder: Builder, result: Any, name: str, place: SourceSpan) -> list[Buffer]:
    """The returned T.empty tensors, in order."""
    values = [] if result is None else list(result) if isinstance(result, (tuple, list)) else [result]
    made = builder.outputs
    for value in values:
        if not any(value is m for m in made):
            raise ReturnError(
                f"{name} returns {value!r}, which T.empty did not make",
                fix="return tensors made by T.empty, or nothing",
                span=place,
            )
    if len({id(v) for v in values}) != len(values):
        raise ReturnError(f"{name} returns the same tensor twice", fix="return each T.empty tensor once", span=place)
    missing = [m.name for m in made if not any(m is v for v in values)]
    if missing:
        raise ReturnError(
            f"Not all tensor allocated from `T.empty` are returned: {', '.join(missing)}",
            fix=f"return {', '.join(m.name for m in made)}; T.alloc_global makes a workspace",
            span=place,
        )
    return values


class ReturnError(FrontendError, RuntimeError):
    """A kernel function that does not return exactly its T.empty tensors."""

    code = "TL0105"
