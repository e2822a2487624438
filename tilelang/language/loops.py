"""Loops: each name makes the description of one; the `for` statement of the kernel opens it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..errors import FrontendError, SemanticError, ShapeError
from .dtypes import dtype
from .expr import Expr, convert
from .promotion import promote
from .shape import Extent, as_extent, simplify


@dataclass(frozen=True)
class Loop:
    """A loop nest not yet opened.

    Attributes
    ----------
    kind : str
        serial, unrolled, vectorized, parallel.
    ranges : tuple of (start, extent, step)
        One for each loop variable, outermost first; step is None for 1.
    annotations : dict
        Of the outermost loop.
    """

    what: str
    kind: str
    ranges: tuple[tuple[Extent, Extent, Extent | None], ...]
    annotations: dict[str, Any] = field(default_factory=dict)

    def __iter__(self):
        raise FrontendError(
            f"{self.what} iterated over by plain Python",
            fix="use it in a `for` statement of the kernel or of a function decorated with @T.macro",
        )


def _bounds(start: Any, stop: Any, what: str) -> tuple[Extent, Extent]:
    if stop is None:
        start, stop = 0, start
    start, stop = _bound(start, what), _bound(stop, what)
    if isinstance(start, int) and isinstance(stop, int):
        return start, max(0, stop - start)
    return start, simplify(stop - start)


def _bound(value: Any, what: str) -> Extent:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return as_extent(value, f"a bound of {what}")


def _annotated(annotations: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    return {**(annotations or {}), **{f"tl.{k}": v for k, v in more.items() if v is not None}}


def _stepped(start: Any, stop: Any, step: Any, what: str) -> tuple[Extent, Extent, Extent | None]:
    """(start, number of iterations, step)."""
    if step is None or (isinstance(step, int) and step == 1):
        return (*_bounds(start, stop, what), None)
    if isinstance(step, Expr):
        step = step.constant() if step.constant() is not None else step
    if isinstance(step, Expr):
        return _runtime_stepped(start, stop, as_extent(step, f"the step of {what}"), what)
    if step == 0:
        raise SemanticError(f"the step of {what} is 0")
    if stop is None:
        start, stop = 0, start
    start, stop, step = _bound(start, what), _bound(stop, what), int(step)
    span = stop - start if step > 0 else start - stop
    size = abs(step)
    if isinstance(span, int):
        return start, max(0, -(-span // size)), step
    return start, simplify((span + (size - 1)) // size), step


def _runtime_stepped(start: Any, stop: Any, step: Any, what: str) -> tuple[Extent, Extent, Any]:
    """The same for a step that is known at run time, positive or negative; 0 divides by zero."""
    from .select import if_then_else

    if stop is None:
        start, stop = 0, start
    start, stop = _bound(start, what), _bound(stop, what)
    up, down = (stop - start + (step - 1)) // step, (start - stop - (step + 1)) // (0 - step)
    return start, simplify(up if step.dtype.is_unsigned else if_then_else(step > 0, up, down)), step


def serial(start: Any, stop: Any = None, step: Any = None, *, annotations: dict[str, Any] | None = None) -> Loop:
    """A plain loop; what `range` is in a kernel.

    Examples
    --------
    >>> for k in T.serial(4):
    ...     x += k
    """
    return Loop("T.serial", "serial", (_stepped(start, stop, step, "T.serial"),), _annotated(annotations))


def unroll(
    start: Any,
    stop: Any = None,
    step: Any = None,
    *,
    explicit: bool = False,
    unroll_factor: int | None = None,
    annotations: dict[str, Any] | None = None,
) -> Loop:
    """A loop that the device compiler unrolls (`explicit`: our own compiler does; `unroll_factor`: by that much).

    Examples
    --------
    >>> for k in T.unroll(4):
    ...     x += k
    """
    if explicit and unroll_factor is not None:
        raise SemanticError("T.unroll with both explicit and unroll_factor", fix="choose one")
    if unroll_factor is not None and (not isinstance(unroll_factor, int) or unroll_factor < 1):
        raise SemanticError(f"unroll_factor={unroll_factor!r} must be a positive int")
    extra = _annotated(annotations, unroll_factor=unroll_factor, unroll_explicit=1 if explicit else None)
    return Loop("T.unroll", "unrolled", (_stepped(start, stop, step, "T.unroll"),), extra)


def vectorized(start: Any, stop: Any = None, *, annotations: dict[str, Any] | None = None) -> Loop:
    """A loop whose iterations become the lanes of vector instructions.

    Examples
    --------
    >>> for v in T.vectorized(4):
    ...     B[i * 4 + v] = A[i * 4 + v]
    """
    low, extent = _bounds(start, stop, "T.vectorized")
    if not isinstance(extent, int):
        raise ShapeError(f"the extent {extent} of T.vectorized is known only at run time", fix="give a constant")
    return Loop("T.vectorized", "vectorized", ((low, extent, None),), _annotated(annotations))


def Parallel(
    *extents: Any,
    coalesced_width: int | None = None,
    loop_layout: Any = None,
    prefer_async: bool | None = None,
    annotations: dict[str, Any] | None = None,
) -> Loop:
    """A nest whose iterations are independent: distributed over the block's threads and vectorized.

    Nests directly in one another are one nest; `continue` ends an iteration.

    Parameters
    ----------
    *extents : int or Expr
        An extent that only the device knows is served in steps; one that indexes a register tile is at most the tile's.
    coalesced_width : int, optional
        Elements that a thread handles side by side.
    loop_layout : Fragment, optional
        Which thread runs which iteration.

    Examples
    --------
    >>> for i, j in T.Parallel(64, 32):
    ...     C[i, j] = i + j
    """
    if not extents:
        raise ShapeError("T.Parallel without extents", fix="T.Parallel(n) or T.Parallel(m, n)")
    if coalesced_width is not None and (not isinstance(coalesced_width, int) or coalesced_width < 1):
        raise SemanticError(f"coalesced_width={coalesced_width!r} must be a positive int")
    ranges = tuple((0, as_extent(e, f"extent {k} of T.Parallel"), None) for k, e in enumerate(extents))
    extra = _annotated(
        annotations,
        parallel_depth=len(extents),
        coalesced_width=coalesced_width,
        loop_layout=loop_layout,
        prefer_async=None if prefer_async is None else int(prefer_async),
    )
    return Loop("T.Parallel", "parallel", ranges, extra)


def Pipelined(
    start: Any,
    stop: Any = None,
    num_stages: int = 0,
    order: list[int] | None = None,
    stage: list[int] | None = None,
    annotations: dict[str, Any] | None = None,
    *,
    sync: list[list[int]] | None = None,
    group: list[list[int]] | None = None,
) -> Loop:
    """A loop whose copies run ahead of its computation by up to `num_stages` iterations.

    `order` and `stage` (together, one entry for each statement of the body, or for each list of statements in `group`) give
    the schedule by hand. Like `sync` they are hints: waits, barriers and the statements' order follow from what statements
    read and write.

    Examples
    --------
    >>> for k in T.Pipelined(4, num_stages=2):
    ...     T.copy(A[0, k * 32], tile)
    """
    if isinstance(num_stages, bool) or not hasattr(num_stages, "__index__") or int(num_stages) < 0:
        raise SemanticError(f"num_stages={num_stages!r} must be a non-negative int")
    if (order is None) != (stage is None):
        raise SemanticError("T.Pipelined takes order and stage together", fix="give both, or only num_stages")
    if order is not None and stage is not None and len(order) != len(stage):
        raise SemanticError(f"order has {len(order)} entries and stage has {len(stage)}")
    if group is not None and stage is not None and len(group) != len(stage):
        raise SemanticError(f"group has {len(group)} entries and stage has {len(stage)}", fix="one entry of stage for each group")
    extra = _annotated(
        annotations, num_stages=int(num_stages), order=order and list(order), stage=stage and list(stage),
        sync=sync and [list(pair) for pair in sync], group=group and [list(part) for part in group],
    )  # fmt: skip
    return Loop("T.Pipelined", "serial", ((*_bounds(start, stop, "T.Pipelined"), None),), extra)


def parallel(start: Any, stop: Any = None, *, annotations: dict[str, Any] | None = None) -> Loop:
    """One loop of T.Parallel from `start` to `stop`.

    Examples
    --------
    >>> for i in T.parallel(64):
    ...     B[i] = A[i]
    """
    low, extent = _bounds(start, stop, "T.parallel")
    return Loop("T.parallel", "parallel", ((low, extent, None),), _annotated(annotations, parallel_depth=1))


def grid(*extents: Any) -> Loop:
    """Nested serial loops.

    Examples
    --------
    >>> for p, q in T.grid(4, 8):
    ...     x += p * q
    """
    if not extents:
        raise ShapeError("T.grid without extents", fix="T.grid(m, n)")
    return Loop("T.grid", "serial", tuple((0, as_extent(e, f"extent {k} of T.grid"), None) for k, e in enumerate(extents)))


def loop_dtype(start: Extent, extent: Extent) -> dtype:
    """The dtype of a loop variable: the wider of its bounds, at least int32."""
    kind = dtype("int32")
    for bound in (start, extent):
        if isinstance(bound, Expr):
            kind = promote(kind, bound.dtype)
        elif not -(2**31) <= bound < 2**31:
            kind = dtype("int64")
    return kind if not kind.is_unsigned else dtype("int64" if kind.bits > 32 else "int32")


def bound_node(bound: Extent, kind: dtype) -> Any:
    return convert(bound, kind).node


Serial, Unroll, Vectorized = serial, unroll, vectorized
