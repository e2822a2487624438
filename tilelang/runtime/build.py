"""Build the native libraries into `tilelang/lib` of a checkout: `python -m tilelang.runtime.build`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tilelang.errors import CompilationError, UnavailableError
from tilelang.paths import PACKAGE, checkout_root


def build(*, quiet: bool = False) -> list[Path]:
    """Configure and build with CMake; returns the libraries.

    Raises
    ------
    UnavailableError
        Outside a checkout, or without CMake.
    CompilationError
        When CMake or the C++ compiler fails; `log` holds their output.
    """
    root = checkout_root()
    if root is None:
        raise UnavailableError(
            "this package is not a checkout; its libraries came with the wheel", fix="run this from a checkout"
        )
    cmake = shutil.which("cmake", path=f"{Path(sys.executable).parent}:{_search_path()}")
    if cmake is None:
        raise UnavailableError("cmake was not found", fix="pip install cmake ninja")
    directory = root / "build" / "native"
    generator = ["-G", "Ninja"] if shutil.which("ninja", path=f"{Path(sys.executable).parent}:{_search_path()}") else []
    _run(
        [
            cmake,
            "-S",
            str(root),
            "-B",
            str(directory),
            *generator,
            "-DTILELANG_IN_TREE=ON",
            f"-DPython_EXECUTABLE={sys.executable}",
        ],
        quiet,
    )
    _run([cmake, "--build", str(directory), "--parallel"], quiet)
    return sorted((PACKAGE / "lib").glob("*.so"))


def _search_path() -> str:
    import os

    return os.environ.get("PATH", os.defpath)


def _run(command: list[str], quiet: bool) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        error = CompilationError(f"`{' '.join(command[:2])} ...` failed with status {done.returncode}\n{done.stdout[-4000:]}")
        error.log = done.stdout
        raise error
    if not quiet:
        sys.stdout.write(done.stdout)


if __name__ == "__main__":
    for library in build():
        print(library)
