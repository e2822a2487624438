"""A compiled kernel that can be called and looked into."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentError, UnsupportedError
from tilelang.jit.options import CompileOptions
from tilelang.jit.param import KernelParam, params_of

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.carver.arch.device import Device
    from tilelang.jit.adapter import Adapter
    from tilelang.jit.machine_code import MachineCode
    from tilelang.profiler import Profiler
    from tilelang.profiler.roofline import Roofline
    from tilelang.remarks import Remarks
    from tilelang.resources import Resources
    from tilelang.simulator.check_report import CheckReport
    from tilelang.simulator.trace import KernelTrace
    from tilelang.target import Target
    from tilelang.toolchain import KernelResources


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
        self._trace, self._prim_func = trace, None
        self._call: Callable[..., Any] = self._first_call
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
        return self._call(*args)

    def _first_call(self, *args: Any) -> Any:
        return self.torch_function(*args)

    @functools.cached_property
    def adapter(self) -> Adapter:
        """What calls go through; made, and the binary loaded, at the first of them."""
        from tilelang.jit.adapter import adapters

        return adapters()[self.execution_backend](self.artifact, self.options)

    def _by_position(self, args: tuple, kwargs: dict[str, Any]) -> tuple:
        plan = self.artifact.plan
        names = [p.name for p in plan.parameters if not p.output]
        given = dict(zip(names, args))
        if len(args) > len(names):
            raise ArgumentError(
                f"`{plan.name}` takes {len(names)} argument(s) ({', '.join(names)}), got {len(args) + len(kwargs)}",
                fix="pass each of them once, by position or by name",
            )
        for name, value in kwargs.items():
            if name not in names:
                raise ArgumentError(f"`{plan.name}` has no argument `{name}`", fix=f"its arguments are {', '.join(names)}")
            if name in given:
                raise ArgumentError(f"argument `{name}` of `{plan.name}` is given twice", fix="pass it by position or by name")
            given[name] = value
        missing = [name for name in names if name not in given]
        if missing:
            raise ArgumentError(f"`{plan.name}` misses argument `{missing[0]}`", fix=f"its arguments are {', '.join(names)}")
        return tuple(given[name] for name in names)

    @property
    def torch_function(self) -> Callable[..., Any]:
        """What `__call__` ends in: takes arguments by position only."""
        self._call = self.adapter.function
        return self._call

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
    def why_backend(self) -> str:
        """Why calls go through that execution backend: it was asked for, or why "auto" chose it."""
        return self.options.why_backend

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
    def remarks(self) -> Remarks:
        """What the compiler decided for each line of the program, and what it could not do; prints, `to_json()`."""
        return self.artifact.remarks

    @property
    def prim_func(self) -> Any:
        """The tile program; traces the function if the kernel came from the cache."""
        if self._prim_func is None:
            self._prim_func = self._trace()
        return self._prim_func

    # -- what a tuner found -------------------------------------------------------------------------------------------
    def update_tuner_result(self, latency: float, config: dict[str, Any], ref_latency: float | None = None) -> JITKernel:
        """Remember how fast this kernel was, under which configuration, and how fast the reference was; returns self."""
        self.latency, self.config, self.ref_latency = latency, config, ref_latency
        return self

    def get_tuner_result(self) -> dict[str, Any]:
        """`latency`, `config` and `ref_latency`.

        Raises
        ------
        ArgumentError
            When no tuner has seen this kernel; also a ValueError.
        """
        if self.latency is None:
            raise ArgumentError(f"`{self.name}` has no tuner result", fix="measure it with get_profiler().do_bench()")
        return {"latency": self.latency, "config": self.config, "ref_latency": self.ref_latency}

    # -- its machine code ---------------------------------------------------------------------------------------------
    @functools.cached_property
    def _machine_code(self) -> MachineCode:
        from tilelang.jit.machine_code import MachineCode

        return MachineCode(self.artifact, self.target)

    @property
    def resources(self) -> Resources:
        """Registers, spills, shared memory by buffer, occupancy and waves of each launch; prints, `to_json()`."""
        from tilelang.resources import measure

        return measure(self.artifact.plan, self._machine_code.resources, self.artifact.shared, self.target.limits)

    @property
    def resource_usage(self) -> dict[str, KernelResources]:
        """Registers, stack, spills and barriers of each `__global__` function, as ptxas reports them."""
        return {used.name: used for used in self._machine_code.resources}

    @property
    def n_regs(self) -> int:
        """Registers of one thread, in the launch that needs most."""
        return max(used.registers for used in self._machine_code.resources)

    @property
    def n_spills(self) -> int:
        """Registers of one thread that did not fit and went to local memory, in the worst launch."""
        from tilelang.toolchain import total_spills

        return total_spills(self._machine_code.resources)

    def _get_ptx(self) -> str:
        return self._machine_code.ptx

    def _get_sass(self) -> str:
        return self._machine_code.sass

    def show_ptx(self) -> None:
        """Print the PTX."""
        print(self._get_ptx())

    def show_sass(self) -> None:
        """Print the machine's instructions; needs nvdisasm or cuobjdump."""
        print(self._get_sass())

    def export_ptx(self, path: str | Path) -> None:
        """Write the PTX to a file."""
        _write(path, self._get_ptx())

    def export_sass(self, path: str | Path) -> None:
        """Write the machine's instructions to a file; needs nvdisasm or cuobjdump."""
        _write(path, self._get_sass())

    # -- its text -----------------------------------------------------------------------------------------------------
    @property
    def kernel_source(self) -> str:
        return self.artifact.source

    @property
    def host_source(self) -> str:
        return self.get_host_source()

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
                _write(path, text)

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

    def roofline(
        self, latency_ms: float | None = None, values: dict[str, int] | None = None, device: Device | None = None
    ) -> Roofline:
        """How near it comes to what its GPU can do at most: see `tilelang.profiler.roofline.kernel_roofline`."""
        from tilelang.profiler.roofline import kernel_roofline

        return kernel_roofline(self, latency_ms, values, device)

    def run_once(self, func: Callable | None = None) -> Any:
        """Call the kernel (or `func`) once on inputs made to order."""
        return self.get_profiler().run_once(func)

    def check(self, *inputs: Any, schedules: int = 8, checks: Any = None) -> CheckReport:
        """Run in the simulator and look for races, accesses out of bounds, unwritten memory, deadlocks and misuse.

        See `tilelang.simulator.check.check_kernel`.
        """
        from tilelang.simulator.check import check_kernel

        return check_kernel(self, *inputs, schedules=schedules, checks=checks)

    def trace(self, *inputs: Any) -> KernelTrace:
        """Run in the simulator and record the copies, waits, gemms and barriers of every warp.

        See `tilelang.simulator.trace.trace_kernel`.
        """
        from tilelang.simulator.trace import trace_kernel

        return trace_kernel(self, *inputs)

    def __repr__(self) -> str:
        return f"<JITKernel {self.name}({', '.join(p.name for p in self.params)}) for {self.target}>"


def _write(path: str | Path, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
