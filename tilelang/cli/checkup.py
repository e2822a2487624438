"""What `tilelang doctor` looks at; nothing heavy is imported for it."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tilelang.cache.places import private_cache
from tilelang.config.file import active_file
from tilelang.env import env
from tilelang.errors import ConfigError, TileLangError
from tilelang.paths import PACKAGE, checkout_root
from tilelang.toolchain.versions import package_version

REQUIRED = ("apache-tvm", "apache-tvm-ffi", "numpy", "torch", "cuda-bindings", "nvidia-cuda-nvrtc", "filelock")
OPTIONAL = {
    "cupy": ("cupy-cuda13x", "CuPy arrays, and CupyJit"),
    "cython": ("cython", "the cython execution backend"),
    "jax": ("jax", "JAX arrays"),
    "nvidia-cutlass-dsl": ("nvidia-cutlass-dsl", "the cutedsl execution backend"),
}
TOOLS = {
    "nvcc": ("another compiler than NVRTC (TILELANG_CUDA_COMPILER=nvcc)", "install a CUDA toolkit and set CUDA_HOME"),
    "nvdisasm": ("kernel.show_sass()", "pip install nvidia-cuda-nvdisasm"),
    "ptxas": ("comparing PTX by hand", "install a CUDA toolkit and set CUDA_HOME"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Parameters
    ----------
    what : str
        What was looked at.
    status : str
        "ok", "optional" (not there, and not needed), "missing" or "problem".
    detail : str
        What was found.
    fix : str
        One line that remedies it.
    """

    what: str
    status: str
    detail: str
    fix: str = ""


def examine() -> list[Finding]:
    """All findings."""
    return [
        *_python(),
        *_packages(),
        *_native_libraries(),
        *_gpu(),
        *_host_compiler(),
        *_cuda_tools(),
        *_settings(),
        *_cache(),
    ]


def _python() -> Iterator[Finding]:
    from tilelang import __version__

    old = sys.version_info < (3, 10)
    yield Finding("python", "problem" if old else "ok", platform.python_version(), "use Python 3.10 or newer" if old else "")
    root = checkout_root()
    yield Finding("tilelang", "ok", f"{__version__}, {'checkout' if root else 'installed'} at {root or PACKAGE}")


def _packages() -> Iterator[Finding]:
    for name in REQUIRED:
        version = package_version(name)
        missing = Finding(name, "missing", "not installed", f"pip install {name}")
        yield missing if version == "none" else Finding(name, "ok", version)
    for name, (distribution, use) in OPTIONAL.items():
        version = next((v for v in map(package_version, (name, distribution)) if v != "none"), "none")
        if version == "none":
            yield Finding(name, "optional", f"not installed: for {use}", f"pip install {distribution}")
        else:
            yield Finding(name, "ok", version)


def _native_libraries() -> Iterator[Finding]:
    for name in ("tilelang_runtime", "tilelang_simulator"):
        path = PACKAGE / "lib" / f"lib{name}.so"
        if path.is_file():
            yield Finding(path.name, "ok", str(path))
        else:
            fix = "python -m tilelang.runtime.build" if checkout_root() else "pip install --force-reinstall tilelang"
            yield Finding(path.name, "missing", "not built", fix)


def _gpu() -> Iterator[Finding]:
    from tilelang.target.target import device_arch

    arch = device_arch()
    if arch is None:
        detail = "no CUDA driver answers: kernels run in the CPU simulator"
        yield Finding("GPU", "optional", detail, "on a machine with an NVIDIA GPU, install its driver")
    else:
        yield Finding("GPU", "ok", arch)


def _host_compiler() -> Iterator[Finding]:
    from tilelang.simulator.toolchain import compiler_identity

    try:
        yield Finding("C++ compiler", "ok", compiler_identity())
    except (TileLangError, OSError) as error:
        message, fix = (error.message, error.fix) if isinstance(error, TileLangError) else (str(error), "correct TILELANG_CXX")
        yield Finding("C++ compiler", "missing", message, fix)


def _cuda_tools() -> Iterator[Finding]:
    from tilelang.toolchain.locate import find_tool

    for name, (use, fix) in TOOLS.items():
        path = find_tool(name)
        yield Finding(name, "optional", f"not found: for {use}", fix) if path is None else Finding(name, "ok", str(path))


def _settings() -> Iterator[Finding]:
    from tilelang.cli.config import variable_remarks

    try:
        path = active_file().path
        yield Finding("configuration", "ok", "no file" if path is None else str(path))
    except ConfigError as error:
        yield Finding("configuration", "problem", error.message, error.fix)
        return
    for entry in env.describe():
        if entry.error:
            yield Finding(entry.name, "problem", entry.error, f"correct or unset it ({entry.source})")
    for remark in variable_remarks():
        name, _, rest = remark.partition(" ")
        yield Finding(name, "optional", rest, f"unset {name}")


def _cache() -> Iterator[Finding]:
    from tilelang.cache.directory_store import DirectoryStore
    from tilelang.cache.inventory import entries
    from tilelang.cli.output import size_text

    try:
        root = env.TILELANG_CACHE_DIR
    except ConfigError:
        return  # said above
    if env.TILELANG_DISABLE_CACHE:
        yield Finding("cache", "ok", "switched off by TILELANG_DISABLE_CACHE")
        return
    existing = next((path for path in (root, *root.parents) if path.exists()), root)
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        detail = f"{root} cannot be written: kernels go to {private_cache()}"
        yield Finding("cache", "problem", detail, "set TILELANG_CACHE_DIR to a directory of yours")
        return
    found = list(entries(DirectoryStore(root)))
    corrupt = sum(bool(entry.error) for entry in found)
    detail = f"{root}: {len(found)} kernels, {size_text(sum(entry.size for entry in found))}"
    if corrupt:
        yield Finding("cache", "problem", f"{detail}, {corrupt} of them corrupt", "tilelang cache verify --repair")
    else:
        yield Finding("cache", "ok", detail)
