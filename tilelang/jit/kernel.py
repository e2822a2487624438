"""A compiled kernel that can be called and looked into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentError, UnsupportedError
from tilelang.jit.options import CompileOptions
from tilelang.jit.param import KernelParam, params_of

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.profiler import Profiler
    from tilelang.target import Target


class JITKernel:
    """A compiled kernel.

    Parameters
    ----------
    artifact : Artifact
        What the compiler or the cache delivered.
    options : CompileOptions
        How it was compiled.
    trace : callable
        Makes the PrimFunc again, for inspection: a kernel from the cache was never traced.

    Attributes
    ----------
    latency, config, ref_latency
        Set by a tuner; None before.
    """

    def __init__(self, artifact: Artifact, options: CompileOptions, trace: Callable[[], Any]) -> None:
        self.artifact, self.options = artifact, options
        self._trace, self._prim_func, self._launcher = trace, None, None
        self.latency: float | None = None
        self.config: dict[str, Any] | None = None
        self.ref_latency: float | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the kernel on the current stream of the tensors' framework.

        Parameters
        ----------
        *args, **kwargs
            The parameters that are not outputs, by position or by name.

        Returns
        -------
        The output tensor, a list of several, or None when the caller passes all tensors.

        Raises
        ------
        ArgumentError, ArgumentTypeError
            For an argument that does not fit its parameter.
        SimulationError
            When the simulator finds the kernel at fault.
        """
        if kwargs:
            args = self._by_position(args, kwargs)
        launcher = self._launcher
        if launcher is None:
            launcher = self._load()
        return launcher(*args)

    def _load(self):
        from tilelang.runtime import Launcher

        self._launcher = Launcher(self.artifact.plan, self.artifact.binary())
        return self._launcher

    def _by_position(self, args: tuple, kwargs: dict[str, Any]) -> tuple:
        plan = self.artifact.plan
        names = [p.name for p in plan.parameters if not p.output]
        given = dict(zip(names, args))
        if len(args) > len(names):
            raise ArgumentError(
                f"`{plan.name}` takes {len(names)} argument(s) ({', '.join(names)}), got {len(args) + len(kwargs)}"
            )
        for name, value in kwargs.items():
            if name not in names:
                raise ArgumentError(f"`{plan.name}` has no argument `{name}`", fix=f"its arguments are {', '.join(names)}")
            if name in given:
                raise ArgumentError(f"argument `{name}` of `{plan.name}` is given twice, by position and by name")
            given[name] = value
        missing = [name for name in names if name not in given]
        if missing:
            raise ArgumentError(f"`{plan.name}` misses argument `{missing[0]}`", fix=f"its arguments are {', '.join(names)}")
        return tuple(given[name] for name in names)

    # -- what it is ---------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        return self.artifact.plan.name

    @property
    def params(self) -> list[KernelParam]:
        """All parameters in signature order, outputs included."""
        return params_of(self.artifact.plan)

    @property
    def out_idx(self) -> list[int]:
        """Indices of the parameters that a call returns."""
        return list(self.artifact.plan.outputs)

    @property
    def target(self) -> Target:
        return self.options.target

    @property
    def execution_backend(self) -> str:
        return self.options.execution_backend

    @property
    def pass_configs(self) -> dict[str, Any]:
        return dict(self.options.pass_configs)

    @property
    def compile_flags(self) -> list[str]:
        return list(self.options.compile_flags)

    @property
    def verbose(self) -> bool:
        return self.options.verbose

    @property
    def remarks(self) -> list[str]:
        """What the compiler decided where there was a choice, and what it could not do."""
        return list(self.artifact.remarks)

    @property
    def prim_func(self) -> Any:
        """The tile program; traces the function if the kernel came from the cache."""
        if self._prim_func is None:
            self._prim_func = self._trace()
        return self._prim_func

    # -- its text -----------------------------------------------------------------------------------------------------
    @property
    def kernel_source(self) -> str:
        return self.artifact.source

    def get_kernel_source(self, kernel_only: bool = True) -> str:
        """The CUDA C++ text; launching is native code that no text is generated for, so `kernel_only` changes nothing."""
        return self.artifact.source

    def get_host_source(self) -> str:
        """The launch plan as JSON: what the native launcher reads instead of generated host code."""
        return self.artifact.plan.to_json()

    def show_source(self, which: str = "kernel") -> None:
        """Print the text: "kernel", "host" or "both"."""
        if which not in ("kernel", "host", "both"):
            raise UnsupportedError(f"show_source({which!r})", fix='use "kernel", "host" or "both"')
        if which != "host":
            print(self.get_kernel_source())
        if which != "kernel":
            print(self.get_host_source())

    def export_sources(self, kernel_path: str | Path | None = None, host_path: str | Path | None = None) -> None:
        """Write the kernel's text, the launch plan, or both."""
        if kernel_path is None and host_path is None:
            raise ArgumentError("export_sources needs kernel_path or host_path")
        for path, text in ((kernel_path, self.get_kernel_source()), (host_path, self.get_host_source())):
            if path is not None:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                Path(path).write_text(text)

    def show_passes(self) -> None:
        """Print the program after each pass that changed it, with the layouts and the arena; compiles it again."""
        from tilelang.engine import compile_prim_func

        for title, text in compile_prim_func(self.prim_func, self.options.target, self.options.pass_configs).passes:
            print(f"==== {title} ====\n{text}\n")

    # -- how fast and how right it is ---------------------------------------------------------------------------------
    def get_profiler(self, tensor_supply_type: Any = None) -> Profiler:
        """A profiler that makes inputs of the kernel's shapes.

        Parameters
        ----------
        tensor_supply_type : TensorSupplyType, optional
            How inputs are filled; Auto when None.
        """
        from tilelang.profiler import Profiler, TensorSupplyType

        return Profiler(self.params, self.out_idx, tensor_supply_type or TensorSupplyType.Auto, self)

    def __repr__(self) -> str:
        return f"<JITKernel {self.name}({', '.join(p.name for p in self.params)}) for {self.target}>"
