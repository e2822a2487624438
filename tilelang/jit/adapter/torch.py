"""A kernel as an operator of torch: works under torch.compile(fullgraph=True), with fake tensors and in CUDA graphs."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tilelang.codegen.launch_plan import LaunchPlan, Parameter
from tilelang.jit.adapter.arrays import torch_name
from tilelang.jit.adapter.base import Adapter, register
from tilelang.jit.adapter.tvm_ffi import load_launcher
from tilelang.jit.availability import Availability, package_availability
from tilelang.runtime.arguments import input_parameters, output_shapes, solve_symbols

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions
    from tilelang.target import Target


@register
class TorchAdapter(Adapter):
    """Registers `torch.ops.tilelang.<kernel>_<digest>`.

    The schema says which arguments the kernel writes, so that torch.compile keeps the order of effects; shapes of outputs
    come from the launch plan, also for symbolic sizes.
    """

    name = "torch"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        self._operator = _operator(artifact)
        self._inputs = len(input_parameters(artifact.plan))
        self._several = len(artifact.plan.outputs) > 1

    @classmethod
    def runs(cls, target: Target) -> bool:
        return True

    @classmethod
    def available(cls) -> Availability:
        return package_availability("torch", "torch")

    def __call__(self, *args: Any) -> Any:
        if len(args) != self._inputs:
            self.expect_all(args)
        result = self._operator(*args)
        return list(result) if self._several else result

    @property
    def operator(self) -> Any:
        """The `torch.ops` overload."""
        return self._operator


@functools.cache
def _library() -> Any:
    import torch

    return torch.library.Library("tilelang", "FRAGMENT")


_registered: dict[str, Any] = {}


def _operator(artifact: Artifact) -> Any:
    """The operator of an artifact; equal artifacts share one, because operators cannot be taken back."""
    import torch

    plan = artifact.plan
    parts = [artifact.kind.encode(), plan.to_json().encode(), artifact.payload or artifact.source.encode()]
    content = hashlib.sha256(b"\0".join(parts))
    name = f"{plan.name}_{content.hexdigest()[:16]}"
    if name in _registered:
        return _registered[name]
    launcher, device = load_launcher(artifact), "cuda" if artifact.kind == "cuda" else "cpu"
    _library().define(f"{name}{_schema(plan)}", tags=(torch.Tag.pt2_compliant_tag, torch.Tag.needs_fixed_stride_order))
    _library().impl(name, _implementation(launcher, plan), "CompositeExplicitAutograd")
    torch.library.register_fake(f"tilelang::{name}", _fake(plan, device), lib=_library())
    _registered[name] = getattr(torch.ops.tilelang, name).default
    return _registered[name]


def _schema(plan: LaunchPlan) -> str:
    inputs = ", ".join(_argument(p, position) for position, p in enumerate(input_parameters(plan)))
    outputs = ", ".join(["Tensor"] * len(plan.outputs))
    return f"({inputs}) -> " + (outputs if len(plan.outputs) == 1 else f"({outputs})")


def _argument(parameter: Parameter, position: int) -> str:
    if parameter.kind == "scalar":
        kind = "bool" if parameter.dtype == "bool" else "float" if "float" in parameter.dtype else "SymInt"
    else:
        kind = "Tensor" + (f"(a{position}!)" if parameter.written else "") + ("" if parameter.used else "?")
    return f"{kind} {parameter.name}_"  # the underscore: a parameter may be named like a keyword of the schema's grammar


def _implementation(launcher: Any, plan: LaunchPlan) -> Callable[..., Any]:
    if len(plan.outputs) <= 1:
        return lambda *args: launcher(*args)
    return lambda *args: tuple(launcher(*args))


def _fake(plan: LaunchPlan, device: str) -> Callable[..., Any]:
    """Outputs without memory, for tracing."""
    inputs = input_parameters(plan)

    def fake(*args: Any) -> Any:
        import torch

        tensors = {p.name: a for p, a in zip(inputs, args) if p.kind == "tensor" and a is not None}
        scalars = {p.name: a for p, a in zip(inputs, args) if p.kind == "scalar"}
        values = solve_symbols(plan, {name: tensor.shape for name, tensor in tensors.items()}, scalars)
        place = next((tensor.device for tensor in tensors.values()), torch.device(device))
        made = tuple(
            torch.empty(shape, dtype=getattr(torch, torch_name(plan.parameters[index].dtype)), device=place)
            for shape, index in zip(output_shapes(plan, values), plan.outputs)
        )
        return made[0] if len(made) == 1 else made or None

    return fake
