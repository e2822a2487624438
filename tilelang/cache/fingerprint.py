"""A digest of our own compiler: its Python sources and the device and simulator headers.

Any edit of them changes what a kernel compiles to, so it is part of every key. Reading all of it takes 10 ms, so the digest is
kept in the cache directory (`stamps`).
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from tilelang.cache.stamps import remembered
from tilelang.env import env
from tilelang.paths import PACKAGE, source_directory

# Packages that no compiled kernel depends on.
_IRRELEVANT = {"__pycache__", "cli", "testing", "profiler", "lib", "src"}


def _walk(directory: str) -> Iterator[os.DirEntry]:
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.is_dir():
                if entry.name not in _IRRELEVANT:
                    yield from _walk(entry.path)
            elif entry.name.endswith((".py", ".h", ".inc", ".cc")):
                yield entry


def _roots() -> list[Path]:
    return [PACKAGE, *map(source_directory, ("device", "simulator", "cpu"))]


@functools.cache
def compiler_fingerprint() -> str:
    """The digest; made once per process."""
    files = [(str(root), entry.path) for root in _roots() if root.is_dir() for entry in _walk(str(root))]
    libraries = sorted((PACKAGE / "lib").glob("*.so")) if env.TILELANG_KERNEL_CACHE_USE_LIB_STAMP else []
    files += [(str(PACKAGE), str(path)) for path in libraries]
    return remembered("sources", [path for _, path in files], lambda: _digest(files))


def _digest(files: list[tuple[str, str]]) -> str:
    content = hashlib.sha256()
    for root, path in files:
        data = Path(path).read_bytes()
        content.update(f"{os.path.relpath(path, root)}\0{len(data)}\n".encode())
        content.update(data)
    return content.hexdigest()
