"""Things that take long to find out about files, remembered until one of the files changes."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterable

from tilelang.env import env


def remembered(purpose: str, paths: Iterable[str | os.PathLike], find_out: Callable[[], str]) -> str:
    """What `find_out()` says, from the cache directory if no file of `paths` has changed since it was asked.

    Parameters
    ----------
    purpose : str
        What is asked, and for whom.
    paths : iterable of path
        The files that the answer depends on: told apart by name, inode, size, and times of content and of status, so that a
        file that was edited and dated back counts as changed.
    find_out : callable
        Finds the answer; any text.
    """
    states = [(os.fspath(path), os.stat(path)) for path in paths]
    stamps = [(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns) for path, state in states]
    kept = env.TILELANG_CACHE_DIR / "stamps" / hashlib.sha256(repr((purpose, stamps)).encode()).hexdigest()
    with contextlib.suppress(OSError, ValueError):
        checksum, _, text = kept.read_text().partition("\n")
        if checksum == hashlib.sha256(text.encode()).hexdigest():
            return text
    text = find_out()
    if not env.TILELANG_DISABLE_CACHE:
        from tilelang.cache.directory_store import DirectoryStore, replace_file

        with contextlib.suppress(OSError):
            DirectoryStore(env.TILELANG_CACHE_DIR).prepare(kept.parent)
            replace_file(kept, f"{hashlib.sha256(text.encode()).hexdigest()}\n{text}".encode())
    return text
