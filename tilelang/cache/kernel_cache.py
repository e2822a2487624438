"""What the compiler asks: a kernel by key, built by exactly one of the processes that want it at once."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.entry import Artifact
from tilelang.cache.memory_store import MemoryStore, memory
from tilelang.cache.places import make_private_cache, private_cache, refusal
from tilelang.cache.stats import stats
from tilelang.env import env
from tilelang.log import logger

# Kernels of callers who want nothing on disk; `memory` is for those whose directory cannot be written.
_in_process = MemoryStore()


class KernelCache:
    """Compiled kernels in the cache directory, shared by processes.

    Two kinds of keys lead to an entry. An *entry* key is a digest of the generated text; it is known only after tracing.
    A *request* key is a digest of the function's source and arguments; it is known before, and leads to an entry key.

    Entries are looked up in the root, in this user's temporary cache if there is one, in this process's memory, and in the
    read-only layers. They are written to the root; if it cannot be written, to the temporary cache; if that cannot be written
    either, to memory. Each of the two steps is announced once.

    Parameters
    ----------
    root : Path, optional
        The directory; `TILELANG_CACHE_DIR` by default.
    layers : sequence of Path, optional
        Directories that are only read; `TILELANG_CACHE_LAYERS` by default.
    """

    def __init__(self, root: Path | None = None, layers: tuple[Path, ...] | None = None) -> None:
        self.root = Path(root) if root is not None else env.TILELANG_CACHE_DIR
        self._chain: list[DirectoryStore | MemoryStore] = [DirectoryStore(self.root)]
        chosen = env.TILELANG_CACHE_LAYERS if layers is None else layers
        self._layers = [DirectoryStore(layer, writable=False) for layer in chosen]

    @classmethod
    def in_memory(cls) -> KernelCache:
        """Of this process alone: no directory is read or written."""
        cache = cls(layers=())
        cache._chain = [_in_process]
        return cache

    def find(self, key: str) -> Artifact | None:
        """The entry, verified; a corrupt one counts as absent."""
        return next((found for store in self._readable() if (found := store.find(key)) is not None), None)

    def find_request(self, request: str) -> Artifact | None:
        """The entry that `request` led to before."""
        keys = (store.find_request(request) for store in self._readable())
        key = next((key for key in keys if key is not None), None)
        found = None if key is None else self.find(key)
        if found is not None:
            stats.count("hits")
        return found

    def find_or_build(self, key: str, build: Callable[[], Artifact]) -> Artifact:
        """The entry; where it is missing or corrupt, one of the processes that ask for it builds it, and the others wait."""
        found = self.find(key)
        if found is None:
            with self.locked(key):
                found = self.find(key)
                if found is None:
                    stats.count("misses")
                    artifact = build()
                    stats.count("builds")
                    return self.publish(key, artifact)
        stats.count("hits")
        return found

    def publish(self, key: str, artifact: Artifact) -> Artifact:
        """Store `artifact` where it can be written; the caller holds the key's lock."""
        while True:
            try:
                return self._chain[-1].publish(key, artifact)
            except OSError as error:
                self._fall_back(error)

    def publish_request(self, request: str, key: str) -> None:
        """Remember that `request` led to the entry `key`."""
        while True:
            try:
                return self._chain[-1].publish_request(request, key, getattr(request, "parts", {}))
            except OSError as error:
                self._fall_back(error)

    def invalidate(self, key: str) -> None:
        """Discard an entry wherever this cache may write; it will be built again when it is needed."""
        for store in self._readable():
            if store.writable:
                with contextlib.suppress(OSError), store.lock(key):
                    store.discard(key)

    @contextlib.contextmanager
    def locked(self, key: str) -> Iterator[None]:
        """Hold the key's lock in the directory that is written to; the operating system frees it when its owner dies."""
        while True:
            try:
                lock = self._chain[-1].lock(key)
                lock.acquire()
                break
            except OSError as error:
                self._fall_back(error)
        try:
            yield
        finally:
            lock.release()

    def _readable(self) -> Iterator[DirectoryStore | MemoryStore]:
        """In the order of lookups, which mostly end at the first: where temporary files go takes long to find out."""
        chain = list(self._chain)
        yield from chain
        if chain == [_in_process]:
            return
        if len(chain) == 1:
            temporary = private_cache()
            if not refusal(temporary):
                yield DirectoryStore(temporary)
        if memory not in chain:
            yield memory
        yield from self._layers

    def _fall_back(self, error: OSError) -> None:
        """One step along root, temporary cache, memory."""
        stats.count("unwritable")
        failed = self._chain[-1]
        assert isinstance(failed, DirectoryStore)  # memory does not fail
        reason = error.strerror or str(error)
        if len(self._chain) == 1:
            try:
                self._chain.append(DirectoryStore(make_private_cache()))
                _warn_once(
                    "temporary",
                    f"the cache directory {failed.root} cannot be written ({reason}): kernels are kept in {private_cache()}",
                )
                return
            except OSError as second:
                reason = f"{reason}; {second.strerror or second}"
        _warn_once("memory", f"the cache directory {self.root} cannot be written ({reason}): kernels are kept in memory only")
        self._chain.append(memory)


def invalidate(artifact: Artifact) -> None:
    """Discard the entry that a kernel came from.

    Parameters
    ----------
    artifact : Artifact
        Such as `kernel.artifact`; one that is not on disk is left alone.
    """
    if artifact.directory is not None:
        KernelCache().invalidate(artifact.directory.name)


_warned: set[str] = set()


def _warn_once(step: str, message: str) -> None:
    if step not in _warned:
        _warned.add(step)
        logger.warning(message)
