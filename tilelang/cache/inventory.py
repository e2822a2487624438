"""What is in a cache directory, for people and for pruning."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.files import MANIFEST, CorruptEntryError, read_checked, read_manifest


@dataclass(frozen=True)
class EntryInfo:
    """One entry.

    Parameters
    ----------
    digest : str
        Its key.
    path : Path
        Its directory.
    size : int
        Bytes on disk.
    used : float
        When it was last used, in seconds since 1970.
    meta : dict
        As in `Artifact.meta`; empty for a corrupt entry.
    kind : str
        As in `Artifact.kind`; empty for a corrupt entry.
    error : str
        Why it is corrupt; empty if it is sound as far as was looked.
    """

    digest: str
    path: Path
    size: int
    used: float
    meta: dict[str, Any] = field(default_factory=dict)
    kind: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        """The kernel's name."""
        return str(self.meta.get("name", "?"))

    @property
    def target(self) -> str:
        """What it was compiled for."""
        return str(self.meta.get("target", "?"))


def inspect(store: DirectoryStore, key: str, *, thorough: bool = False) -> EntryInfo | None:
    """One entry; None when it is not there. `thorough` checks every file."""
    directory = store.entry(key)
    size, used = _measure(directory)
    try:
        manifest = read_checked(directory)[0] if thorough else read_manifest(directory)
    except FileNotFoundError:
        return None
    except (CorruptEntryError, OSError) as error:
        return EntryInfo(key, directory, size, used, error=str(error))
    return EntryInfo(key, directory, size, used, manifest.get("meta", {}), manifest.get("kind", ""))


def entries(store: DirectoryStore, *, thorough: bool = False) -> Iterator[EntryInfo]:
    """All entries by digest."""
    for key in store.keys():
        found = inspect(store, key, thorough=thorough)
        if found is not None:
            yield found


def _measure(directory: Path) -> tuple[int, float]:
    size, used = 0, 0.0
    with contextlib.suppress(OSError), os.scandir(directory) as files:
        for file in files:
            status = file.stat(follow_symlinks=False)
            size += status.st_size
            if file.name == MANIFEST:
                used = status.st_mtime
    return size, used
