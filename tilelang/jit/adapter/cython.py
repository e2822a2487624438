"""A compiled extension on Python's stable ABI in front of the native launcher: packs torch tensors in C."""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentTypeError
from tilelang.jit.adapter.arrays import torch_name
from tilelang.jit.adapter.base import Adapter, register
from tilelang.jit.availability import Availability
from tilelang.paths import PACKAGE
from tilelang.runtime.arguments import input_parameters, output_shapes, solve_symbols
from tilelang.runtime.errors import NativeError, describe_argument, explain
from tilelang.runtime.launcher import Launcher

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions
    from tilelang.target import Target

_EXTENSION = PACKAGE / "lib" / "tilelang_cython.abi3.so"
# DLPack's codes: int 0, uint 1, float 2, bfloat 4, bool 6, e4m3fn 10, e4m3fnuz 11, e5m2 12, e5m2fnuz 13, e8m0fnu 14
_CODES = {
    **{f"int{bits}": (0, bits) for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": (1, bits) for bits in (8, 16, 32, 64)},
    **{f"float{bits}": (2, bits) for bits in (16, 32, 64)},
    "bfloat16": (4, 16),
    "bool": (6, 8),
    "float8_e4m3fn": (10, 8),
    "float8_e5m2": (12, 8),
    "float8_e4m3fnuz": (11, 8),
    "float8_e5m2fnuz": (13, 8),
    "float8_e8m0fnu": (14, 8),
    "float4_e2m1fn_x2": (1, 8),  # as bytes: the launcher counts two elements in each
}


@register
class CythonAdapter(Adapter):
    """Takes torch tensors; outputs are torch's."""

    name = "cython"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        import torch

        launcher = Launcher(artifact.plan.without_outputs(), artifact.binary())
        dtypes = {getattr(torch, name): code for name, code in _CODES.items() if hasattr(torch, name)}
        self._call = _extension().PackedFunction(launcher.function, dtypes, _current_stream)
        self._inputs = input_parameters(artifact.plan)
        self._device = "cuda" if artifact.kind == "cuda" else "cpu"

    @classmethod
    def runs(cls, target: Target) -> bool:
        return True

    @classmethod
    def available(cls) -> Availability:
        return Availability(_EXTENSION.is_file(), str(_EXTENSION.name), "run `python -m tilelang.runtime.build` in the checkout")

    def __call__(self, *args: Any) -> Any:
        self.expect_all(args)
        outputs = self._outputs(args) if self.plan.outputs else []
        values = iter(args)
        made = dict(zip(self.plan.outputs, outputs))
        complete = tuple(made[i] if i in made else next(values) for i in range(len(self.plan.parameters)))
        try:
            self._call(complete)
        except _extension().PackedCallError as error:
            failure: Exception = explain(NativeError(str(error)), complete)
        except TypeError as error:
            position = error.args[0]
            parameter = self.plan.parameters[position]
            failure = ArgumentTypeError(
                f"Unsupported tensor type: argument `{parameter.name}` of `{self.plan.name}` is "
                + describe_argument(complete[position]),
                fix='pass a torch tensor, or use execution_backend="dlpack"',
            )
        except KeyError as error:
            failure = ArgumentTypeError(f"`{self.plan.name}` was given a tensor of {error.args[0]}, which no kernel takes")
        else:
            return outputs[0] if len(outputs) == 1 else outputs or None
        raise failure

    def _outputs(self, args: tuple) -> list[Any]:
        import torch

        tensors = {p.name: a for p, a in zip(self._inputs, args) if p.kind == "tensor" and isinstance(a, torch.Tensor)}
        scalars = {p.name: a for p, a in zip(self._inputs, args) if p.kind == "scalar"}
        values = solve_symbols(self.plan, {name: tensor.shape for name, tensor in tensors.items()}, scalars)
        device = next((tensor.device for tensor in tensors.values()), torch.device(self._device))
        dtypes = [getattr(torch, torch_name(self.plan.parameters[index].dtype)) for index in self.plan.outputs]
        return [torch.empty(shape, dtype=d, device=device) for shape, d in zip(output_shapes(self.plan, values), dtypes)]


def _current_stream(device: int) -> int:
    import torch

    return torch.cuda.current_stream(device).cuda_stream


@functools.cache
def _extension() -> Any:
    """The compiled module; loaded by path, since it lies among the native libraries."""
    import tvm_ffi  # noqa: F401  its library must be in the process first

    loader = importlib.machinery.ExtensionFileLoader("tilelang_cython", str(_EXTENSION))
    spec = importlib.util.spec_from_file_location("tilelang_cython", _EXTENSION, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module
