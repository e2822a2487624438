"""Remove kernels: those used least recently until the rest fits, those that match a filter, and what the dead left behind.

Nothing is removed from a directory that does not carry our tag, nothing that does not belong to the cache, and no entry that
another process is building or replacing.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tilelang.cache.directory_store import TAG, DirectoryStore, is_ours
from tilelang.cache.files import MANIFEST
from tilelang.cache.inventory import EntryInfo, entries
from tilelang.cache.ledger import reset_ledger
from tilelang.cache.stats import stats
from tilelang.errors import CacheError

_CLOCK_SLACK = 300.0  # seconds by which clocks of machines that share a cache may differ


@dataclass
class PruneReport:
    """What a sweep did.

    Attributes
    ----------
    removed : list of EntryInfo
        Entries that went, or would go in a dry run.
    kept : int
        Entries that stayed.
    kept_bytes : int
        What they take.
    locked : list of EntryInfo
        Entries that should have gone but are being built.
    leftovers : list of Path
        Unfinished and discarded entries, and directories of other versions, that went.
    """

    removed: list[EntryInfo] = field(default_factory=list)
    kept: int = 0
    kept_bytes: int = 0
    locked: list[EntryInfo] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)

    @property
    def removed_bytes(self) -> int:
        """What the removed entries took."""
        return sum(entry.size for entry in self.removed)


def prune(
    store: DirectoryStore, *, max_size: int | None = None, older_than: float | None = None, dry_run: bool = False
) -> PruneReport:
    """Remove entries by age, then the least recently used until the rest fits.

    Parameters
    ----------
    store : DirectoryStore
        The cache directory.
    max_size : int, optional
        Bytes that may stay.
    older_than : float, optional
        Seconds since the last use. An entry from the future (the clock was set back) counts as used just now.
    dry_run : bool
        Only report.

    Raises
    ------
    CacheError
        When the directory is not a cache of ours.
    """
    now = time.time()
    found = sorted(_with_sane_times(store, now, dry_run), key=lambda entry: entry.used)
    total, doomed = sum(entry.size for entry in found), []
    for entry in found:
        aged = older_than is not None and now - entry.used > older_than
        if aged or (max_size is not None and total > max_size):
            doomed.append(entry)
            total -= entry.size
    return _sweep(store, doomed, len(found), total, dry_run)


def clear(store: DirectoryStore, matches: Callable[[EntryInfo], bool], *, dry_run: bool = False) -> PruneReport:
    """Remove the entries that `matches` accepts.

    Raises
    ------
    CacheError
        When the directory is not a cache of ours.
    """
    found = list(entries(store))
    doomed = [entry for entry in found if matches(entry)]
    size = sum(entry.size for entry in found) - sum(entry.size for entry in doomed)
    return _sweep(store, doomed, len(found), size, dry_run)


def clear_all(store: DirectoryStore, *, dry_run: bool = False) -> PruneReport:
    """Remove everything of ours, and the directory if nothing else is in it."""
    report = clear(store, lambda entry: True, dry_run=dry_run)
    if dry_run:
        return report
    for name in ("requests", "ledger"):
        _remove(store.home / name)
    for name in ("stamps", "simulator"):
        _remove(store.root / name)
    if not report.locked:
        _remove(store.home)
        with contextlib.suppress(OSError):
            if {path.name for path in store.root.iterdir()} == {TAG}:
                (store.root / TAG).unlink()
                store.root.rmdir()
    return report


def _sweep(store: DirectoryStore, doomed: list[EntryInfo], count: int, size: int, dry_run: bool) -> PruneReport:
    report = PruneReport(kept=count - len(doomed), kept_bytes=size)
    if store.root.exists() and not is_ours(store.root):
        raise CacheError(
            f"{store.root} has no {TAG} of tilelang, so nothing in it is removed",
            fix="check TILELANG_CACHE_DIR, or remove it by hand",
        )
    for entry in doomed:
        if dry_run:
            report.removed.append(entry)
            continue
        with _held(store, entry.digest) as held:
            if not held:
                report.locked.append(entry)
                report.kept, report.kept_bytes = report.kept + 1, report.kept_bytes + entry.size
                continue
            store.discard(entry.digest)
            report.removed.append(entry)
    if not dry_run:
        stats.count("pruned", len(report.removed))
        report.leftovers = list(_remove_leftovers(store))
        _remove_dangling_requests(store)
        reset_ledger(store, report.kept_bytes)
    return report


def _with_sane_times(store: DirectoryStore, now: float, dry_run: bool) -> Iterator[EntryInfo]:
    """All entries; those from the future are dated now, or they would stay for ever."""
    for entry in entries(store):
        if entry.used > now + _CLOCK_SLACK and not dry_run:
            with contextlib.suppress(OSError):
                os.utime(entry.path / MANIFEST, (now, now))
        yield entry


def _remove_leftovers(store: DirectoryStore) -> Iterator[Path]:
    """What killed processes left: their locks are free, whatever the clock says."""
    for folder in ("staging", "discarded"):
        for path in _children(store.home / folder):
            with _held(store, path.name.partition(".")[0]) as held:
                if held:
                    _remove(path)
                    yield path
    for path in _children(store.root):
        version = path.name[1:]
        if path.name.startswith("v") and version.isdigit() and int(version) < int(store.home.name[1:]):
            _remove(path)  # an older release's entries, which no key of this one leads to
            yield path
    for path in (path for shelf in _children(store.home / "requests") for path in _children(shelf) if path.name.startswith(".")):
        with _held(store, path.name.split(".")[1]) as held:
            if held:
                _remove(path)
    known = {*store.keys()}
    for path in _children(store.home / "locks"):
        key = path.name.partition(".")[0]
        if key not in known:
            with _held(store, key) as held:
                if held:  # a process that waits for this very lock sees that it is gone, and makes another
                    with contextlib.suppress(OSError):
                        path.unlink()


def _remove_dangling_requests(store: DirectoryStore) -> None:
    for request in store.requests():
        key = store.find_request(request)
        if key is None or not store.entry(key).exists():
            with contextlib.suppress(OSError):
                (store.home / "requests" / request[:2] / request).unlink()


@contextlib.contextmanager
def _held(store: DirectoryStore, key: str) -> Iterator[bool]:
    """Whether the key's lock was free; it is held for the while."""
    from filelock import Timeout

    lock: Any = store.lock(key)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
