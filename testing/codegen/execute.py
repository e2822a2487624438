"""Run a compiled program in the simulator by its launch plan, with NumPy arrays."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.engine import CompiledProgram
from tilelang.simulator.compiler import compile_kernel
from tilelang.simulator.launch import SimulatedModule

_SCALARS = {
    "int32": ctypes.c_int32,
    "int64": ctypes.c_int64,
    "uint32": ctypes.c_uint32,
    "float32": ctypes.c_float,
    "float64": ctypes.c_double,
    "bool": ctypes.c_bool,
}
_OPERATORS = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "floordiv": lambda a, b: a // b,
    "ceildiv": lambda a, b: -(-a // b),
    "floormod": lambda a, b: a % b,
    "min": min,
    "max": max,
}


def evaluate(expr: Any, symbols: dict[str, Any]) -> int:
    """A plan's expression."""
    if isinstance(expr, (list, tuple)):
        return _OPERATORS[expr[0]](evaluate(expr[1], symbols), evaluate(expr[2], symbols))
    return symbols[expr] if isinstance(expr, str) else expr


def solve(plan: LaunchPlan, arguments: list[Any]) -> dict[str, Any]:
    """The symbols' values."""
    symbols: dict[str, Any] = {}
    for parameter, value in zip(plan.parameters, arguments):
        if parameter.kind == "scalar":
            symbols[parameter.name] = value
            continue
        symbols.update({d: n for d, n in zip(parameter.shape, value.shape) if isinstance(d, str)})
        strides = [s // value.itemsize for s in value.strides]
        symbols.update({d: n for d, n in zip(parameter.strides or (), strides) if isinstance(d, str)})
    return symbols


def execute(compiled: CompiledProgram, *arguments: Any) -> None:
    """Run all launches of a program; tensors are NumPy arrays of the right size (any dtype of the right width)."""
    plan = LaunchPlan.from_json(compiled.plan.to_json())
    symbols = solve(plan, list(arguments))
    workspaces = [
        np.full([evaluate(s, symbols) for s in w.shape], -1, np.dtype("float32" if w.dtype == "float32" else "int32"))
        for w in plan.workspaces
    ]
    tensors = [*arguments, *workspaces]
    module = SimulatedModule(compile_kernel(compiled.source, [k.name for k in plan.kernels]))
    for kernel in plan.kernels:
        values = [tensors[a.value] if a.kind == "tensor" else _SCALARS[a.dtype](symbols[a.value]) for a in kernel.arguments]
        grid = [evaluate(e, symbols) for e in kernel.grid]
        if 0 not in grid:
            module.launch(kernel.name, grid, kernel.block, values, shared_bytes=kernel.shared_bytes)
