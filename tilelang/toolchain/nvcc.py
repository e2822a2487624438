"""nvcc: the alternative to NVRTC (`TILELANG_CUDA_COMPILER=nvcc`), slower to start but with every nvcc flag."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tilelang.env import env
from tilelang.errors import CompilationError, UnavailableError
from tilelang.paths import device_include_directory
from tilelang.toolchain.diagnostics import check_log, tool_failure


def find_nvcc() -> Path:
    """nvcc of CUDA_HOME or CUDA_PATH, then of PATH, then of the nvidia-cuda-nvcc package, then of /usr/local/cuda."""
    candidates = [Path(os.environ[name]) / "bin" / "nvcc" for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    on_path = shutil.which("nvcc")
    candidates += [Path(on_path)] if on_path else []
    spec = importlib.util.find_spec("nvidia")
    for root in (spec.submodule_search_locations or []) if spec else []:
        candidates += sorted(Path(root).glob("*/bin/nvcc"))
    candidates.append(Path("/usr/local/cuda/bin/nvcc"))
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise UnavailableError("nvcc was not found", fix="set CUDA_HOME, or unset TILELANG_CUDA_COMPILER to use NVRTC")


@functools.cache
def _version(path: Path, stamp: int) -> str:
    done = subprocess.run([str(path), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.strip().splitlines()[-1]


def identity() -> str:
    path = find_nvcc()
    return f"nvcc {_version(path, path.stat().st_mtime_ns)}"


def compile_cubin(source: str, arch: str, *, name: str, options: Sequence[str], verbose: bool) -> bytes:
    nvcc = find_nvcc()
    with tempfile.TemporaryDirectory(prefix="tilelang-") as directory:
        text, cubin = Path(directory, f"{name}.cu"), Path(directory, f"{name}.cubin")
        text.write_text(source)
        command = [str(nvcc), "-cubin", f"-arch={arch}", "-std=c++17", f"-I{device_include_directory()}", *options]
        command += [*(["--ptxas-options=-v"] if verbose else []), "-o", str(cubin), str(text)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=env.TILELANG_COMPILE_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise CompilationError(
                f"nvcc took longer than {error.timeout} s on `{name}`", fix="raise TILELANG_COMPILE_TIMEOUT_SECONDS"
            ) from None
        log = done.stdout + done.stderr
        if done.returncode:
            raise tool_failure("nvcc", name, log, source)
        check_log("nvcc", name, log, source, verbose)
        return cubin.read_bytes()
