"""A traced function that the interpreter runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tilelang import ir
from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.codegen.plan import interface_plan
from tilelang.errors import TileLangError, UnsupportedError
from tilelang.interpreter.breakpoints import Breakpoint
from tilelang.interpreter.dtypes import numpy_dtype
from tilelang.interpreter.machine import Machine
from tilelang.runtime.arguments import evaluate
from tilelang.target import Target
from tilelang.transform.apply_safe_values import apply_safe_values
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
        if self._host.calls:
            raise UnsupportedError(
                "T.call_packed in the interpreter, which runs launches only",
                fix="compile the program without jit=False",
                span=ir.span_to_source(self._host.calls[0].span),
            )
        self._launches = [apply_safe_values(launch) for launch in self._host.launches]
        self._breakpoints = breakpoints
        host = self._host
        self.plan: LaunchPlan = interface_plan(
            host.name, host.params, host.workspaces, [launch.grid for launch in self._launches], host.pointers, host.grid
        )

    def run(self, arguments: list[Any], symbols: Mapping[str, Any]) -> None:
        """Run all launches.

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
        with np.errstate(all="ignore"):
            for launch in self._launches:
                machine = Machine(launch, values, arrays, self._breakpoints)
                try:
                    machine.run()
                except TileLangError as error:
                    raise error.with_span(machine.state.place) from None
