"""One compilation as data: what a worker gets and what it returns."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tilelang.cache import Artifact, UnkeyableError
from tilelang.errors import UnavailableError
from tilelang.jit.compiler import compile_program, request_key
from tilelang.jit.options import CompileOptions
from tilelang.jit.parallel.surroundings import Surroundings


@dataclass(frozen=True)
class CompileTask:
    """A traced program and how to compile it.

    Parameters
    ----------
    program : bytes
        What `dump_program` made of the PrimFunc.
    options : CompileOptions
        With a resolved target.
    out_idx : int or sequence of int, optional
        The parameters to return.
    request : str, optional
        The key under which the result is published for untraced look-ups.
    surroundings : Surroundings
        Of the process that asks.
    compiler : str, optional
        Digest of compiler and toolchain there: the worker's must be the same.
    """

    program: bytes
    options: CompileOptions
    out_idx: int | Sequence[int] | None
    request: str | None
    surroundings: Surroundings
    compiler: str | None


@dataclass(frozen=True)
class CompiledTask:
    """The files of a cache entry, and what making them took.

    Parameters
    ----------
    files : dict
        Name and content, with checksums, as in the cache.
    directory : Path, optional
        Where the worker published them.
    cpu_seconds, seconds : float
        Processor and wall-clock time, compilers that the worker started included.
    """

    files: dict[str, bytes]
    directory: Path | None
    cpu_seconds: float
    seconds: float

    def artifact(self) -> Artifact:
        """The artifact, verified; in the worker's directory if that is visible here."""
        if self.directory is not None and (self.directory / "entry.json").is_file():
            return Artifact.read(self.directory)
        return Artifact.from_files(self.files)


def compiler_identity(options: CompileOptions) -> str | None:
    """A digest of everything that decides what a program compiles to, the program left out."""
    try:
        return request_key("compiler", options, None)
    except UnkeyableError:
        return None


def compile_task(task: CompileTask) -> CompiledTask:
    """Compile in this process; what executors call.

    Raises
    ------
    UnavailableError
        When this process has another version of the compiler than the one that asked.
    """
    task.surroundings.apply()
    if task.compiler is not None and compiler_identity(task.options) != task.compiler:
        raise UnavailableError(
            "the worker's tilelang or CUDA compiler differs from that of the process that asks",
            fix="install the same versions on all hosts of the executor",
        )
    started, used = time.perf_counter(), _cpu_seconds()
    artifact = compile_program(lambda: _load_program(task.program), task.options, task.out_idx, task.request)
    return CompiledTask(artifact.files(), artifact.directory, _cpu_seconds() - used, time.perf_counter() - started)


def dump_program(prim_func: Any) -> bytes:
    """A traced program for a `CompileTask`."""
    from tilelang.ir.transport import dump

    return dump(prim_func)


def _load_program(data: bytes) -> Any:
    from tilelang.ir.transport import load

    return load(data)


def _cpu_seconds() -> float:
    parts = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in parts)
