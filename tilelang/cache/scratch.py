"""Files that live as long as the process: shared objects of simulated kernels when nothing is cached on disk."""

from __future__ import annotations

import atexit
import functools
import itertools
import shutil
import tempfile
from pathlib import Path

_numbers = itertools.count()


@functools.cache
def _directory() -> Path:
    directory = Path(tempfile.mkdtemp(prefix="tilelang-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def write_scratch(name: str, data: bytes) -> Path:
    """Write `data` to a new file whose name ends in `name`."""
    path = _directory() / f"{next(_numbers)}-{name}"
    path.write_bytes(data)
    return path
