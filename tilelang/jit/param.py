"""What a kernel says of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from tilelang.codegen.launch_plan import Expr, LaunchPlan
from tilelang.language.dtypes import storage_name


@dataclass(frozen=True)
class KernelParam:
    """A parameter of a compiled kernel.

    Parameters
    ----------
    dtype : str
        Such as "float16".
    shape : tuple
        Extents: ints, names of symbols, or expressions over them; empty for a scalar.
    name : str
        As in the function's signature.
    """

    dtype: str
    shape: tuple[Expr, ...]
    name: str = ""
    kind: str = "tensor"

    def is_scalar(self) -> bool:
        return self.kind == "scalar"

    def is_symbolic(self) -> bool:
        """Whether an extent is known only at a call."""
        return any(not isinstance(extent, int) for extent in self.shape)

    def torch_dtype(self):
        """The torch dtype; imports torch."""
        import torch

        return getattr(torch, storage_name(self.dtype))


def params_of(plan: LaunchPlan) -> list[KernelParam]:
    """All parameters of a plan, outputs included."""
    return [KernelParam(p.dtype, p.shape, p.name, p.kind) for p in plan.declared]


@dataclass(frozen=True)
class Parameter:
    """A parameter with its role.

    Parameters
    ----------
    name, dtype, shape
        As in `KernelParam`.
    role : str
        "in"; "inout" for a tensor that the caller passes and the kernel writes; "out" for one that a call makes and returns;
        "scalar".
    """

    name: str
    dtype: str
    shape: tuple[Expr, ...]
    role: str


def parameters_of(plan: LaunchPlan) -> tuple[Parameter, ...]:
    """All parameters of a plan with their roles."""

    def role(p) -> str:
        return "scalar" if p.kind == "scalar" else "out" if p.output else "inout" if p.written else "in"

    return tuple(Parameter(p.name, p.dtype, p.shape, role(p)) for p in plan.declared)
