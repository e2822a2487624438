"""Folders in which external compilers work."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tilelang.env import env
from tilelang.log import logger


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """A folder that is removed afterwards; with TILELANG_CLEANUP_TEMP_FILES=0 it stays, and its path is logged."""
    parent = env.TILELANG_TMP_DIR
    if env.TILELANG_CLEANUP_TEMP_FILES:
        with tempfile.TemporaryDirectory(prefix="tilelang-", dir=parent) as name:
            yield Path(name)
        return
    path = Path(tempfile.mkdtemp(prefix="tilelang-", dir=parent))
    logger.warning("the compiler's files stay in %s", path)
    yield path
