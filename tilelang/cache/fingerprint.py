"""A digest of our own compiler: its Python sources and the device and simulator headers.

Any edit of them changes what a kernel compiles to, so it is part of every key. Reading all of it takes 10 ms; so the digest
is kept in the cache directory under a stamp of names, sizes and modification times.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tilelang.env import env
from tilelang.paths import PACKAGE, source_directory

# Packages that no compiled kernel depends on.
_IRRELEVANT = {"__pycache__", "testing", "profiler", "lib", "src"}


def _walk(directory: str) -> Iterator[os.DirEntry]:
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda e: e.name):
            if entry.is_dir():
                if entry.name not in _IRRELEVANT:
                    yield from _walk(entry.path)
            elif entry.name.endswith((".py", ".h", ".inc", ".cc")):
                yield entry


def _roots() -> list[Path]:
    return [PACKAGE, source_directory("device"), source_directory("simulator")]


@functools.cache
def compiler_fingerprint() -> str:
    """The digest; read once per process."""
    files, stamp = [], hashlib.sha256()
    for root in _roots():
        if not root.is_dir():
            continue
        for entry in _walk(str(root)):
            status = entry.stat()
            files.append((os.path.relpath(entry.path, root), entry.path))
            stamp.update(f"{entry.path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    kept = Path(env.TILELANG_CACHE_DIR) / "stamps" / stamp.hexdigest()
    with contextlib.suppress(OSError, ValueError):
        text = kept.read_text()
        if len(text) == 64:
            return text
    content = hashlib.sha256()
    for name, path in files:
        data = Path(path).read_bytes()
        content.update(f"{name}\0{len(data)}\n".encode())
        content.update(data)
    with contextlib.suppress(OSError):
        if not env.TILELANG_DISABLE_CACHE:
            kept.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=kept.parent)
            with os.fdopen(handle, "w") as file:
                file.write(content.hexdigest())
            os.replace(name, kept)
    return content.hexdigest()
