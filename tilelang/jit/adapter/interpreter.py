"""Tensors for the interpreter: NumPy arrays over their memory, copies for those of a GPU."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tilelang.cache.entry import Artifact
from tilelang.errors import ArgumentTypeError
from tilelang.jit.adapter.arrays import numpy_dtype, torch_name
from tilelang.jit.adapter.base import Adapter
from tilelang.runtime.arguments import TensorView, bind_arguments, output_shapes
from tilelang.runtime.errors import describe_argument

if TYPE_CHECKING:
    from tilelang.interpreter.program import InterpretedProgram
    from tilelang.target import Target


@dataclass(frozen=True)
class InterpretedArtifact(Artifact):
    """A program in place of a binary."""

    program: InterpretedProgram | None = field(default=None, compare=False)


class InterpreterAdapter(Adapter):
    """Takes torch tensors and NumPy arrays; outputs are of the first one's kind."""

    name = "interpreter"
    guarantees = frozenset()

    @classmethod
    def runs(cls, target: Target) -> bool:
        return True

    def __call__(self, *args: Any) -> Any:
        import numpy
        import torch

        plan, program = self.plan, getattr(self.artifact, "program", None)
        assert program is not None
        self.expect_all(args)
        tensors = [a for a in args if isinstance(a, (torch.Tensor, numpy.ndarray))]
        hosts = [self._host(value) for value in args]
        symbols = bind_arguments(plan, args, [_view(host) for host in hosts], "cpu")
        made = [
            numpy.empty(shape, numpy_dtype(plan.parameters[index].dtype))
            for shape, index in zip(output_shapes(plan, symbols), plan.outputs)
        ]
        given, fresh = iter(hosts), iter(made)
        program.run([next(fresh) if p.output else next(given) for p in plan.parameters], symbols)
        for value, host in zip(args, hosts):
            if isinstance(value, torch.Tensor) and value.device.type != "cpu":
                value.copy_(_to_torch(host))
        as_numpy = bool(tensors) and isinstance(tensors[0], numpy.ndarray)
        device = tensors[0].device if tensors and not as_numpy else "cpu"
        outputs = made if as_numpy else [_to_torch(array).to(device) for array in made]
        return outputs[0] if len(outputs) == 1 else outputs or None

    def _host(self, value: Any) -> Any:
        """A NumPy array over a tensor's memory; of a GPU's tensor, over a copy's."""
        import numpy
        import torch

        if isinstance(value, torch.Tensor):
            name = str(value.dtype).removeprefix("torch.")
            value = value.detach().cpu() if value.device.type != "cpu" else value.detach()
            try:
                return value.numpy()
            except TypeError:  # NumPy has no such floats: the same bytes as ml_dtypes'
                raw = value.view({1: torch.uint8, 2: torch.int16}[value.element_size()]).numpy()
                return raw.view(numpy_dtype(name))
        if hasattr(value, "__dlpack__") and not isinstance(value, numpy.ndarray):
            raise ArgumentTypeError(
                f"`{self.plan.name}` is interpreted and was given {describe_argument(value)}",
                fix="pass torch tensors or NumPy arrays",
            )
        return value


def _view(value: Any) -> TensorView | None:
    import numpy

    if not isinstance(value, numpy.ndarray):
        return None
    strides = tuple(s // value.dtype.itemsize for s in value.strides)
    return TensorView(value.ctypes.data, value.dtype.name, tuple(value.shape), strides, ("cpu", 0))


def _to_torch(array: Any) -> Any:
    import torch

    try:
        return torch.from_numpy(array)
    except TypeError:
        raw = torch.from_numpy(array.view(f"u{array.dtype.itemsize}" if array.dtype.itemsize == 1 else "i2"))
        return raw.view(getattr(torch, torch_name(array.dtype.name)))
