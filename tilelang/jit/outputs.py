"""`out_idx`: which parameters the call allocates and returns."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.errors import SemanticError


class OutputIndexError(SemanticError):
    """An `out_idx` that does not fit the parameters."""

    code = "TL0207"


def normalize_out_idx(out_idx: int | Sequence[int] | None, count: int) -> tuple[int, ...] | None:
    """Indices of `count` parameters, in the order in which they are returned; negatives count from the end."""
    if out_idx is None:
        return None
    result: list[int] = []
    for index in [out_idx] if isinstance(out_idx, int) else list(out_idx):
        if isinstance(index, bool) or not isinstance(index, int):
            raise OutputIndexError(f"out_idx holds {index!r}", fix="give ints")
        if not -count <= index < count:
            raise OutputIndexError(f"out_idx {index} is out of range: the kernel has {count} parameters", fix=f"use {-count} .. {count - 1}")
        if index % count in result:
            raise OutputIndexError(f"out_idx names parameter {index % count} twice")
        result.append(index % count)
    return tuple(result)


def mark_outputs(plan: LaunchPlan, out_idx: int | Sequence[int] | None) -> LaunchPlan:
    """`plan` with the parameters of `out_idx` as outputs."""
    chosen = normalize_out_idx(out_idx, len(plan.parameters))
    if chosen is None:
        return plan
    if plan.outputs and plan.outputs != chosen:
        raise OutputIndexError(
            f"Out index conflict: out_idx is {out_idx}, but `{plan.name}` already returns {[plan.parameters[i].name for i in plan.outputs]}",
            fix="remove out_idx",
        )
    for index in chosen:
        if plan.parameters[index].kind != "tensor":
            raise OutputIndexError(f"out_idx {index} is `{plan.parameters[index].name}`, a scalar", fix="only tensors can be returned")
    parameters = tuple(dataclasses.replace(p, output=i in chosen) for i, p in enumerate(plan.parameters))
    return dataclasses.replace(plan, parameters=parameters, outputs=chosen)
