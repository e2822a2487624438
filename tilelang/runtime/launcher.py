"""A launch plan and a binary as a callable."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from tilelang.codegen.launch_plan import LaunchPlan
from tilelang.errors import ArgumentTypeError, DeviceMismatchError
from tilelang.runtime.errors import NativeError, explain
from tilelang.runtime.library import load_functions, load_runtime

Named = Callable[[tuple, dict[str, Any]], tuple]
Recover = Callable[[DeviceMismatchError, tuple], Any]


class Binary(NamedTuple):
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

    Tensors of frameworks with DLPack's exchange table (torch), numbers and None are read in C. Other arguments (NumPy arrays,
    anything else with `__dlpack__`) take the general way, through tvm-ffi.

    Parameters
    ----------
    plan : LaunchPlan
        What the program expects and launches.
    binary : Binary
        Where its kernels are.
    """

    def __init__(self, plan: LaunchPlan, binary: Binary) -> None:
        self.plan, self.binary = plan, binary
        # Without a tensor among the arguments nothing says on which device to run, so a tensor without elements does.
        self._anchored = not any(p.kind == "tensor" and not p.output for p in plan.parameters)
        self._several = len(plan.outputs) > 1
        runtime, tree = load_runtime(), plan.tree()
        try:
            if binary.kind == "cuda":
                self._program = runtime.load_cuda(tree, binary.cubin)
            elif binary.kind == "cpu":
                self._program = runtime.load_cpu(tree, binary.library)
            else:
                self._program = runtime.load_simulator(tree, binary.library, binary.runtime or _simulator_runtime())
        except NativeError as error:
            raise explain(error, ()) from None
        self._call = self.entry()

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def entry(self, named: Named | None = None, recover: Recover | None = None) -> Callable[..., Any]:
        """A function of the program's arguments, without Python on its way as long as nothing goes wrong.

        Parameters
        ----------
        named : callable, optional
            Puts (positional arguments, keyword arguments) into order; without it, keywords are an error.
        recover : callable, optional
            Answers a call with a tensor on another device, given the error and its arguments; without it, that is an error.
        """

        def refused(record: str, args: tuple) -> Any:
            failure = explain(NativeError(record), args)
            if recover is not None and isinstance(failure, DeviceMismatchError):
                return recover(failure, args)
            raise failure

        def general(*args: Any) -> Any:
            try:
                return self._general(args)
            except DeviceMismatchError as error:
                if recover is None:
                    raise
                failure = error
            return recover(failure, args)

        return self._program.call(refused, general, named or _no_keywords)

    @functools.cached_property
    def _functions(self) -> Any:
        """call(arguments...), and bind(arguments...), of tvm-ffi."""
        return load_functions().launcher_functions(self._program.handle(), self._anchored)

    @property
    def function(self) -> Any:
        """The program as a tvm-ffi function; it raises `NativeError` where a Launcher raises one of `tilelang.errors`."""
        native = self._functions[0]
        return functools.partial(_call_anchored, native, self.binary.device_type) if self._anchored else native

    def _general(self, args: tuple) -> Any:
        failure: Exception
        try:
            result = self.function(*args)
        except NativeError as error:
            failure = explain(error, args)
        except (TypeError, ValueError, RuntimeError, BufferError) as error:
            failure = self._refused(args, error)
        else:
            return list(result) if self._several else result
        raise failure

    def bind(self, *args: Any, result: Any = None) -> Callable[[], Any]:
        """Check a call's arguments once.

        Returns
        -------
        callable
            Launches on the current stream of the arguments' framework, and returns `result` or, where that is None, the outputs
            that it allocates. It holds the arguments: their memory stays taken, and what is written into them later is what the
            kernel reads.
        """
        try:
            bound = self._program.bind(args, result, _raise_explained)
        except NativeError as error:
            failure = explain(error, args)
        else:
            return self._bind_general(args, result) if bound is None else bound
        raise failure

    def _bind_general(self, args: tuple, result: Any) -> Callable[[], Any]:
        import tvm_ffi

        held = [tvm_ffi.from_dlpack(value) if hasattr(value, "__dlpack__") else value for value in args]
        anchor = next((value for value in args if hasattr(value, "__dlpack__")), None)
        try:
            function = self._functions[1](*held)
        except NativeError as error:
            raise explain(error, args) from None

        def call() -> Any:
            try:
                made = function(anchor) if anchor is not None else _call_anchored(function, self.binary.device_type)
            except NativeError as error:
                raise explain(error, args) from None
            return result if result is not None else list(made) if self._several else made

        return call

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


def _call_anchored(native: Callable, device_type: str, *args: Any) -> Any:
    import torch

    device = torch.device("cuda", torch.cuda.current_device()) if device_type == "cuda" else torch.device("cpu")
    return native(*args, torch.empty(0, device=device))


def _no_keywords(args: tuple, kwargs: dict[str, Any]) -> tuple:
    raise ArgumentTypeError(f"a launcher takes no keyword arguments, got `{next(iter(kwargs))}`", fix="pass it by position")


def _raise_explained(record: str, args: tuple) -> Any:
    raise explain(NativeError(record), args)
