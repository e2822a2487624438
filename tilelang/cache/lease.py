"""Locks for file systems without any: a file that names its owner, who shows that he lives by touching it.

Network file systems may be mounted without a lock manager, and then `flock` fails. A lease is taken by creating its file, which
is atomic there too. Whoever waits compares the file's time with that of a file of his own; the file server sets both, so that no
two clocks are compared. A lease that was not touched for `STALE` seconds, or whose owner was a process of this machine and is
gone, is taken over. Two processes may then hold it for a moment: they build the same entry twice, and one of them is published.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

HEARTBEAT, STALE = 5.0, 30.0  # seconds; 6 heartbeats may be lost
_POLL = 0.05
_NO_LOCKS = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


@functools.cache
def has_locks(folder: Path) -> bool:
    """Whether files of a folder can be locked; asked once.

    Raises
    ------
    OSError
        When the folder cannot be written.
    """
    handle = os.open(folder / "probe", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in _NO_LOCKS
    finally:
        os.close(handle)
    return True


class Lease:
    """A lock with the interface of `filelock.FileLock` that the cache uses.

    Parameters
    ----------
    path : Path
        The file of the lease.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._token = f"{os.uname().nodename}-{os.getpid()}-{os.urandom(6).hex()}"
        self._released = threading.Event()
        self._depth = 0

    def acquire(self, timeout: float = -1, **_: Any) -> Lease:
        """Wait for the lease; with a timeout of 0, ask once.

        Raises
        ------
        filelock.Timeout
            When it was not free in time.
        OSError
            When the folder cannot be written.
        """
        if self._depth == 0:
            limit = None if timeout < 0 else time.monotonic() + timeout
            while not self._take():
                if self._is_stale():
                    self._break()
                elif limit is not None and time.monotonic() >= limit:
                    from filelock import Timeout

                    raise Timeout(str(self.path))
                else:
                    time.sleep(_POLL)
            self._released = threading.Event()
            threading.Thread(target=self._beat, args=(self._released,), name="tilelang-lease", daemon=True).start()
        self._depth += 1
        return self

    def release(self, **_: Any) -> None:
        """Give it back."""
        self._depth -= 1
        if self._depth == 0:
            self._released.set()
            if self._owner().get("token") == self._token:
                with contextlib.suppress(OSError):
                    self.path.unlink()

    def __enter__(self) -> Lease:
        return self.acquire()

    def __exit__(self, *_: Any) -> None:
        self.release()

    def _take(self) -> bool:
        record = json.dumps({"token": self._token, "host": os.uname().nodename, "pid": os.getpid()}).encode()
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        except FileExistsError:
            return False
        try:
            os.write(handle, record)
        finally:
            os.close(handle)
        return True

    def _beat(self, released: threading.Event) -> None:
        while not released.wait(HEARTBEAT):
            with contextlib.suppress(OSError):
                os.utime(self.path)

    def _owner(self) -> dict[str, Any]:
        try:
            record = json.loads(self.path.read_bytes())
        except (OSError, ValueError):  # gone, or not written yet
            return {}
        return record if isinstance(record, dict) else {}

    def _is_stale(self) -> bool:
        owner = self._owner()
        if owner.get("host") == os.uname().nodename and isinstance(owner.get("pid"), int) and not _is_alive(owner["pid"]):
            return True
        mine = self.path.with_name(f"{self.path.name}.{self._token}")
        try:
            touched = self.path.stat().st_mtime
            mine.touch()
            return mine.stat().st_mtime - touched > STALE
        except FileNotFoundError:
            return False
        finally:
            with contextlib.suppress(OSError):
                mine.unlink()

    def _break(self) -> None:
        """Move a stale lease out of the way: of several that find it, one does."""
        aside = self.path.with_name(f"{self.path.name}.{self._token}.stale")
        with contextlib.suppress(OSError):
            self.path.rename(aside)
            aside.unlink()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
