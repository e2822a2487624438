"""The text that a compiler refused: kept as a file, and its first error led back to the author's line."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from typing import TYPE_CHECKING

from tilelang.cache.places import temporary_directory
from tilelang.errors import CompilationError

if TYPE_CHECKING:
    from tilelang.jit.lowered import LoweredKernel

# "kernel.cu(12): error", "kernel.cc:12:5: error", "ptxas kernel.ptx, line 12; error" is of another file.
_PLACE = re.compile(r"\.(?:cu|cc|cpp)(?:\((\d+)\)|:(\d+):\d+): (?:fatal )?error")
_AUTHOR = re.compile(r"//\s*(\S+\.py:\d+)\s*$")


def keep_text(error: CompilationError, program: LoweredKernel) -> CompilationError:
    """Write the text beside the other temporary files, where it stays; the error says where.

    The name is a digest, so that the same failure leaves one file.
    """
    error.source = error.source or program.source
    suffix = "cc" if program.target.is_cpu or program.target.simulated else "cu"
    name = f"tilelang-refused-{hashlib.sha256(error.source.encode()).hexdigest()[:16]}.{suffix}"
    path = temporary_directory() / name
    with contextlib.suppress(OSError):
        with contextlib.suppress(FileExistsError), open(path, "x", opener=_private) as file:
            file.write(error.source)
        error.source_path = path
        error.notes = (*error.notes, f"the text is kept in {path}")
    line = author_line(error.source, error.log)
    if line:
        error.notes = (*error.notes, f"its first error is in what {line} became")
    return error


def author_line(source: str, log: str) -> str:
    """ "gemm.py:12" for the first error of a log, if the text says which line of Python it comes from; else empty."""
    found = _PLACE.search(log)
    if found is None:
        return ""
    lines = source.splitlines()
    for number in range(min(int(found[1] or found[2]), len(lines)) - 1, -1, -1):
        author = _AUTHOR.search(lines[number])
        if author:
            return author[1]
        if lines[number].startswith("}"):  # an earlier function
            return ""
    return ""


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
