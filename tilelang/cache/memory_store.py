"""Entries in this process's memory, where no directory can be written."""

from __future__ import annotations

import threading
from collections import defaultdict
from typing import Any

from tilelang.cache.entry import Artifact


class MemoryStore:
    """Like `DirectoryStore`, for as long as the process lives."""

    writable = True

    def __init__(self) -> None:
        self._entries: dict[str, Artifact] = {}
        self._requests: dict[str, dict[str, Any]] = {}
        self._locks: defaultdict[str, threading.RLock] = defaultdict(threading.RLock)

    def find(self, key: str) -> Artifact | None:
        """The entry."""
        return self._entries.get(key)

    def find_request(self, request: str) -> str | None:
        """The key of the entry that `request` led to before."""
        return self._requests.get(request, {}).get("entry")

    def publish(self, key: str, artifact: Artifact) -> Artifact:
        """Keep the entry."""
        self._entries[key] = artifact
        return artifact

    def publish_request(self, request: str, key: str, parts: dict[str, str]) -> None:
        """Remember that `request` led to the entry `key`."""
        self._requests[request] = {"entry": key, "parts": parts}

    def discard(self, key: str) -> None:
        """Forget an entry."""
        self._entries.pop(key, None)

    def lock(self, key: str) -> threading.RLock:
        """A context manager that holds the key's lock."""
        return self._locks[key]


memory = MemoryStore()
