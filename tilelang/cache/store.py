"""The cache directory: atomic entries, one builder at a time, corrupt entries rebuilt.

::

    <root>/entries/<2 hex>/<digest>/    entry.json, kernel.cu, plan.json, remarks.json, build.json, kernel.cubin or .so
    <root>/requests/<2 hex>/<digest>    the name of an entry: what a function with these arguments compiled to
    <root>/locks/<digest>.lock
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tilelang.cache.entry import Artifact, CorruptEntryError
from tilelang.env import env
from tilelang.log import logger


class KernelCache:
    """Compiled kernels under one root directory, shared by processes.

    Two kinds of keys lead to an entry. An *entry* key is a digest of the generated text; it is known only after tracing.
    A *request* key is a digest of the function's source and arguments; it is known before, and leads to an entry key.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = Path(root) if root is not None else Path(env.TILELANG_CACHE_DIR)

    def find(self, key: str) -> Artifact | None:
        """The entry, verified; a corrupt one is removed and counts as absent."""
        directory = self._entry(key)
        try:
            return Artifact.read(directory)
        except (CorruptEntryError, OSError) as error:
            if not directory.exists():
                return None
            logger.warning("a cached kernel is corrupt and will be compiled again: %s", error)
            self._discard(directory)
            return None

    def find_request(self, request: str) -> Artifact | None:
        """The entry that `request` led to before."""
        try:
            key = self._request(request).read_text()
        except (OSError, ValueError):
            return None
        return self.find(key) if len(key) == 64 and key.isalnum() else None

    def publish(self, key: str, artifact: Artifact) -> Artifact:
        """Store `artifact`; where the directory cannot be written, say so once and keep it in memory."""
        final = self._entry(key)
        try:
            self._prepare(final.parent)
            staging = Path(tempfile.mkdtemp(prefix=".staging-", dir=final.parent))
            try:
                for name, data in artifact.files().items():
                    _write_synced(staging / name, data)
                _sync_directory(staging)
                staging.rename(final)  # fails when another process was first: then its entry is as good
            except OSError:
                if not (final / "entry.json").is_file():
                    raise
            finally:
                shutil.rmtree(staging, ignore_errors=True)
            _sync_directory(final.parent)
        except OSError as error:
            _warn_once(f"kernels are not cached: {self.root} cannot be written ({error.strerror})")
            return artifact
        return dataclasses.replace(artifact, directory=final)

    def publish_request(self, request: str, key: str) -> None:
        """Remember that `request` led to the entry `key`."""
        path = self._request(request)
        with contextlib.suppress(OSError):  # publish has warned already
            self._prepare(path.parent)
            handle, name = tempfile.mkstemp(prefix=".staging-", dir=path.parent)
            os.close(handle)
            _write_synced(Path(name), key.encode())
            os.replace(name, path)

    def find_or_build(self, key: str, build: Callable[[], Artifact]) -> Artifact:
        """The entry `key`; built by exactly one of the processes that ask for it at once."""
        found = self.find(key)
        if found is not None:
            return found
        with self.locked(key):
            return self.find(key) or self.publish(key, build())

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the key's lock; the operating system frees it when its owner dies."""
        try:
            self._prepare(self.root / "locks")
        except OSError:
            yield  # nothing can be published there either
            return
        from filelock import FileLock

        with FileLock(str(self.root / "locks" / f"{key}.lock")):
            yield

    def _entry(self, key: str) -> Path:
        return self.root / "entries" / key[:2] / key

    def _request(self, request: str) -> Path:
        return self.root / "requests" / request[:2] / request

    def _prepare(self, directory: Path) -> None:
        if not directory.is_dir():
            directory.mkdir(parents=True, exist_ok=True)
            tag = self.root / "CACHEDIR.TAG"
            if not tag.exists():
                tag.write_text("Signature: 8a477f597d28d172789f06886806bc55\n# Compiled kernels of tilelang; safe to delete.\n")

    def _discard(self, directory: Path) -> None:
        with contextlib.suppress(OSError):
            grave = Path(tempfile.mkdtemp(prefix=".discarded-", dir=directory.parent))
            directory.rename(grave / "entry")
            shutil.rmtree(grave, ignore_errors=True)


def _write_synced(path: Path, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_warned: set[str] = set()


def _warn_once(message: str) -> None:
    if message not in _warned:
        _warned.add(message)
        logger.warning(message)
