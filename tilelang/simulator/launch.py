"""Launch a compiled kernel through ctypes: for tests and tools. Calls of users go through the native launcher."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tilelang.errors import SimulationError
from tilelang.simulator.runtime import load_library
from tilelang.simulator.tensor_map import TensorMap

_REPORT_CAPACITY = 16384


class _Options(ctypes.Structure):
    """`struct tl_sim_launch_options`."""

    _fields_ = [
        ("size", ctypes.c_uint32),
        ("grid", ctypes.c_uint32 * 3),
        ("block", ctypes.c_uint32 * 3),
        ("cluster", ctypes.c_uint32 * 3),
        ("shared_bytes", ctypes.c_uint32),
        ("cooperative", ctypes.c_int32),
        ("time", ctypes.c_int32),
        ("numerics", ctypes.c_int32),
        ("seed", ctypes.c_int64),
    ]


class SimulatedModule:
    """A compiled kernel, loaded.

    Parameters
    ----------
    binary : bytes
        What `compile_kernel` returned.
    """

    def __init__(self, binary: bytes) -> None:
        self._runtime = load_library()
        self._folder = tempfile.TemporaryDirectory(prefix="tilelang-")
        self._path = Path(self._folder.name, "kernel.so")  # kept: addr2line reads its lines
        self._path.write_bytes(binary)
        self._library = ctypes.CDLL(str(self._path))

    @property
    def path(self) -> str:
        """The shared object on disk."""
        return str(self._path)

    def launch(
        self,
        name: str,
        grid: Sequence[int],
        block: Sequence[int],
        arguments: Sequence[object],
        *,
        shared_bytes: int = 0,
        cluster: Sequence[int] = (1, 1, 1),
        cooperative: bool = False,
        time: str | None = None,
        numerics: str | None = None,
        seed: int | None = None,
    ) -> None:
        """Run a kernel to its end.

        Parameters
        ----------
        name : str
            The kernel's name in the text.
        grid, block : sequence of int
            Up to three extents.
        arguments : sequence
            NumPy arrays or torch CPU tensors (passed by data pointer), `TensorMap`s, ints (as int32), floats (as float) or
            ctypes values.
        shared_bytes : int
            Dynamic shared memory of a block.
        cluster : sequence of int
            Blocks of a cluster, up to three extents.
        cooperative : bool
            All blocks run together, as `tl::grid_sync` needs.
        time : {"early", "late", "random"}, optional
            When asynchronous operations take effect; by default the environment variable TILELANG_SIMULATOR_TIME, else late.
        numerics : {"fast", "hardware"}, optional
            Sums of matrix instructions; by default TILELANG_SIMULATOR_NUMERICS, else fast.
        seed : int, optional
            Of the schedule; by default TILELANG_SIMULATOR_SEED, else 0.

        Raises
        ------
        SimulationError
            The kernel went wrong; the message is the simulator's report.
        """
        entry = ctypes.cast(getattr(self._library, f"{name}__sim"), ctypes.c_void_p)
        values = [_argument(a) for a in arguments]
        pointers = (ctypes.c_void_p * max(1, len(values)))(*[ctypes.addressof(v) for v in values])
        report = ctypes.create_string_buffer(_REPORT_CAPACITY)
        options = _Options(
            ctypes.sizeof(_Options), _extent(grid), _extent(block), _extent(cluster), shared_bytes, cooperative,
            _choice("time", time, ("early", "late", "random")), _choice("numerics", numerics, ("fast", "hardware")),
            -1 if seed is None else seed,
        )  # fmt: skip
        code = self._runtime.tl_sim_launch_with(entry, pointers, ctypes.addressof(options), report, _REPORT_CAPACITY)
        if code:
            raise simulation_error(report.value.decode(errors="replace"))


def simulation_error(report: str) -> SimulationError:
    """The exception for a report of `tl_sim_launch`: program counters become lines of the kernel text."""
    first, _, rest = resolve_places(report).strip().partition("\n")
    return SimulationError(first, notes=tuple(line for line in rest.splitlines() if line.strip()))


def resolve_places(report: str) -> str:
    """Replace `[pc +0x12 in kernel.so]` by the line of the kernel text, where addr2line knows it."""
    tool = shutil.which("addr2line")

    def line_of(match: re.Match[str]) -> str:
        if tool is None:
            return match[0]
        done = subprocess.run([tool, "-i", "-e", match[2], match[1]], capture_output=True, text=True)
        for frame in done.stdout.splitlines():  # innermost first; the first outside the device library is the kernel's
            file, _, line = frame.split(" ")[0].rpartition(":")
            if file.endswith(("kernel.cc", ".cu", ".py")) and line.isdigit():
                return f"(line {line})"
        return ""

    return re.sub(r"\[pc \+(0x[0-9a-f]+) in ([^\]]+)\]", line_of, report)


def _choice(name: str, value: str | None, choices: tuple[str, ...]) -> int:
    if value is None:
        return -1
    if value not in choices:
        raise SimulationError(f"{name}={value!r} is none of {', '.join(choices)}")
    return choices.index(value)


def _argument(value: object):
    if isinstance(value, TensorMap):
        return value.storage
    if isinstance(value, bool):
        return ctypes.c_bool(value)
    if isinstance(value, int):
        return ctypes.c_int32(value)
    if isinstance(value, float):
        return ctypes.c_float(value)
    if hasattr(value, "__array_interface__"):
        return ctypes.c_void_p(value.__array_interface__["data"][0])
    if hasattr(value, "data_ptr"):
        return ctypes.c_void_p(value.data_ptr())
    return value


def _extent(values: Sequence[int]):
    return (ctypes.c_uint32 * 3)(*[*values, 1, 1, 1][:3])
