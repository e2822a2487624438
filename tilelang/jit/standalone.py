"""A CPU kernel without this package: ctypes and NumPy are all that it needs.

`JITKernel.export_library("name.py")` copies this text, so it imports nothing of tilelang.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

import numpy


def evaluate(expr: Any, values: dict[str, int]) -> int:
    """The value of an expression of a launch plan: an int, a symbol, or [operator, a, b]."""
    if not isinstance(expr, list):
        return values[expr] if isinstance(expr, str) else expr
    a, b = evaluate(expr[1], values), evaluate(expr[2], values)
    return {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "floordiv": lambda: a // b,
        "ceildiv": lambda: -(-a // b),
        "floormod": lambda: a % b,
        "min": lambda: min(a, b),
        "max": lambda: max(a, b),
    }[expr[0]]()


def solve(expr: Any, extent: int, values: dict[str, int]) -> None:
    """Add to `values` the one symbol of a sum or product that they lack, where `extent` determines it."""
    while isinstance(expr, list) and expr[0] in ("+", "-", "*"):
        op, a, b = expr
        try:
            known, expr, left = evaluate(a, values), b, False
        except KeyError:
            try:
                known, expr, left = evaluate(b, values), a, True
            except KeyError:
                return
        if op == "*":
            if known == 0 or extent % known:
                return
            extent //= known
        elif op == "+":
            extent -= known
        else:
            extent = extent + known if left else known - extent
    if isinstance(expr, str):
        values.setdefault(expr, extent)


def bind(plan: dict[str, Any], args: tuple) -> tuple[list[Any], dict[str, Any]]:
    """(an array, number or None for each parameter; the values of all symbols), checked; outputs are made.

    Raises
    ------
    TypeError, ValueError
        For an argument that does not fit its parameter.
    """
    wanted = [p for p in plan["parameters"] if not p["output"]]
    if len(args) != len(wanted):
        raise TypeError(f"{plan['name']} takes {', '.join(p['name'] for p in wanted)}; got {len(args)} argument(s)")
    given = {p["name"]: value for p, value in zip(wanted, args)}
    values: dict[str, Any] = {p["name"]: given[p["name"]] for p in wanted if p["kind"] == "scalar"}
    arrays = [p for p in wanted if p["kind"] == "tensor"]
    for p in arrays:
        array = given[p["name"]]
        if not isinstance(array, numpy.ndarray) or array.dtype != numpy.dtype(p["dtype"]):
            raise TypeError(f"{p['name']} must be a NumPy array of {p['dtype']}, got {getattr(array, 'dtype', type(array))}")
        if array.ndim != len(p["shape"]):
            raise ValueError(f"{p['name']} must have {len(p['shape'])} dimensions, got {array.shape}")
        if array.size and (not array.flags.c_contiguous or array.ctypes.data % p["alignment"]):
            raise ValueError(f"{p['name']} must be contiguous and start at a multiple of {p['alignment']} bytes")
        for extent, actual in zip(p["shape"], array.shape):
            if isinstance(extent, str):
                values.setdefault(extent, actual)
    for _ in arrays:  # each round may find what another needs
        for p in arrays:
            for extent, actual in zip(p["shape"], given[p["name"]].shape):
                solve(extent, actual, values)
    for p in arrays:
        shape = tuple(evaluate(extent, values) for extent in p["shape"])
        if given[p["name"]].shape != shape:
            raise ValueError(f"{p['name']} must have shape {shape}, got {given[p['name']].shape}")
    return [_made(p, values) if p["output"] else given[p["name"]] for p in plan["parameters"]], values


def _made(tensor: dict[str, Any], values: dict[str, Any]) -> Any:
    """An array that starts at a multiple of 64 bytes."""
    shape, dtype = tuple(evaluate(extent, values) for extent in tensor["shape"]), numpy.dtype(tensor["dtype"])
    size = dtype.itemsize
    for extent in shape:
        size *= extent
    raw = numpy.zeros(size + 64, numpy.uint8)
    start = -raw.ctypes.data % 64
    return raw[start : start + size].view(dtype).reshape(shape)


def load(plan: dict[str, Any], path: str) -> Callable[..., Any]:
    """The kernel in a shared object, as a function of NumPy arrays; other Python threads run meanwhile."""
    library = ctypes.CDLL(path)

    def call(*args: Any) -> Any:
        parameters, values = bind(plan, args)
        tensors = [*parameters, *(_made(workspace, values) for workspace in plan["workspaces"])]
        for kernel in plan["kernels"]:
            grid = [evaluate(extent, values) for extent in kernel["grid"]]
            if 0 in grid:
                continue
            held = [_slot(argument, tensors, values) for argument in kernel["arguments"]]
            pointers = (ctypes.c_void_p * (len(held) + 1))(*(ctypes.addressof(slot) for slot in held))
            report = ctypes.create_string_buffer(1024)
            entry = library[kernel["name"] + "__cpu"]
            if entry(pointers, (ctypes.c_uint32 * 3)(*grid), report, ctypes.c_uint64(1024)):
                raise RuntimeError(report.value.decode())
        made = [parameters[index] for index in plan["outputs"]]
        return made[0] if len(made) == 1 else made or None

    call.__name__ = plan["name"]
    return call


def _slot(argument: dict[str, Any], tensors: list[Any], values: dict[str, Any]) -> Any:
    """The eight bytes that the kernel reads for an argument."""
    if argument["kind"] == "tensor":
        tensor = tensors[argument["value"]]
        return ctypes.c_void_p(None if tensor is None else tensor.ctypes.data)
    value = numpy.asarray(evaluate(argument["value"], values)).astype(numpy.dtype(argument["dtype"]))
    return ctypes.create_string_buffer(value.tobytes(), 9)
