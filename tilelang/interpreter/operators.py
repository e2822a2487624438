"""Tile operators on NumPy arrays; each is a function of (machine, call)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from tilelang import ir
from tilelang.interpreter.dtypes import cast, numpy_dtype
from tilelang.interpreter.memory import read_region, write_region
from tilelang.interpreter.state import Divergent, refuse

if TYPE_CHECKING:
    from tilelang.interpreter.machine import Machine

OPERATORS: dict[str, Callable[[Machine, Any], None]] = {}


def operator(*names: str) -> Callable[[Callable[[Machine, Any], None]], Callable[[Machine, Any], None]]:
    """Decorator: the meaning of calls."""

    def register(function: Callable[[Machine, Any], None]) -> Callable[[Machine, Any], None]:
        OPERATORS.update(dict.fromkeys(names, function))
        return function

    return register


@operator(
    "tl.sync_threads", "tl.sync_warp", "tl.bar_sync", "tl.fence_block", "tl.fence_device", "tl.fence_proxy_async", "tl.assume",
    "tl.annotate_layout", "tl.use_swizzle", "tl.min_blocks_per_sm", "tl.keep_registers", "tl.import_source", "tl.may_alias",
    "tl.finalize_reducer", "tl.cp_async_commit", "tl.cp_async_wait", "tl.annotate_l2_hit_ratio", "tl.wait_wgmma",
    "tl.ws_schedule", "tl.ws_pipeline_depth",
)  # fmt: skip
def nothing(machine: Machine, call: Any) -> None:
    """Statements run in the order of the program, for all threads together."""


@operator("tl.copy", "tl.tma_copy", "tl.async_copy")
def copy(machine: Machine, call: Any) -> None:
    source, destination = call.args[0], call.args[1]
    values = read(machine, source)
    write(machine, destination, cast(values, ir.buffer_dtype(destination.source)))


@operator("tl.fill")
def fill(machine: Machine, call: Any) -> None:
    region = call.args[0]
    starts, extents = bounds(machine, region)
    value = cast(machine.state.uniform(machine.evaluate(call.args[1]), "the value of a fill"), ir.buffer_dtype(region.source))
    write(machine, region, np.full(extents, value))


def _decompressed(kept: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The dense matrix of a 2:4 sparse operand (1:2 of 32-bit elements) and its metadata."""
    keep, group = (1, 2) if kept.dtype.itemsize == 4 else (2, 4)
    width = words.dtype.itemsize * 8
    codes = (words[..., None].astype(np.int64) >> np.arange(0, width, 4)) & 15
    codes = codes.reshape(words.shape[0], -1)
    first = codes % 4 // 2 if keep == 1 else codes % 4
    places = first[..., None] if keep == 1 else np.stack([first, codes // 4], -1)
    dense = np.zeros((*codes.shape, group), kept.dtype)
    np.put_along_axis(dense, places, kept.reshape(*codes.shape, keep), -1)
    return dense.reshape(kept.shape[0], -1)


@operator("tl.gemm", "tl.wgmma_gemm", "tl.cpu_gemm")
def gemm(machine: Machine, call: Any) -> None:
    a, b, c = (_matrix(read(machine, region)) for region in call.args[:3])
    a = a.T if attribute(call, "transpose_A", False) else a
    if len(call.args) > 4:
        words = _matrix(read(machine, call.args[4]))
        a = _decompressed(a, words.T if attribute(call, "transpose_E", False) else words)
    b = b.T if attribute(call, "transpose_B", False) else b
    sums = np.dtype(np.int64) if c.dtype.kind in "iu" else np.dtype(np.float64 if c.dtype.itemsize == 8 else np.float32)
    product = a.astype(sums) @ b.astype(sums)
    if not machine.integer(call.args[3], "clear_accum"):
        product = product + c.astype(sums)
    starts, extents = bounds(machine, call.args[2])
    write(machine, call.args[2], product.astype(c.dtype).reshape(extents))


_REDUCE: dict[str, np.ufunc] = {
    "sum": np.add,
    "abssum": np.add,
    "max": np.fmax,
    "absmax": np.fmax,
    "min": np.fmin,
    "bitand": np.bitwise_and,
    "bitor": np.bitwise_or,
    "bitxor": np.bitwise_xor,
}


@operator("tl.reduce")
def reduce(machine: Machine, call: Any) -> None:
    source, destination = call.args[0], call.args[1]
    kind, axis = str(attribute(call, "kind")), int(attribute(call, "dim"))
    values = read(machine, source)
    narrow = values.dtype.kind not in "iub" and values.dtype.itemsize < 4
    values = values.astype(np.float32) if narrow else values
    if kind.startswith("abs"):
        values = np.abs(values)
    table = {**_REDUCE, "max": np.maximum, "min": np.minimum} if attribute(call, "nan_propagate", False) else _REDUCE
    function = table[kind]
    result = function.reduce(values, axis=axis)
    _, extents = bounds(machine, destination)
    result = result.reshape(extents)
    if not attribute(call, "clear", True):
        result = function(read(machine, destination).astype(result.dtype), result)
    write(machine, destination, cast(result, ir.buffer_dtype(destination.source)))


@operator("tl.scan")
def scan(machine: Machine, call: Any) -> None:
    source, destination = call.args[0], call.args[1]
    axis = int(attribute(call, "dim"))
    values = read(machine, source)
    values = np.flip(values, axis) if attribute(call, "reverse", False) else values
    result = {"sum": np.add, "max": np.maximum}[str(attribute(call, "kind"))].accumulate(values, axis=axis)
    result = np.flip(result, axis) if attribute(call, "reverse", False) else result
    write(machine, destination, cast(result, ir.buffer_dtype(destination.source)))


@operator("tl.view")
def view(machine: Machine, call: Any) -> None:
    target, root = call.args[0].source, call.args[1].source
    array, dtype = machine.state.arrays[root], numpy_dtype(ir.buffer_dtype(target))
    shape = tuple(machine.integer(s, "a shape") for s in target.ty.shape)
    private = (array.shape[0],) if machine.state.private(root) else ()
    flat = array.reshape(*private, -1)
    machine.state.arrays[target] = (flat if flat.dtype == dtype else flat.view(dtype)).reshape(*private, *shape)


@operator("tl.alloc_reducer", "tl.reducer_init")
def start_reducer(machine: Machine, call: Any) -> None:
    region = call.args[0]
    buf = region.source
    if buf not in machine.state.arrays:
        machine.allocate(buf)
    kind = machine.reducers.setdefault(buf, str(attribute(call, "kind", "sum")))
    array = machine.state.arrays[buf]
    if kind in ("max", "min", "absmax"):
        info: Any = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
        lowest, highest = (info.min, info.max) if info else (-np.inf, np.inf)
        array[...] = 0 if kind == "absmax" else lowest if kind == "max" else highest
    else:
        array[...] = -1 if kind == "bitand" else 0


@operator("tl.print")
def show(machine: Machine, call: Any) -> None:
    message = str(attribute(call, "msg", ""))
    if not call.args:
        print(message)
    for argument in call.args:
        value = read(machine, argument) if isinstance(argument, ir.BufferRegion) else machine.evaluate(argument)
        print(f"{message + ': ' if message else ''}{value}")


# -- operands ----------------------------------------------------------------------------------------------------------
def attribute(call: Any, name: str, default: Any = None) -> Any:
    """An attribute of a call as a Python value."""
    value = call.attrs[name] if call.attrs is not None and name in call.attrs else default
    return value.value if isinstance(value, (ir.IntImm, ir.StringImm)) else value


def bounds(machine: Machine, region: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """(starts, extents) of a region."""
    starts = tuple(machine.integer(r.min, "where a region starts") for r in region.region)
    return starts, tuple(machine.integer(r.extent, "the extent of a region") for r in region.region)


def read(machine: Machine, region: Any) -> np.ndarray:
    """The values of a region; of a private buffer, those that the running threads share."""
    state, (starts, extents) = machine.state, bounds(machine, region)
    array = state.arrays[region.source]
    if not state.private(region.source):
        return read_region(array, starts, extents)
    if state.lanes != "thread":
        if not (array == array[:1]).all():
            raise Divergent(str(region.source.name))
        return read_region(array[0], starts, extents)
    return read_region(array[state.thread], starts, extents)


def write(machine: Machine, region: Any, values: np.ndarray) -> None:
    """Assign to a region whose extents are those of `values`, apart from extents of 1."""
    state, (starts, extents) = machine.state, bounds(machine, region)
    wide, own = tuple(n for n in values.shape if n != 1), tuple(n for n in extents if n != 1)
    if wide != own:
        raise refuse(f"copying {values.shape} to {extents}", state.place)
    values, array = values.reshape(extents), state.arrays[region.source]
    if not state.private(region.source):
        write_region(array, starts, values)
    elif state.lanes == "thread":
        write_region(array[state.thread], starts, values)
    else:
        mask = np.ones(state.threads, bool) if state.mask is None else np.broadcast_to(state.mask, (state.threads,))
        for thread in np.flatnonzero(mask):
            write_region(array[thread], starts, values)


def _matrix(values: np.ndarray) -> np.ndarray:
    return values.reshape(values.shape[-2:]) if values.ndim > 2 else values
