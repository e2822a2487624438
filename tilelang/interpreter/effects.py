"""Calls that change memory or exchange values between threads; they may also be values."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilelang import ir
from tilelang.interpreter.dtypes import cast
from tilelang.interpreter.state import Divergent, refuse

if TYPE_CHECKING:
    from tilelang.interpreter.machine import Machine

# (machine, call, whether the result is used) -> the result
EFFECTS: dict[str, Callable[[Machine, Any, bool], Any]] = {}

_ATOMIC: dict[str, Any] = {
    "add": np.add,
    "max": np.fmax,
    "min": np.fmin,
    "and": np.bitwise_and,
    "or": np.bitwise_or,
    "xor": np.bitwise_xor,
}


def effect(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorator: the meaning of calls, by the names without their dialect."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        EFFECTS.update(dict.fromkeys(names, function))
        return function

    return register


@effect(*(f"atomic_{kind}" for kind in _ATOMIC))
def atomic(machine: Machine, call: Any, used: bool) -> Any:
    from tilelang.interpreter.operators import bounds, read, write

    function, target = _ATOMIC[ir.call_name(call).rpartition("_")[2]], call.args[0]
    if isinstance(target, ir.BufferRegion):
        value = read(machine, call.args[1]) if isinstance(call.args[1], ir.BufferRegion) else machine.evaluate(call.args[1])
        before = read(machine, target)
        _, extents = bounds(machine, target)
        value = value.reshape(extents) if np.ndim(value) else value
        dtype = ir.buffer_dtype(target.source)
        write(machine, target, cast(function(before, cast(value, dtype)), dtype))
        return None
    return combine(machine, target, call.args[1], function, used)


@effect("reducer_update")
def update_reducer(machine: Machine, call: Any, used: bool) -> None:
    kind = machine.reducers[call.args[0].args[0].source]
    function = _ATOMIC[{"sum": "add", "abssum": "add", "absmax": "max"}.get(kind, kind.removeprefix("bit"))]
    combine(machine, call.args[0], call.args[1], function, False, np.abs if kind.startswith("abs") else None)


def combine(machine: Machine, pointer: Any, operand: Any, function: Any, used: bool, prepare: Any = None) -> Any:
    """Combine elements with values, one lane after the other; what was there before, if that is used."""
    if not ir.is_call(pointer, "tirx.address_of"):
        raise refuse("an address that is not &buffer[index]", machine.state.place)
    state, element = machine.state, pointer.args[0]
    index = tuple(machine.evaluate(i) for i in element.indices)
    dtype = ir.buffer_dtype(element.source)
    value = cast(machine.evaluate(operand), dtype)
    value = value if prepare is None else prepare(value)
    array = state.arrays[element.source]
    if state.private(element.source):
        raise refuse("an atomic operation on a thread's own array", state.place)
    lanes = state.threads if state.lanes == "threads" else np.size(state.mask) if state.mask is not None else 1
    shape = () if state.lanes == "thread" else (lanes,)
    where = tuple(np.broadcast_to(i, shape) for i in index)
    values = np.broadcast_to(value, shape)
    running = np.ones(shape, bool) if state.mask is None else np.broadcast_to(state.mask, shape)
    for i, extent in zip(where, array.shape):
        running = running & (i >= 0) & (i < extent)
    if not used:
        function.at(array, tuple(i[running] for i in where), values[running])
        return None
    before = np.zeros(shape, array.dtype)
    for lane in np.ndindex(shape):
        if running[lane]:
            place = tuple(int(i[lane]) for i in where)
            before[lane] = array[place]
            array[place] = function(array[place], values[lane])
    return before[()]


@effect("shfl_xor", "shfl", "shfl_up", "shfl_down")
def shuffle(machine: Machine, call: Any, used: bool) -> Any:
    from tilelang.interpreter.expressions import base_name

    state = machine.state
    if state.lanes != "threads":
        raise Divergent("a shuffle")
    value = np.broadcast_to(machine.evaluate(call.args[0]), (state.threads,))
    other = np.broadcast_to(machine.evaluate(call.args[1]), (state.threads,)).astype(np.int64)
    thread = np.arange(state.threads)
    width = int(machine.integer(call.args[2], "the width of a shuffle")) if len(call.args) > 2 else 32
    lane, first = thread % width, thread // width * width
    name = base_name(call)
    source = lane ^ other if name == "shfl_xor" else lane - other if name == "shfl_up" else lane + other
    source = other % width if name == "shfl" else np.where((source < 0) | (source >= width), lane, source)
    return value[np.clip(first + source, 0, state.threads - 1)]
