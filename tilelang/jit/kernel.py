"""A compiled kernel that can be called and looked into."""

from __future__ import annotations

import functools
import hashlib
import operator
import warnings
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tilelang.errors import ArgumentError, CacheCorrupt, DeviceMismatchError, TileLangError, UnsupportedError
from tilelang.jit.stats import KernelStats, Signature
from tilelang.jit.wrapper import KernelWrapper
from tilelang.log import logger

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.carver.arch.device import Device
    from tilelang.jit.adapter import Adapter
    from tilelang.jit.bound import BoundKernel
    from tilelang.jit.compilers.base import JitBase
    from tilelang.jit.launch_grid import LaunchConfig
    from tilelang.jit.lowered import LoweredKernel
    from tilelang.jit.machine_code import MachineCode
    from tilelang.jit.options import CompileOptions
    from tilelang.jit.param import KernelParam
    from tilelang.profiler import Profiler
    from tilelang.profiler.roofline import Roofline
    from tilelang.remarks import Remarks
    from tilelang.resources import Resources
    from tilelang.simulator.check_report import CheckReport
    from tilelang.simulator.trace import KernelTrace
    from tilelang.target import Target
    from tilelang.toolchain import KernelResources


class JITKernel(KernelWrapper):
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
    stats : KernelStats
        What it took to make, and what was moved for it.
    """

    def __new__(cls, artifact: Artifact, options: CompileOptions, trace: Callable[[], Any]) -> JITKernel:
        return super().__new__(_TraceableKernel if options.execution_backend == "torch" else cls)

    def __init__(self, artifact: Artifact, options: CompileOptions, trace: Callable[[], Any]) -> None:
        self.artifact, self.options = artifact, options
        self.stats = KernelStats()
        self._trace, self._prim_func = trace, None
        self._call: Callable[..., Any] = self._first_call
        self.latency: float | None = None
        self.config: dict[str, Any] | None = None
        self.ref_latency: float | None = None

    if TYPE_CHECKING:

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

    else:
        # No method: its frame would be a sixth of what a call costs before the driver.
        __call__ = property(operator.attrgetter("_call"), doc="Run the kernel on the current stream of the tensors' framework.")

    def _first_call(self, *args: Any, **kwargs: Any) -> Any:
        return self.torch_function(*args, **kwargs)

    @functools.cached_property
    def adapter(self) -> Adapter:
        """What calls go through; made, and the binary loaded, at the first of them."""
        from tilelang.jit.adapter.base import adapter_of

        make = getattr(self.options.compiler, "adapter", None) or adapter_of(self.execution_backend)
        try:
            return make(self.artifact, self.options)
        except TileLangError as error:
            if self.artifact.directory is None or self.artifact.kind == "cuda":  # a cubin is loaded by the first launch
                raise
            failure = error
        # An entry that is what was written, and does not load: of another machine, or written wrongly.
        from tilelang.cache.kernel_cache import invalidate
        from tilelang.cache.stats import stats
        from tilelang.jit.compiler import compile_lowered

        logger.warning("a cached kernel does not load and is compiled again: %s", failure.message)
        invalidate(self.artifact)
        self.artifact = compile_lowered(self.kernel)
        stats.count("repaired")
        try:
            return make(self.artifact, self.options)
        except TileLangError as error:
            raise CacheCorrupt(
                f"`{self.name}` does not load, and does not when it is compiled again either: {error.message}", fix=error.fix
            ) from failure

    def _by_position(self, args: tuple, kwargs: dict[str, Any]) -> tuple:
        plan = self.artifact.plan
        names = [p.name for p in plan.parameters if not p.output and not p.grid]
        given = dict(zip(names, args))
        if len(args) > len(names):
            raise ArgumentError(
                f"Kernel expected {len(names)} inputs, but {len(args) + len(kwargs)} are provided: `{plan.name}` takes "
                f"({', '.join(names)})",
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
        """What `__call__` ends in."""
        # Tensors are moved only after the launcher has refused them: other calls pay nothing.
        moves = self.options.auto_device and self.artifact.kind == "cuda"
        entry = self.adapter.entry(self._by_position, self._moved if moves else None)
        if self.artifact.plan.sites:
            from tilelang.jit.finite import guarded

            entry = guarded(entry, self.artifact.plan)
        self._call = self._launched_by_hand(entry) if any(p.grid for p in self.artifact.plan.parameters) else entry
        return self._call

    def _launched_by_hand(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        """`entry`, which gets the grid as it was assigned last."""
        config = self.launch_config

        def call(*args: Any, **kwargs: Any) -> Any:
            return entry(*self._by_position(args, kwargs), *config.manual_extents())

        return call

    def with_block(self, threads: int | str) -> JITKernel:
        """The same program for blocks of another size, which is compiled (or found in the cache).

        Parameters
        ----------
        threads : int or {"fit", "trim"}
            Threads of a block along x. "fit": as many as now, rounded up to whole warps. "trim": no more than the largest
            T.Parallel or tile of the program has elements, in whole warps.

        Raises
        ------
        LaunchConfigError
            For a program with thread indices along y or z.
        """
        from tilelang.jit.impl import make_kernel
        from tilelang.jit.reblock import with_threads

        attributes = self.prim_func.attrs or {}
        says_itself = "tl.out_idx" in attributes or "tilelang_out_idx" in attributes  # what it returns
        return make_kernel(with_threads(self.prim_func, threads), self.options, None if says_itself else self.out_idx or None)

    def _moved(self, refused: DeviceMismatchError, args: tuple) -> Any:
        from tilelang.jit.auto_device import call_moved

        return call_moved(self, self.adapter.entry(self._by_position, None), args, refused)

    @property
    def raw_function(self) -> Any:
        """The program as a tvm-ffi function, for callers of that interface; None where the backend has none."""
        return self.adapter.raw_function

    def bind(self, *args: Any, **kwargs: Any) -> BoundKernel:
        """Fix arguments, by position or by name; outputs by name only.

        With all of them fixed, they are checked now, and a call does nothing but launch.

        Returns
        -------
        BoundKernel
            Holds the arguments.

        Examples
        --------
        >>> step = kernel.bind(A, B, C=out)
        >>> step()
        """
        from tilelang.jit.bound import BoundKernel

        plan = self.artifact.plan
        if plan.sites:
            raise UnsupportedError(
                f"`{plan.name}` is compiled with tl.check_finite: its calls read what they found", fix="bind a kernel without it"
            )
        inputs = [p.name for p in plan.parameters if not p.output and not p.grid]
        names = [p.name for p in plan.parameters if not p.grid]
        if len(args) > len(inputs):
            raise ArgumentError(
                f"Kernel expected {len(inputs)} inputs, but {len(args)} are provided: `{plan.name}` takes ({', '.join(inputs)})"
            )
        given = dict(zip(inputs, args))
        for name, value in kwargs.items():
            if name not in names or name in given:
                what = "is given twice" if name in given else "does not exist"
                raise ArgumentError(f"argument `{name}` of `{plan.name}` {what}", fix=f"its parameters are {', '.join(names)}")
            given[name] = value
        if self.launch_config.manual:
            given.update(zip([p.name for p in plan.parameters if p.grid], self.launch_config.manual_extents()))
        return BoundKernel(self, given)

    # -- what it is ---------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        return self.artifact.plan.name

    @property
    def kernel(self) -> LoweredKernel:
        """The lowered program that was compiled."""
        from tilelang.jit.lowered import LoweredKernel

        artifact = self.artifact
        return LoweredKernel(
            artifact.source, artifact.plan, artifact.remarks, self.options, lambda: self.prim_func, artifact.shared
        )

    @functools.cached_property
    def launch_config(self) -> LaunchConfig:
        """How it is launched; `launch_config.evaluate(n=1000)` says with how many blocks, without launching."""
        from tilelang.jit.launch_grid import LaunchConfig

        return LaunchConfig(self.artifact.plan)

    @property
    def signatures(self) -> list[Signature]:
        """What it is specialized for: one entry."""
        plan = self.artifact.plan
        content = hashlib.sha256(f"{plan.to_json()}\0{self.artifact.source}".encode()).hexdigest()
        args = tuple((p.name, p.dtype, tuple(p.shape), p.role) for p in self.parameters)
        return [Signature(args, (), str(self.target), content)]

    @property
    def params(self) -> list[KernelParam]:
        """All parameters in signature order, outputs included."""
        from tilelang.jit.param import params_of

        return params_of(self.artifact.plan)

    @property
    def out_idx(self) -> list[int]:
        """Indices of the parameters that a call returns."""
        return list(self.artifact.plan.outputs[:-1] if self.artifact.plan.sites else self.artifact.plan.outputs)

    @property
    def target(self) -> Target:
        return self.options.target

    @property
    def execution_backend(self) -> str:
        return self.options.execution_backend

    @property
    def backend(self) -> str:
        """The same as `execution_backend`."""
        return self.options.execution_backend

    @property
    def compiler(self) -> JitBase:
        """The compiler object that made it."""
        if self.options.compiler is not None:
            return self.options.compiler
        from tilelang.jit.compiler import compiler_of

        return compiler_of(self.options)

    @property
    def target_host(self) -> str:
        """Where launching runs: native code of this package, for which no text is generated."""
        return "native launcher"

    @property
    def gil_free(self) -> bool:
        """Whether other Python threads run while the kernel is launched, and while it computes on a CPU."""
        from tilelang.jit.adapter.base import adapter_of

        return "gil_free" in adapter_of(self.execution_backend).guarantees

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
    def n_max_threads(self) -> int:
        """Threads of a block, in the launch that has most: what its registers are allotted for."""
        return max(prod(launch.block) for launch in self.artifact.plan.kernels)

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
        """The CUDA C++ text; what launches it is another text (`get_host_source`), so `kernel_only` changes nothing."""
        return self.artifact.source

    def get_host_source(self) -> str:
        """The launch plan as JSON: what the native launcher reads instead of generated host code. For the execution backend
        `cutedsl`, the host program in CuTe DSL."""
        from tilelang.jit.adapter.base import adapter_of

        return adapter_of(self.execution_backend).host_source(self.artifact.plan)

    def show_source(self, which: str = "kernel") -> None:
        """Print the text: "kernel", "host" or "both"."""
        if which not in ("kernel", "host", "both"):
            raise UnsupportedError(f"show_source({which!r})", fix='use "kernel", "host" or "both"')
        if which != "host":
            print(self.get_kernel_source())
        if which != "kernel":
            print(self.get_host_source())

    def print_source_code(self, which: str = "kernel", file: str | Path | None = None) -> None:
        """Deprecated name of `show_source` and, with `file`, of `export_sources(kernel_path=...)`."""
        warnings.warn("print_source_code is deprecated: use show_source or export_sources", DeprecationWarning, stacklevel=2)
        if file is None:
            self.show_source(which)
        else:
            self.export_sources(kernel_path=file)

    def export_sources(
        self,
        path: str | Path | None = None,
        host_path: str | Path | None = None,
        *,
        kernel_path: str | Path | None = None,
    ) -> dict[str, Path]:
        """Write the kernel's text, the launch plan, or all there is.

        Parameters
        ----------
        path : path, optional
            A directory (a name without a suffix), which receives the program, the text, the launch plan, the machine code where
            tools for it exist, and `build.sh`. A name with a suffix is a file for the text alone, as `kernel_path`.
        kernel_path, host_path : path, optional
            Files for the text and for the launch plan alone.

        Returns
        -------
        dict
            Every file that was written, by name.
        """
        if path is None and kernel_path is None and host_path is None:
            raise ArgumentError("export_sources needs a directory, kernel_path or host_path")
        directory = path
        if path is not None and Path(path).suffix and not Path(path).is_dir():
            directory, kernel_path = None, path
        written: dict[str, Path] = {}
        for path, text in ((kernel_path, self.get_kernel_source()), (host_path, self.get_host_source())):
            if path is not None:
                _write(path, text)
                written[Path(path).name] = Path(path)
        if directory is not None:
            from tilelang.jit.export import export_directory

            written |= export_directory(self, Path(directory))
        return written

    def export_library(self, path: str | Path) -> Path:
        """Write the binary.

        Parameters
        ----------
        path : path
            ".cubin" of a GPU kernel, ".so" of one for the CPU, or ".zip": everything, for `JITKernel.from_database`. Of a kernel
            for the targets c and llvm also ".py": a module over NumPy arrays that does not need this package.
        """
        from tilelang.jit.export import export_library

        return export_library(self.artifact, self.target, Path(path))

    @classmethod
    def from_database(cls, path: str | Path, execution_backend: str | None = None, target: Any = None) -> JITKernel:
        """The kernel that `export_library` wrote to a ".zip"; needs no compiler.

        Parameters
        ----------
        path : path
            The file.
        execution_backend, target : optional
            As for `tilelang.compile`; the target by default what the kernel was compiled for.
        """
        from tilelang.jit.export import load_library

        artifact, options = load_library(Path(path), execution_backend, target)
        return cls(artifact, options, functools.partial(_never_traced, artifact.plan.name))

    @classmethod
    def from_tilelang_function(cls, func: Any, **options: Any) -> JITKernel:
        """`tilelang.compile(func, **options)`."""
        from tilelang.jit.decorator import compile as compile_kernel

        return compile_kernel(func, **options)

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


class _TraceableKernel(JITKernel):
    """A kernel of the torch backend: torch.compile goes into methods, and into nothing else."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._call(*args, **kwargs)


def _never_traced(name: str) -> Any:
    raise UnsupportedError(
        f"`{name}` was loaded from a file, which holds no tile program", fix="compile it from its function to look at the program"
    )


def _write(path: str | Path, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)
