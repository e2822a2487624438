"""The CUDA toolkit, and what the current device can do."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tilelang.contrib.compile_text import arch_of, words
from tilelang.errors import UnavailableError, UnsupportedError
from tilelang.target.target import resolve_target
from tilelang.toolchain.locate import find_tool


def find_cuda_path() -> str:
    """The folder of the CUDA toolkit.

    Raises
    ------
    UnavailableError
        If there is no nvcc.
    """
    nvcc = find_tool("nvcc")
    if nvcc is None:
        raise UnavailableError("no CUDA toolkit was found", fix="set CUDA_HOME; NVRTC needs none")
    return str(nvcc.parent.parent)


def get_cuda_version(cuda_path: str | None = None) -> tuple[int, ...]:
    """The toolkit's version, as (13, 0)."""
    command = f"{cuda_path or find_cuda_path()}/bin/nvcc"
    text = subprocess.run([command, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"release (\d+)\.(\d+)", text)
    if found is None:
        raise UnavailableError(f"{command} does not say its version", fix="set CUDA_HOME to a CUDA toolkit")
    return int(found[1]), int(found[2])


def compile_cuda(
    code: str,
    target_format: str = "ptx",
    arch: str | int | None = None,
    options: Sequence[str] | str | None = None,
    path_target: str | None = None,
) -> bytearray:
    """Compile CUDA C++ text with nvcc; `#include <tl/...>` finds the device library.

    Parameters
    ----------
    code : str
    target_format : {"ptx", "cubin", "fatbin"}
    arch : str or int, optional
        As "sm_90a", "90a" or 90; that of the GPU, or sm_90a where none is, by default.
    options : sequence of str or str, optional
        Further options of nvcc.
    path_target : str, optional
        Where to write the result, too.

    Returns
    -------
    bytearray

    Raises
    ------
    CompilationError
        If nvcc refuses the text.
    UnavailableError
        If there is no nvcc.
    """
    from tilelang.toolchain.nvcc import compile_text

    if target_format not in ("ptx", "cubin", "fatbin"):
        raise UnsupportedError(f"target_format={target_format!r}", fix='"ptx", "cubin" or "fatbin"')
    found, _ = compile_text(code, arch_of(arch), form=target_format, name="code", options=words(options), verbose=False)
    if path_target is not None:
        Path(path_target).write_bytes(found)
    return bytearray(found)


def get_target_compute_version(target: Any = None) -> str:
    """The compute capability of a target, as "9.0"; of the current device by default."""
    digits = resolve_target(target or "cuda").arch.removeprefix("sm_").rstrip("af")
    return f"{digits[:-1]}.{digits[-1]}"


def parse_compute_version(compute_version: str) -> tuple[int, int]:
    """(9, 0) of "9.0"."""
    major, _, minor = compute_version.partition(".")
    return int(major), int(minor or 0)


def get_target_arch(compute_version: tuple[int, int] | str) -> str:
    """The architecture's number and letter, as "90a"."""
    major, minor = parse_compute_version(compute_version) if isinstance(compute_version, str) else compute_version
    return f"{major}{minor}" + ("a" if major >= 9 else "")


def _at_least(compute_version: str | None, least: tuple[int, int]) -> bool:
    return parse_compute_version(compute_version or get_target_compute_version()) >= least


def have_fp16(compute_version: str) -> bool:
    return _at_least(compute_version, (5, 3))


def have_int8(compute_version: str) -> bool:
    return _at_least(compute_version, (6, 1))


def have_tensorcore(compute_version: str | None = None, target: Any = None) -> bool:
    return _at_least(compute_version or get_target_compute_version(target), (7, 0))


def have_bf16(compute_version: str) -> bool:
    return _at_least(compute_version, (8, 0))


def have_fp8(compute_version: str) -> bool:
    return _at_least(compute_version, (8, 9))


def have_tma(target: Any) -> bool:
    """Whether a target copies tiles by TMA."""
    return _at_least(get_target_compute_version(target), (9, 0))


def have_pdl(target: Any) -> bool:
    """Whether a target has dependent launches."""
    return _at_least(get_target_compute_version(target), (9, 0))


def is_hopper(target: Any) -> bool:
    return parse_compute_version(get_target_compute_version(target)) == (9, 0)
