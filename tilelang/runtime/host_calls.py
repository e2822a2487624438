"""Calls of T.call_packed made from Python: for backends without the native launcher, whose rules and errors these are."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

from tilelang.codegen.launch_plan import HostArgument, HostCall, LaunchPlan
from tilelang.errors import ArgumentError, TileLangError
from tilelang.language.dtypes import dtype
from tilelang.runtime.arguments import evaluate
from tilelang.runtime.errors import HostCallError, host_call_error

# (tensor, dtype, extents, strides, offset in elements): a box of a tensor's memory.
Box = Callable[[Any, str, tuple[int, ...], tuple[int, ...], int], Any]


def call_host(
    call: HostCall,
    plan: LaunchPlan,
    tensors: Sequence[Any],
    values: MutableMapping[str, Any],
    *,
    box: Box,
    address: Callable[[Any], int],
    hand_over: Callable[[Any], Any] = lambda tensor: tensor,
) -> None:
    """Call the function that is registered now; its result becomes the value of `call.result`.

    Parameters
    ----------
    tensors : sequence
        For each parameter, then workspace, what a function receives for the whole of it.
    values : dict
        The value of every symbol that is known.
    box, address : callable
        A part of a tensor's memory as a tensor, and the address of a tensor's first element.
    hand_over : callable
        What tvm-ffi takes for a tensor.

    Raises
    ------
    HostCallError, ArgumentError
    """
    import tvm_ffi

    function = tvm_ffi.get_global_func(call.function, allow_missing=True)
    if function is None:
        raise HostCallError(
            f"`{plan.name}` calls `{call.function}`, which is not registered",
            fix=f'tvm_ffi.register_global_func("{call.function}", function) before the kernel is called',
        )
    arguments = []
    for argument in call.arguments:
        if argument.kind == "tensor":
            arguments.append(hand_over(tensors[argument.value]))
        elif argument.kind == "part":
            arguments.append(hand_over(box(tensors[argument.value], argument.dtype, *_box_of(argument, call, plan, values))))
        elif argument.kind == "pointer":
            offset = _offset(argument, values) * dtype(argument.dtype).bits // 8
            arguments.append(ctypes.c_void_p(address(tensors[argument.value]) + offset))
        else:
            arguments.append(_number(argument, values))
    try:
        result = function(*arguments)
    except TileLangError:
        raise
    except Exception as error:
        kind = type(error).__name__
        raise host_call_error(kind)(f"`{call.function}`, which `{plan.name}` calls, raised {kind}: {error}") from error
    if call.result:
        if not isinstance(result, int) or not -(2**31) <= result < 2**31:
            raise HostCallError(
                f"`{call.function}` returned {result!r}, which `{plan.name}` reads as an int32",
                fix="return an integer of 32 bits",
            )
        values[call.result] = int(result)


def _number(argument: HostArgument, values: Mapping[str, Any]) -> Any:
    if argument.kind == "int":
        return int(evaluate(argument.value, values))
    if argument.kind not in ("float", "bool"):
        return argument.value
    found = values[argument.value] if isinstance(argument.value, str) else argument.value
    return bool(found) if argument.kind == "bool" else float(found)


def _offset(argument: HostArgument, values: Mapping[str, Any]) -> int:
    return sum(int(evaluate(a, values)) * int(evaluate(b, values)) for a, b in zip(argument.starts, argument.strides))


def _box_of(
    argument: HostArgument, call: HostCall, plan: LaunchPlan, values: Mapping[str, Any]
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """Extents and strides of the axes that the function sees, and the first element."""
    for axis, bounds in enumerate(zip(argument.starts, argument.extents, argument.shape)):
        start, extent, whole = (int(evaluate(expr, values)) for expr in bounds)
        if start < 0 or extent < 0 or start + extent > whole:
            name = [*plan.parameters, *plan.workspaces][argument.value].name
            raise ArgumentError(
                f"`{call.function}` would receive {start}:{start + extent} of axis {axis} of `{name}`, which has {whole}",
                fix="pass a slice that lies in the tensor",
            )
    extents = tuple(int(evaluate(argument.extents[axis], values)) for axis in argument.axes)
    strides = tuple(int(evaluate(argument.strides[axis], values)) for axis in argument.axes)
    return extents, strides, _offset(argument, values)
