"""Kernels under `tl.check_finite`: a call raises where a value became infinite or NaN first."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilelang.codegen.launch_plan import LANE_BITS, STEP_BITS
from tilelang.errors import NumericalGuardError, SourceSpan

if TYPE_CHECKING:
    from tilelang.codegen.launch_plan import FiniteSite, LaunchPlan


def guarded(entry: Callable[..., Any], plan: LaunchPlan) -> Callable[..., Any]:
    """`entry`, whose last output is the guard: it is read, which waits for the kernel, and not returned."""

    def call(*args: Any, **kwargs: Any) -> Any:
        made = entry(*args, **kwargs)
        *outputs, guard = made if isinstance(made, (list, tuple)) else [made]
        raise_first(plan, guard.tolist())
        return None if not outputs else outputs[0] if len(outputs) == 1 else type(made)(outputs)

    return call


def raise_first(plan: LaunchPlan, notes: list[int]) -> None:
    """Raise for the earliest note of a guard.

    Raises
    ------
    NumericalGuardError
        When there is one.
    """
    first = min(notes)
    if first >> 62:
        return
    site = plan.sites[notes.index(first)]
    step, lane = first >> LANE_BITS & ((1 << STEP_BITS) - 1), first & ((1 << LANE_BITS) - 1)
    index = _index(site, lane)
    what = f"element {list(index)} of `{site.name}`" if index else f"{_KINDS[site.kind]} {lane}: `{site.name}`"
    raise NumericalGuardError(
        f"a value became infinite or NaN in `{plan.name}`: {what}" + (f", in step {step}" if site.looped else ""),
        fix="look at what this line computes there; pass_configs without tl.check_finite accept such values",
        span=SourceSpan(site.file, site.line) if site.file else None,
        name=site.name,
        lane=lane,
        step=step,
        index=index,
    )


_KINDS = {"thread": "thread", "element": "element number"}


def _index(site: FiniteSite, lane: int) -> tuple[int, ...]:
    """The index of an element, where the tensor's shape is known."""
    if not site.shape or not all(extent.isdigit() for extent in site.shape[1:]):
        return ()
    index: list[int] = []
    for extent in reversed(site.shape[1:]):
        lane, digit = divmod(lane, int(extent))
        index.insert(0, digit)
    return (lane, *index)
