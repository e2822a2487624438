"""Arrays of any library that exports DLPack (NumPy, torch, CuPy, JAX, tvm-ffi), without a copy; outputs are the caller's type."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentError
from tilelang.jit.adapter.arrays import ArrayLibrary, library_of
from tilelang.jit.adapter.base import Adapter, register
from tilelang.jit.adapter.tvm_ffi import load_launcher
from tilelang.runtime.arguments import input_parameters, output_shapes, solve_symbols
from tilelang.runtime.errors import describe_argument

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.jit.options import CompileOptions
    from tilelang.target import Target


@register
class DLPackAdapter(Adapter):
    """The library of the first array allocates the outputs and says on which stream to run."""

    name = "dlpack"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        self._launcher = load_launcher(dataclasses.replace(artifact, plan=artifact.plan.without_outputs()))
        self._inputs = input_parameters(artifact.plan)

    @classmethod
    def runs(cls, target: Target) -> bool:
        return True

    def __call__(self, *args: Any) -> Any:
        self.expect_all(args)
        libraries = [library_of(value) for value in args]
        for parameter, value, library in zip(self._inputs, args, libraries):
            if library is not None and library.immutable and parameter.written:
                raise ArgumentError(
                    f"`{self.plan.name}` writes its argument `{parameter.name}`, but {describe_argument(value)} is immutable",
                    fix="return it through out_idx",
                )
        first = next((i for i, library in enumerate(libraries) if library is not None), None)
        if first is None:
            raise ArgumentError(
                f"`{self.plan.name}` is called without an array, so that nothing says where to run",
                fix='use execution_backend="tvm_ffi"',
            )
        library, like = libraries[first], args[first]
        assert library is not None
        outputs = self._outputs(args, library, like)
        for other in {type(x): x for x in libraries if x is not None}.values():
            other.before([value for value, owner in zip(args, libraries) if owner is other])
        self._launch(self._in_signature_order(args, libraries, outputs, library), library, like)
        library.after(like)
        return outputs[0] if len(outputs) == 1 else outputs or None

    def _outputs(self, args: tuple, library: ArrayLibrary, like: Any) -> list[Any]:
        if not self.plan.outputs:
            return []
        shapes = {p.name: tuple(a.shape) for p, a in zip(self._inputs, args) if p.kind == "tensor" and hasattr(a, "shape")}
        scalars = {p.name: a for p, a in zip(self._inputs, args) if p.kind == "scalar"}
        made = output_shapes(self.plan, solve_symbols(self.plan, shapes, scalars))
        dtypes = [self.plan.parameters[index].dtype for index in self.plan.outputs]
        return [library.empty(shape, dtype, like) for shape, dtype in zip(made, dtypes)]

    def _in_signature_order(self, args: tuple, libraries: list, outputs: list[Any], library: ArrayLibrary) -> list[Any]:
        exported = iter([value if owner is None else owner.export(value) for value, owner in zip(args, libraries)])
        made = {index: library.export(value) for index, value in zip(self.plan.outputs, outputs)}
        return [made[i] if i in made else next(exported) for i in range(len(self.plan.parameters))]

    def _launch(self, values: list[Any], library: ArrayLibrary, like: Any) -> None:
        kind, index = like.__dlpack_device__()
        if kind != 2:  # kDLCUDA
            self._launcher(*values)
            return
        import tvm_ffi

        with tvm_ffi.use_raw_stream(tvm_ffi.device("cuda", index), library.stream(like)):
            self._launcher(*[tvm_ffi.from_dlpack(value) if hasattr(value, "__dlpack__") else value for value in values])
