"""Entries in one directory.

::

    <root>/CACHEDIR.TAG                      says that this directory is a cache, and ours
    <root>/v2/entries/<2 hex>/<digest>/      entry.json, kernel.cu, plan.json, remarks.json, build.json, the binary
    <root>/v2/requests/<2 hex>/<digest>      JSON: the entry that a function with these arguments compiled to
    <root>/v2/locks/<digest>.lock            held by the process that builds
    <root>/v2/staging/<digest>.<random>/     an entry that is being written
    <root>/v2/discarded/                     corrupt entries, and those on their way out
    <root>/stamps/, <root>/simulator/        digests of sources, the simulator's library

An entry appears by one rename, complete. Whoever replaces or removes one holds its lock.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tilelang.cache.digest import SCHEMA
from tilelang.cache.entry import Artifact
from tilelang.cache.files import MANIFEST, CorruptEntryError
from tilelang.cache.ledger import note_published
from tilelang.cache.stats import stats
from tilelang.log import logger

TAG = "CACHEDIR.TAG"
SIGNATURE = "Signature: 8a477f597d28d172789f06886806bc55\n# Compiled kernels of tilelang: everything here can be made again.\n"
_touched: set[Path] = set()  # what this process has said about entries, so that it says so once
_reported: set[Path] = set()


def is_digest(text: str) -> bool:
    """Whether `text` is a digest: 64 lower-case hexadecimal digits."""
    return len(text) == 64 and not text.strip("0123456789abcdef")


def is_ours(root: Path) -> bool:
    """Whether `root` carries our tag, without which nothing in it is removed."""
    try:
        return (root / TAG).read_text() == SIGNATURE
    except (OSError, ValueError):
        return False


class DirectoryStore:
    """A cache directory.

    Parameters
    ----------
    root : Path
        The directory; created at the first entry.
    writable : bool
        False for a layer, which is only read.
    """

    def __init__(self, root: Path, *, writable: bool = True) -> None:
        self.root, self.writable = Path(root), writable
        self.home = self.root / f"v{SCHEMA}"

    def entry(self, key: str) -> Path:
        """The directory of an entry, whether it is there or not."""
        return self.home / "entries" / key[:2] / key

    def find(self, key: str) -> Artifact | None:
        """The entry, verified; None when there is none or it is corrupt."""
        try:
            artifact = Artifact.read(self.entry(key))
        except FileNotFoundError:
            return None
        except CorruptEntryError as error:
            if self.entry(key) not in _reported:
                _reported.add(self.entry(key))
                stats.count("corrupt")
                logger.warning("a cached kernel is corrupt and will be compiled again: %s", error)
            return None
        except OSError as error:
            logger.debug("%s cannot be read: %s", self.entry(key), error)
            return None
        self.touch(key)
        return artifact

    def find_request(self, request: str) -> str | None:
        """The key of the entry that `request` led to before."""
        record = self.read_request(request)
        key = record.get("entry") if record else None
        return key if isinstance(key, str) and is_digest(key) else None

    def read_request(self, request: str) -> dict[str, Any] | None:
        """What was remembered of `request`."""
        try:
            record = json.loads(self._request(request).read_bytes())
        except (OSError, ValueError):
            return None
        return record if isinstance(record, dict) else None

    def publish(self, key: str, artifact: Artifact) -> Artifact:
        """Write the entry; the caller holds its lock, so that what is there already is corrupt.

        Raises
        ------
        OSError
            When it cannot be written; nothing is left behind.
        """
        final = self.entry(key)
        self.prepare(final.parent)
        self.prepare(self.home / "staging")
        staging = unique(self.home / "staging", key)
        staging.mkdir()
        try:
            size = 0
            for name, data in artifact.files().items():
                write_file(staging / name, data)
                size += len(data)
            if final.exists() or final.is_symlink():
                self.discard(key)
                stats.count("repaired")
            staging.rename(final)
            _reported.discard(final)
        except OSError:
            with contextlib.suppress(OSError, CorruptEntryError):
                return Artifact.read(final)  # published by a process that could not see our lock: as good as ours
            raise
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        note_published(self, size)
        return dataclasses.replace(artifact, directory=final)

    def publish_request(self, request: str, key: str, parts: dict[str, str]) -> None:
        """Remember that `request` led to the entry `key`.

        Raises
        ------
        OSError
            When it cannot be written.
        """
        replace_file(self.prepare(self._request(request).parent) / request, json.dumps({"entry": key, "parts": parts}).encode())

    def discard(self, key: str) -> None:
        """Move an entry out of sight; the caller holds its lock.

        Raises
        ------
        OSError
            When the directory cannot be written.
        """
        with contextlib.suppress(FileNotFoundError):
            self.entry(key).rename(unique(self.prepare(self.home / "discarded"), key))

    def touch(self, key: str) -> None:
        """Note that an entry is in use, for pruning; once a process."""
        path = self.entry(key) / MANIFEST
        if self.writable and path not in _touched:
            _touched.add(path)
            with contextlib.suppress(OSError):
                os.utime(path)

    def lock(self, key: str) -> Any:
        """A context manager that holds the key's lock; the operating system frees it when its owner dies. Where the file system
        has no locks it is a lease, which others take over soon after.

        Raises
        ------
        OSError
            When the directory cannot be written.
        """
        from tilelang.cache.lease import Lease, has_locks

        folder = self.prepare(self.home / "locks")
        if not has_locks(folder):
            return Lease(folder / f"{key}.lease")
        from filelock import FileLock

        return FileLock(str(folder / f"{key}.lock"), thread_local=False)

    def keys(self) -> Iterator[str]:
        """The digests of all entries, sound or not."""
        with contextlib.suppress(OSError):
            for shelf in sorted((self.home / "entries").iterdir()):
                yield from sorted(path.name for path in shelf.iterdir() if is_digest(path.name))

    def requests(self) -> Iterator[str]:
        """The digests of all requests."""
        with contextlib.suppress(OSError):
            for shelf in sorted((self.home / "requests").iterdir()):
                yield from sorted(path.name for path in shelf.iterdir() if is_digest(path.name))

    def _request(self, request: str) -> Path:
        return self.home / "requests" / request[:2] / request

    def prepare(self, directory: Path) -> Path:
        """Create a folder of the cache, and tag the root as one."""
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            if not (self.root / TAG).exists():
                replace_file(self.root / TAG, SIGNATURE.encode())
        return directory


def write_file(path: Path, data: bytes) -> None:
    """Write a new file; the only place where entries' bytes reach the disk."""
    with open(path, "wb") as file:
        file.write(data)


def replace_file(path: Path, data: bytes) -> None:
    """Write a file such that readers see all of it or what was there before."""
    fresh = unique(path.parent, f".{path.name}")
    try:
        write_file(fresh, data)
        os.replace(fresh, path)
    except OSError:
        with contextlib.suppress(OSError):
            fresh.unlink()
        raise


def unique(folder: Path, name: str) -> Path:
    """A path that nobody else uses; unlike those of `tempfile`, what is made there follows the user's umask."""
    return folder / f"{name}.{os.getpid()}-{os.urandom(4).hex()}"
