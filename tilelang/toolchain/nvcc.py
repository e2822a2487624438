"""nvcc: the alternative to NVRTC (`TILELANG_CUDA_COMPILER=nvcc`), slower to start but with every nvcc flag."""

from __future__ import annotations

import functools
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tilelang.env import env
from tilelang.errors import CompilationError, UnavailableError
from tilelang.paths import device_include_directory
from tilelang.toolchain.diagnostics import check_log, tool_failure
from tilelang.toolchain.locate import find_tool
from tilelang.toolchain.workspace import work_directory


def find_nvcc() -> Path:
    """nvcc, by CUDA_HOME first."""
    found = find_tool("nvcc")
    if found is None:
        raise UnavailableError("nvcc was not found", fix="set CUDA_HOME, or unset TILELANG_CUDA_COMPILER to use NVRTC")
    return found


@functools.cache
def _version(path: Path) -> str:
    from tilelang.cache.stamps import remembered

    def ask() -> str:
        done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True)
        return done.stdout.strip().splitlines()[-1]

    return remembered("nvcc", [path], ask)


def identity() -> str:
    return f"nvcc {_version(find_nvcc())}"


def compile_text(source: str, arch: str, *, form: str, name: str, options: Sequence[str], verbose: bool) -> tuple[bytes, str]:
    """(the text as `form`, "cubin" or "ptx"; what the compiler said)."""
    nvcc = find_nvcc()
    with work_directory() as directory:
        text, output = Path(directory, f"{name}.cu"), Path(directory, f"{name}.{form}")
        text.write_text(source)
        command = [str(nvcc), f"-{form}", f"-arch={arch}", "-std=c++17", f"-I{device_include_directory()}", *options]
        command += ["--ptxas-options=-v", "-o", str(output), str(text)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=env.TILELANG_COMPILE_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CompilationError(
                f"nvcc took longer than {error.timeout} s on `{name}`", fix="raise TILELANG_COMPILE_TIMEOUT_SECONDS"
            ) from None
        log = done.stdout + done.stderr
        if done.returncode:
            raise tool_failure("nvcc", name, log, source, options, command, done.returncode)
        check_log("nvcc", name, log, verbose)
        return output.read_bytes(), log
