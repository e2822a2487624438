"""Checks of a kernel in the simulator: `kernel.check(...)`, the environment variable TILELANG_CHECK, device texts."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from tilelang.errors import ArgumentError, UnsupportedError
from tilelang.simulator.check_report import CheckedAccess, CheckFinding, CheckReport
from tilelang.simulator.check_session import CHECKS, CheckSession, merged
from tilelang.simulator.compiler import compile_kernel
from tilelang.simulator.launch import SimulatedModule
from tilelang.simulator.tensor_map import TensorMap

__all__ = ["CheckFinding", "CheckReport", "CheckedAccess", "CheckedLauncher", "check_device_text", "check_kernel", "parse_checks"]

DEFAULT_CHECKS = tuple(CHECKS)


def parse_checks(text: str) -> tuple[str, ...]:
    """The checks that TILELANG_CHECK names: "race,bounds", or 1, all; 0 or nothing: none.

    Raises
    ------
    ValueError
        For a name that is no check.
    """
    if text.strip().lower() in ("", "0", "none"):
        return ()
    if text.strip().lower() in ("1", "all"):
        return DEFAULT_CHECKS
    names = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise ValueError(f"no check named {unknown[0]!r}; there are {', '.join(CHECKS)}, and all")
    return names


def _validated(checks: str | Iterable[str] | None) -> tuple[str, ...]:
    if checks is None:
        return DEFAULT_CHECKS
    try:
        names = parse_checks(checks if isinstance(checks, str) else ",".join(checks))
    except ValueError as error:
        raise ArgumentError(f"checks={checks!r}: {error}") from None
    if not names:
        raise ArgumentError("checks names no check", fix=f"choose some of {', '.join(CHECKS)}")
    return names


class CheckedLauncher:
    """A compiled program whose calls are watched; stands where a `tilelang.runtime.Launcher` does.

    Parameters
    ----------
    artifact : Artifact
        A kernel compiled for the simulator.
    checks : sequence of str
        What to look for.
    """

    def __init__(self, artifact: Any, checks: Sequence[str]) -> None:
        from tilelang.cache.scratch import write_scratch
        from tilelang.runtime import Binary, Launcher

        self.artifact, self.checks = artifact, tuple(checks)
        # Local arrays matter to two checks: whether they were written, and whether wgmma owns them.
        registers = "init" in checks or ("race" in checks and "tl::wgmma" in artifact.source)
        names = [kernel.name for kernel in artifact.plan.kernels]
        binary = compile_kernel(artifact.source, names, watched=True, registers=registers)
        self.library = str(write_scratch("watched-kernel.so", binary))
        self._launcher = Launcher(artifact.plan, Binary.simulator(self.library))

    def run(self, args: Sequence[Any], schedule: int = 0) -> tuple[Any, list[CheckFinding]]:
        """Call the program; returns its result (None after a failure) and the findings."""
        result = None
        plan = self.artifact.plan
        pointers = any(parameter.pointer for parameter in plan.parameters)
        with CheckSession(self.artifact.source, self.library, self.checks, _shapes(plan, args), pointers) as session:
            result = self._launcher(*args)
        return result, session.findings(schedule)

    def __call__(self, *args: Any) -> Any:
        result, findings = self.run(args)
        CheckReport(self.artifact.plan.name, self.checks, 1, tuple(findings)).raise_if_found()
        return result


def check_kernel(kernel: Any, *inputs: Any, schedules: int = 8, checks: str | Iterable[str] | None = None) -> CheckReport:
    """Run a kernel in the simulator and look for defects; `JITKernel.check` calls this.

    Parameters
    ----------
    kernel : JITKernel
        Compiled for the simulator.
    *inputs
        The arguments of a call. Tensors are copied: a check changes nothing.
    schedules : int
        How many orders of threads and times of asynchronous operations to try. The first is watched by the checker, which
        needs no luck; results of the others are compared with its result.
    checks : str or iterable of str, optional
        Some of race, bounds, init, deadlock, misuse; all by default.

    Returns
    -------
    CheckReport

    Raises
    ------
    UnsupportedError
        When the kernel was compiled for a GPU.
    """
    if kernel.artifact.kind != "simulator":
        raise UnsupportedError(
            f"`{kernel.name}` is compiled for {kernel.target}: only simulated kernels can be checked",
            fix='compile it with execution_backend="simulator", or set TILELANG_SIMULATE=1',
        )
    if schedules < 1:
        raise ArgumentError(f"schedules={schedules}: at least one schedule must run")
    names = _validated(checks)
    launcher = CheckedLauncher(kernel.artifact, names)
    exact = "tl::atomic_" not in kernel.artifact.source  # sums in another order round differently
    found: list[CheckFinding] = []
    first: list[Any] = []
    ran = 0
    for schedule in range(schedules):
        args = _copied(inputs)
        with _schedule(schedule):
            result, findings = launcher.run(args, schedule)
        found += findings
        ran += 1
        values = [*_tensors(args), *_tensors(result if isinstance(result, (list, tuple)) else [result])]
        if findings:
            break
        if schedule == 0:
            first = values
        elif not all(_same(a, b, exact) for a, b in zip(first, values)):
            found.append(
                CheckFinding("schedule", "the result depends on the schedule", "", "an order of some accesses", schedule=schedule)
            )
            break
    return CheckReport(kernel.name, names, ran, tuple(merged(found)))


def check_device_text(
    source: str,
    name: str,
    grid: Sequence[int],
    block: Sequence[int],
    arguments: Sequence[Any],
    *,
    shared_bytes: int = 0,
    checks: str | Iterable[str] | None = None,
    fresh: Sequence[int] = (),
    schedule: int = 0,
    cluster: Sequence[int] = (1, 1, 1),
    cooperative: bool = False,
) -> CheckReport:
    """Run one kernel of a device text (written against `src/device`) and look for defects.

    Parameters
    ----------
    source : str
        The text.
    name : str
        The kernel to launch.
    grid, block : sequence of int
        Up to three extents.
    arguments : sequence
        As for `SimulatedModule.launch`; arrays, and what tensor maps stand for, are what the kernel may touch.
    shared_bytes : int
        Dynamic shared memory of a block.
    checks : str or iterable of str, optional
        All by default.
    fresh : sequence of int
        Positions of arrays that hold nothing yet: reading them before a write is a defect.
    schedule : int
        Seed of the schedule.
    cluster : sequence of int
        Blocks of a cluster, up to three extents.
    cooperative : bool
        All blocks run together, as `tl::grid_sync` needs.

    Returns
    -------
    CheckReport
    """
    names = _validated(checks)
    module = SimulatedModule(compile_kernel(source, [name], watched=True))
    arrays = {i: a for i, a in enumerate(arguments) if hasattr(a, "nbytes") and hasattr(a, "shape")}
    session = CheckSession(source, module.path, names)
    section = next(s for s in session.text.sections if s.name == name)
    for i, array in arrays.items():
        session.shapes[section.parameters[i]] = _layout(array)
    with _schedule(schedule), session:
        for i, array in arrays.items():
            session.register(section.parameters[i], _address(array), array.nbytes, fresh=i in fresh)
        for i, value in enumerate(arguments):
            if isinstance(value, TensorMap):
                session.register(section.parameters[i], value.address, value.span, fresh=i in fresh)
        module.launch(name, grid, block, arguments, shared_bytes=shared_bytes, cluster=cluster, cooperative=cooperative)
    return CheckReport(name, names, 1, tuple(session.findings()))


@contextmanager
def _schedule(seed: int):
    """Seed 0 is the ordinary, latest schedule; others choose orders and times at random."""
    names = {"TILELANG_SIMULATOR_SEED": str(seed), "TILELANG_SIMULATOR_TIME": "random" if seed else None}
    if not seed:
        names = {}
    before = {name: os.environ.get(name) for name in names}
    os.environ.update({name: value for name, value in names.items() if value is not None})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _shapes(plan: Any, args: Sequence[Any]) -> dict[str, tuple[tuple, tuple, int]]:
    """Shape, strides and element size of the tensors of a call, by parameter."""
    shapes = {}
    values = iter(args)
    for parameter in plan.parameters:
        value = None if parameter.output else next(values, None)
        if value is not None and hasattr(value, "shape"):
            shapes[parameter.name] = _layout(value)
        elif parameter.kind == "tensor" and all(isinstance(n, int) for n in parameter.shape):
            from tilelang.language.dtypes import dtype

            shapes[parameter.name] = (parameter.shape, _compact(parameter.shape), dtype(parameter.dtype).bytes)
    return shapes


def _compact(shape: Sequence[int]) -> tuple[int, ...]:
    strides, stride = [], 1
    for extent in reversed(shape):
        strides.append(stride)
        stride *= extent
    return tuple(reversed(strides))


def _layout(array: Any) -> tuple[tuple, tuple, int]:
    size = array.itemsize if hasattr(array, "itemsize") else array.element_size()
    strides = tuple(array.stride()) if callable(getattr(array, "stride", None)) else tuple(s // size for s in array.strides)
    return tuple(array.shape), strides, size


def _address(array: Any) -> int:
    return array.data_ptr() if hasattr(array, "data_ptr") else array.__array_interface__["data"][0]


def _copied(inputs: Sequence[Any]) -> list[Any]:
    """Copies of the tensors; a tensor that is passed twice stays one."""
    copies: dict[int, Any] = {}
    for value in inputs:
        if id(value) not in copies:
            copies[id(value)] = value.clone() if hasattr(value, "clone") else value.copy() if hasattr(value, "copy") else value
    return [copies[id(value)] for value in inputs]


def _tensors(values: Sequence[Any]) -> list[Any]:
    return [value for value in values if hasattr(value, "shape")]


def _same(a: Any, b: Any, exact: bool) -> bool:
    import torch

    a, b = (x if isinstance(x, torch.Tensor) else torch.from_dlpack(x) for x in (a, b))
    if exact:
        return torch.equal(a.contiguous().view(-1).view(torch.uint8), b.contiguous().view(-1).view(torch.uint8))
    a, b = a.double(), b.double()
    scale = float(a.abs().nan_to_num(posinf=0).max()) if a.numel() else 0.0
    return torch.allclose(a, b, rtol=1e-2, atol=1e-2 * scale, equal_nan=True)
