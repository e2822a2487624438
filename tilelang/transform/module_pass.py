"""Passes as objects that are called on a module, for programs that apply a single one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tilelang.errors import ArgumentTypeError


@dataclass(frozen=True)
class ModulePass:
    """A function from PrimFunc to PrimFunc that also takes an IRModule, whose functions it replaces.

    Parameters
    ----------
    name : str
        For readers.
    function : callable
        PrimFunc to PrimFunc.

    Examples
    --------
    >>> tilelang.transform.Simplify()(tvm.IRModule({"main": program}))["main"]
    """

    name: str
    function: Callable[[Any], Any]

    def __call__(self, mod: Any) -> Any:
        """The module, or the function, after the pass.

        Raises
        ------
        ArgumentTypeError
            For anything else.
        """
        from tilelang import ir
        from tilelang.jit.impl import traced

        if isinstance(mod, ir.IRModule):
            new = {var: self.function(f) if isinstance(f, ir.PrimFunc) else f for var, f in mod.functions.items()}
            return ir.IRModule(new, mod.attrs)
        found = traced(mod)
        if not isinstance(found, ir.PrimFunc):
            raise ArgumentTypeError(
                f"{self.name} of {type(mod).__name__}", fix="pass an IRModule or a function under T.prim_func"
            )
        return self.function(found)
