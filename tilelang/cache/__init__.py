"""Compiled kernels on disk, shared by processes: docs/cache.md.

`KernelCache` is what the compiler asks; `stats` counts what this process found, built and repaired.
"""

from __future__ import annotations

from tilelang.cache.digest import UnkeyableError, canonical, digest
from tilelang.cache.entry import Artifact
from tilelang.cache.kernel_cache import KernelCache, invalidate
from tilelang.cache.key import CacheKey
from tilelang.cache.stats import CacheStats, stats

__all__ = ["Artifact", "CacheKey", "CacheStats", "KernelCache", "UnkeyableError", "canonical", "digest", "invalidate", "stats"]
