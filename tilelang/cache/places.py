"""The directory that takes over where the cache directory cannot be written."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from tilelang.env import env


def temporary_directory() -> Path:
    """Where temporary files go: `TILELANG_TMP_DIR`, or the system's choice."""
    return env.TILELANG_TMP_DIR or Path(tempfile.gettempdir())


def private_cache() -> Path:
    """The path of this user's cache among the temporary files; nothing is created."""
    if hasattr(os, "getuid"):
        user = str(os.getuid())
    else:
        import getpass

        user = getpass.getuser()
    return temporary_directory() / f"tilelang-cache-{user}"


def refusal(path: Path) -> str:
    """Why kernels must not be loaded from `path` in a directory that everybody can write to; empty when they may.

    A name under /tmp belongs to whoever came first: a directory of somebody else, or a link, could hold anything.
    """
    try:
        status = path.lstat()
    except OSError as error:
        return f"{path} cannot be used ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode):
        return f"{path} is not a directory"
    if hasattr(os, "getuid"):
        if status.st_uid != os.getuid():
            return f"{path} belongs to another user"
        if status.st_mode & 0o022:
            return f"{path} can be written by others"
    return ""


def make_private_cache() -> Path:
    """Create `private_cache()` if it is not there.

    Raises
    ------
    OSError
        When it cannot be created, or is not this user's alone.
    """
    path = private_cache()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        pass
    reason = refusal(path)
    if reason:
        raise PermissionError(0, reason)
    return path
