"""Launching through a host program that CuTe DSL's compiler makes; the binary is the one that the other backends launch."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import linecache
import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tilelang.codegen.launch_plan import KernelArgument
from tilelang.errors import CompilationError, JITUnavailableError
from tilelang.jit.adapter.base import register
from tilelang.jit.adapter.host_program import host_program
from tilelang.jit.adapter.nvrtc import NvrtcAdapter, checked, grid_of, pack
from tilelang.jit.availability import Availability, package_availability
from tilelang.toolchain.versions import package_version

if TYPE_CHECKING:
    from tilelang.cache import Artifact
    from tilelang.codegen.launch_plan import LaunchPlan
    from tilelang.jit.adapter.host_program import HostProgram
    from tilelang.jit.options import CompileOptions

_compiling = threading.Lock()  # CuTe DSL traces into one module at a time


@register
class CuteDslAdapter(NvrtcAdapter):
    """Takes torch tensors; needs nvidia-cutlass-dsl, which compiles a program of the kernel's own at its first launch.

    Arguments are checked as by `nvrtc`. The program is a `@cute.jit` function: it receives addresses, scalars and grids, packs
    what each launch takes, and calls the driver with the launch's clusters, shared memory, attributes and stream.
    """

    name = "cutedsl"

    def __init__(self, artifact: Artifact, options: CompileOptions) -> None:
        super().__init__(artifact, options)
        self._program = host_program(self.plan)
        self._scalars = [KernelArgument("symbol", symbol, dtype) for symbol, dtype in self._program.scalars]

    @classmethod
    def available(cls) -> Availability:
        return package_availability("cutlass", "nvidia-cutlass-dsl")

    @classmethod
    def host_source(cls, plan: LaunchPlan) -> str:
        return host_program(plan).text

    @functools.cached_property
    def _launch_all(self) -> Callable[..., Any]:
        return compiled(self._program)

    def _run(self, device: int, addresses: list[int], values: Mapping[str, Any]) -> None:
        with self._entered(device):
            frame = (ctypes.c_uint64 * self._program.words)()
            given = [ctypes.addressof(frame), self._stream(device), *(addresses[i] for i in self._program.tensors)]
            given += [pack(scalar, addresses, values).value for scalar in self._scalars]
            maps = []  # the cache of encodings may drop them meanwhile
            for place, (function, kernel) in enumerate(zip(self._loaded(device), self.plan.kernels)):
                grid = grid_of(kernel, values)
                given += [int(function), *(grid or (0, 0, 0))]
                for which in range(len(kernel.tensor_maps)):
                    map_ = KernelArgument("tensor_map", which, "uint64")
                    encoded = None if grid is None else self._slot(place, kernel, map_, addresses, values)
                    maps.append(encoded)
                    given.append(0 if encoded is None else ctypes.addressof(encoded))
            self._launch_all(*given)
        if frame[0]:
            from cuda.bindings import driver

            checked((driver.CUresult(frame[0]),), f"launching `{self.plan.kernels[frame[1]].name}`")


@functools.lru_cache(256)
def compiled(program: HostProgram) -> Callable[..., Any]:
    """A host program as a function of integers and floats; found by its text, so that kernels of one signature share it.

    Raises
    ------
    JITUnavailableError
        When the package is one that has no CuTe DSL, or too old a one.
    CompilationError
        When CuTe DSL refuses the program.
    """
    cutlass, cute = _cute_dsl()
    ctypes.CDLL("libcuda.so.1", ctypes.RTLD_GLOBAL)  # where the program's linker looks for cuLaunchKernelEx
    file = f"<host program {hashlib.sha256(program.text.encode()).hexdigest()[:16]}>"
    linecache.cache[file] = len(program.text), None, program.text.splitlines(True), file  # CuTe DSL reads the text of functions
    namespace: dict[str, Any] = {"__name__": "tilelang_host_program"}
    exec(compile(program.text, file, "exec", dont_inherit=True), namespace)
    examples = [getattr(cutlass, type_)(0) for type_ in program.types]
    try:
        with _compiling:
            # An architecture is named because CuTe DSL does not know every GPU; none of the program runs on one.
            return cute.compile[cute.GPUArch("sm_90a")](namespace["entry"], *examples)
    except Exception as error:
        refused = CompilationError(
            f"CuTe DSL {package_version('nvidia-cutlass-dsl')} refuses a host program",
            fix="use another execution backend; this is a defect of tilelang (CuTe DSL's words are in the exception's `log`)",
        )
        refused.log, refused.source = str(error), program.text
        raise refused from error


def _cute_dsl() -> tuple[Any, Any]:
    try:
        import cutlass
        import cutlass.cute as cute

        if hasattr(cute, "extern"):
            return cutlass, cute
        lacks = "`cutlass.cute` has no `extern`"
    except ImportError as error:
        lacks = str(error)
    raise JITUnavailableError(
        f"execution_backend='cutedsl' needs nvidia-cutlass-dsl 4.5 or newer: {lacks}",
        fix="pip install --upgrade nvidia-cutlass-dsl",
        tool="cutlass",
        needed_by="execution_backend='cutedsl'",
    )
