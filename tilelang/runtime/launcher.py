"""A launch plan and a binary as a callable."""

from __future__ import annotations

import functools
from dataclasses import asdict, dataclass

from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.errors import ArgumentTypeError
from tilelang.runtime.errors import NativeError, explain
from tilelang.runtime.library import load_runtime


@dataclass(frozen=True)
class Binary:
    """Compiled kernels: a cubin in memory, or a shared object on disk for the simulator or the CPU itself.

    `runtime` is the library that runs the shared object's kernels; the simulator's own when it is empty.
    """

    kind: str
    cubin: bytes = b""
    library: str = ""
    runtime: str = ""

    @staticmethod
    def cuda(cubin: bytes) -> Binary:
        return Binary("cuda", cubin=cubin)

    @staticmethod
    def simulator(library: str, runtime: str = "") -> Binary:
        return Binary("simulator", library=library, runtime=runtime)

    @staticmethod
    def cpu(library: str) -> Binary:
        return Binary("cpu", library=library)

    @property
    def device_type(self) -> str:
        return "cuda" if self.kind == "cuda" else "cpu"


class Launcher:
    """Calls a compiled program: checks arguments, allocates outputs, launches on the framework's current stream.

    Parameters
    ----------
    plan : LaunchPlan
        What the program expects and launches.
    binary : Binary
        Where its kernels are.

    Attributes
    ----------
    function : callable
        The native entry, without Python on its path; it raises `NativeError` where calling the Launcher raises one of
        `tilelang.errors`.
    """

    def __init__(self, plan: LaunchPlan, binary: Binary) -> None:
        self.plan, self.binary = plan, binary
        # Without a tensor among the arguments nothing says on which device to run, so a tensor without elements does.
        anchored = not any(p.kind == "tensor" and not p.output for p in plan.parameters)
        runtime, tree = load_runtime(), _freeze(asdict(plan))
        try:
            if binary.kind == "cuda":
                functions = runtime.cuda_launcher(tree, anchored, binary.cubin)
            elif binary.kind == "cpu":
                functions = runtime.cpu_launcher(tree, anchored, binary.library)
            else:
                functions = runtime.simulator_launcher(tree, anchored, binary.library, binary.runtime or _simulator_runtime())
        except NativeError as error:
            raise explain(error, ()) from None
        self._native, self._bind = functions
        self.function = functools.partial(_call_anchored, self._native, binary.device_type) if anchored else self._native
        self._several = len(plan.outputs) > 1

    def __call__(self, *args):
        try:
            result = self.function(*args)
        except NativeError as error:
            failure = explain(error, args)
        except (TypeError, ValueError, RuntimeError, BufferError) as error:
            failure = self._refused(args, error)
        else:
            return list(result) if self._several else result
        raise failure

    def bind(self, *args):
        """Check a call's arguments once.

        Returns
        -------
        callable
            Launches on the current stream of the arguments' framework. It holds the arguments: their memory stays taken, and
            what is written into them later is what the kernel reads.
        """
        import tvm_ffi

        held = [tvm_ffi.from_dlpack(value) if hasattr(value, "__dlpack__") else value for value in args]
        anchor = next((value for value in args if hasattr(value, "__dlpack__")), None)
        try:
            function = self._bind(*held)
        except NativeError as error:
            failure = explain(error, args)
        else:
            if anchor is None:
                return functools.partial(_call_anchored, function, self.binary.device_type)
            return functools.partial(function, anchor)
        raise failure

    def _refused(self, args: tuple, error: Exception) -> Exception:
        """The exception for an argument that its own framework would not hand over (sparse, meta, conjugated, complex)."""
        import tvm_ffi

        names = [p.name for p in self.plan.parameters if not p.output]
        for position, value in enumerate(args):
            if not hasattr(value, "__dlpack__"):
                continue
            try:
                tvm_ffi.from_dlpack(value)
            except Exception as reason:
                name = f"`{names[position]}` " if position < len(names) else ""
                detail = str(reason).splitlines()[0]
                return ArgumentTypeError(
                    f"argument {name}(position {position}) of `{self.plan.name}` cannot be passed to a kernel: {detail}",
                    fix="pass a dense tensor that has memory, of an element type of the language",
                )
        return error


def _simulator_runtime() -> str:
    from tilelang.simulator import library_path

    return str(library_path())


def _call_anchored(native, device_type: str, *args):
    import torch

    device = torch.device("cuda", torch.cuda.current_device()) if device_type == "cuda" else torch.device("cpu")
    return native(*args, torch.empty(0, device=device))


def _freeze(value):
    """Lists as tuples, which tvm-ffi passes as arrays."""
    if isinstance(value, dict):
        return {key: _freeze(item) for key, item in value.items()}
    return tuple(_freeze(item) for item in value) if isinstance(value, (list, tuple)) else value
