"""When it is time to look whether the cache has outgrown its bound.

Adding up a large cache takes a while, so each publication appends its size to a file, and the cache is only added up when the
file says that it may have grown too large. What the file says is never too small for long: a sweep writes down what it counted.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tilelang.env import env
from tilelang.log import logger

if TYPE_CHECKING:
    from tilelang.cache.directory_store import DirectoryStore


def note_published(store: DirectoryStore, size: int) -> None:
    """Record `size` more bytes, and prune when the bound may be passed; failures only mean pruning later."""
    bound = env.TILELANG_CACHE_MAX_SIZE
    with contextlib.suppress(OSError):
        ledger = _path(store)
        handle = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(handle, b"%d\n" % size)  # one short write: appended whole, also beside other processes
        finally:
            os.close(handle)
        if bound is not None and _sum(ledger) > bound:
            from tilelang.cache.prune import prune

            report = prune(store, max_size=bound * 9 // 10)  # some room, so that the next kernel does not prune again
            logger.debug("pruned %d kernels of %s", len(report.removed), store.root)


def reset_ledger(store: DirectoryStore, size: int) -> None:
    """Start again from a counted size."""
    from tilelang.cache.directory_store import replace_file

    with contextlib.suppress(OSError):
        replace_file(_path(store), b"%d\n" % size)


def _path(store: DirectoryStore) -> Path:
    return store.home / "ledger"


def _sum(ledger: Path) -> int:
    return sum(int(line) for line in ledger.read_bytes().split() if line.isdigit())
