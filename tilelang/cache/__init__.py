"""Compiled kernels on disk: `~/.tilelang/cache` or `TILELANG_CACHE_DIR`."""

from __future__ import annotations

from tilelang.cache.digest import UnkeyableError, canonical, digest
from tilelang.cache.entry import Artifact
from tilelang.cache.store import KernelCache

__all__ = ["Artifact", "KernelCache", "UnkeyableError", "canonical", "digest"]
