"""Start the blocks with most work first, where a loop's trip count grows with the block index (causal attention).

Hardware starts blocks in the order of their indices. If the longest ones start last, most multiprocessors idle while they run;
started first, they leave the short ones to fill the gaps (longest processing time first: Graham, 1969).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from .kernel_program import KernelProgram
from .pipelining.body_units import may_order_blocks

DISABLE = "tl.disable_block_reordering"


def heaviest_first(program: KernelProgram) -> KernelProgram:
    """Reverse a block axis along which the work grows; kernels in which blocks may wait for each other stay as they are."""
    if (
        program.config(DISABLE)
        or program.cluster != (1, 1, 1)
        or any(communicates(call) for call in ir.collect(program.body, ir.Call))
    ):
        return program
    for axis, signs in enumerate(work_growth(program)):
        if signs - {0} == {1}:
            return _reversed(program, axis)
    return program


def work_growth(program: KernelProgram) -> list[set[int | None]]:
    """For each block axis, how the trip counts of the launch's loops change along it (`growth`)."""
    binds = {b.var: b.value for b in ir.collect(program.body, ir.Bind)}
    extents = [inlined(loop.extent, binds) for loop in ir.collect(program.body, ir.For)]
    return [{growth(extent, var) for extent in extents} for var in program.block_vars]


def communicates(call: ir.Call) -> bool:
    """True for calls through which blocks may depend on each other."""
    name = ir.call_name(call)
    return name.startswith(("tl.atomic_", "tl.call_extern")) or (name.startswith("tirx.") and may_order_blocks(call))


def inlined(expr: Any, binds: dict[ir.Var, Any]) -> Any:
    """An expression with bound scalars replaced by their values."""
    for _ in range(len(binds)):
        if not ir.uses_var(expr, binds):
            break
        expr = ir.substitute(expr, binds)
    return expr


def growth(expr: Any, var: ir.Var) -> int | None:
    """1 if an expression never falls as `var` grows, -1 if it never rises, 0 if it does not depend on it; None if unknown."""
    if not ir.uses_var(expr, {var}):
        return 0
    if isinstance(expr, ir.Var):
        return 1
    if isinstance(expr, ir.Cast):
        return growth(expr.value, var)
    if isinstance(expr, (ir.Add, ir.Min, ir.Max)):
        return _together(growth(expr.a, var), growth(expr.b, var))
    if isinstance(expr, ir.Sub):
        right = growth(expr.b, var)
        return _together(growth(expr.a, var), None if right is None else -right)
    if isinstance(expr, (ir.Mul, ir.FloorDiv)):
        factor, inner = ir.const_int(expr.b), growth(expr.a, var)
        if factor is None or inner is None or (factor < 1 and isinstance(expr, ir.FloorDiv)):
            return None
        return inner if factor > 0 else -inner
    return None


def _together(a: int | None, b: int | None) -> int | None:
    if a is None or b is None or a * b < 0:
        return None
    return a or b


def _reversed(program: KernelProgram, axis: int) -> KernelProgram:
    var, extent = program.block_vars[axis], ir.as_expr(program.grid[axis])
    hardware = ir.var(f"block_{'xyz'[axis]}")
    program.ctx.ranges[hardware] = program.ctx.ranges.setdefault(var, (0, extent))
    axes = list(program.block_vars)
    axes[axis] = hardware
    bind = ir.Bind(var, extent - 1 - hardware, program.span)
    return replace(program, body=ir.seq([bind, program.body]), block_vars=(axes[0], axes[1], axes[2]))
