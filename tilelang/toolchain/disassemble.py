"""A cubin as SASS, the machine's own instructions."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tilelang.errors import CompilationError, UnavailableError
from tilelang.toolchain.locate import find_tool

_COMMANDS = {"nvdisasm": ["--print-code"], "cuobjdump": ["-sass"]}


def disassemble(cubin: bytes, name: str) -> str:
    """The SASS of a cubin; `name` is for messages.

    Raises
    ------
    UnavailableError
        When neither nvdisasm nor cuobjdump is installed.
    """
    tool, path = next(((tool, path) for tool in _COMMANDS if (path := find_tool(tool)) is not None), ("", None))
    if path is None:
        raise UnavailableError(
            f"the SASS of `{name}` needs nvdisasm or cuobjdump, and neither was found",
            fix="pip install nvidia-cuda-nvdisasm, or put the bin directory of a CUDA toolkit on PATH",
        )
    with tempfile.TemporaryDirectory(prefix="tilelang-") as directory:
        file = Path(directory, f"{name}.cubin")
        file.write_bytes(cubin)
        done = subprocess.run([str(path), *_COMMANDS[tool], str(file)], capture_output=True, text=True)
    if done.returncode:
        error = CompilationError(
            f"{path} could not read the cubin of `{name}`",
            fix="use one at least as new as the compiler: pip install -U nvidia-cuda-nvdisasm (its words are in the exception's "
            "`log`)",
        )
        error.log = done.stdout + done.stderr
        raise error
    return done.stdout
