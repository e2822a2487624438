"""A traced function that the interpreter runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tilelang import ir
from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.codegen.plan import interface_plan
from tilelang.errors import TileLangError
from tilelang.interpreter.breakpoints import Breakpoint
from tilelang.interpreter.dtypes import numpy_dtype
from tilelang.interpreter.machine import Machine
from tilelang.jit.adapter.arrays import library_of
from tilelang.runtime.arguments import evaluate
from tilelang.runtime.host_calls import call_host
from tilelang.target import Target
from tilelang.transform.apply_safe_values import apply_safe_values
from tilelang.transform.kernel_program import KernelProgram
from tilelang.transform.split_launches import split_launches


class InterpretedProgram:
    """The launches of a PrimFunc, as they were traced.

    Parameters
    ----------
    prim_func : PrimFunc
        The tile program.
    target : Target
        Whose limits the program must keep.
    breakpoints : list of Breakpoint
        What was noted while it was traced.
    """

    def __init__(self, prim_func: Any, target: Target, breakpoints: list[Breakpoint]) -> None:
        self._host = split_launches(prim_func, target, {})
        launches = [apply_safe_values(launch) for launch in self._host.launches]
        self._breakpoints = breakpoints
        host = self._host
        self.plan: LaunchPlan = interface_plan(
            host.name, host.params, host.workspaces, [launch.grid for launch in launches], host.pointers, host.grid,
            host.calls, host.views, {v for launch in launches for v in ir.collect(launch.body, ir.Var)} if host.calls else (),
        )  # fmt: skip
        self._steps: list[Any] = []  # launches, and calls with the variables of their results
        calls = list(zip(self.plan.calls, (call.result for call in host.calls)))
        for number in range(len(launches) + 1):
            self._steps += [step for step in calls if step[0].after == number]
            self._steps += launches[number : number + 1]

    def run(self, arguments: list[Any], symbols: Mapping[str, Any]) -> None:
        """Run all launches, and what the host calls between them.

        Parameters
        ----------
        arguments : list
            For each parameter its array, number, or None; arrays are written in place.
        symbols : mapping
            The value of every symbol of the plan.
        """
        values: dict[Any, Any] = {}
        arrays: dict[Any, np.ndarray] = {}
        for var, argument in zip(self._host.params, arguments):
            if not ir.is_buffer_var(var):
                values[var] = np.asarray(argument).astype(numpy_dtype(ir.dtype_of(var)))[()]
                continue
            if argument is not None:
                arrays[var] = argument
            for extent in (*var.ty.shape, *var.ty.strides):
                for symbol in ir.collect(extent, ir.Var):
                    if str(symbol.name) in symbols:
                        values[symbol] = numpy_dtype(ir.dtype_of(symbol)).type(symbols[str(symbol.name)])
        for workspace, planned in zip(self._host.workspaces, self.plan.workspaces):
            shape = tuple(evaluate(extent, symbols) for extent in planned.shape)
            arrays[workspace] = np.zeros(shape, numpy_dtype(planned.dtype))
        tensors = [arrays.get(var) for var in (*self._host.params, *self._host.workspaces)]
        known = dict(symbols)
        with np.errstate(all="ignore"):
            for step in self._steps:
                if isinstance(step, KernelProgram):
                    self._launch(step, values, arrays)
                    continue
                call, result = step
                call_host(call, self.plan, tensors, known, box=_box, address=_address, hand_over=_exported)
                if call.result:
                    values[result] = np.int32(known[call.result])

    def _launch(self, launch: KernelProgram, values: dict[Any, Any], arrays: dict[Any, np.ndarray]) -> None:
        machine = Machine(launch, values, arrays, self._breakpoints)
        try:
            machine.run()
        except TileLangError as error:
            raise error.with_span(machine.state.place) from None


def _exported(array: Any) -> Any:
    """What tvm-ffi takes for an array, of types that NumPy itself has not, too."""
    library = library_of(array)
    return array if library is None else library.export(array)


def _address(array: Any) -> int:
    return array.ctypes.data


def _box(array: Any, dtype: str, extents: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
    kind = numpy_dtype(dtype)
    raw = np.dtype(f"u{kind.itemsize}") if kind.type.__module__ == "ml_dtypes" else kind
    lent = type("Lent", (), {})()
    lent.__array_interface__ = {
        "version": 3,
        "data": (_address(array) + offset * kind.itemsize, False),
        "typestr": raw.str,
        "shape": extents,
        "strides": tuple(step * kind.itemsize for step in strides),
    }
    return np.asarray(lent).view(kind)
