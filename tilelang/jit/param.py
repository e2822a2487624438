"""What a kernel says of its parameters."""

from __future__ import annotations

from dataclasses import dataclass

from tilelang.codegen.launch_plan import Expr, LaunchPlan


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

        return getattr(torch, "float8_e4m3fn" if self.dtype == "float8_e4m3" else self.dtype)


def params_of(plan: LaunchPlan) -> list[KernelParam]:
    """All parameters of a plan, outputs included."""
    return [KernelParam(p.dtype, p.shape, p.name, p.kind) for p in plan.parameters]
