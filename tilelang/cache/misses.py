"""Why a kernel was not found: the remembered request that is most like it, and where they differ."""

from __future__ import annotations

import itertools

from tilelang.cache.directory_store import DirectoryStore
from tilelang.cache.key import CacheKey, difference
from tilelang.env import env

_MOST = 2000  # requests that are looked at


def explain_miss(request: CacheKey) -> str:
    """One line; for TILELANG_JIT_DIAGNOSTICS, because it reads every remembered request."""
    store = DirectoryStore(env.TILELANG_CACHE_DIR)
    nearest: dict[str, tuple[str | None, str | None]] | None = None
    for digest in itertools.islice(store.requests(), _MOST):
        parts = (store.read_request(digest) or {}).get("parts")
        if isinstance(parts, dict):
            found = difference(parts, request.parts)
            if found and (nearest is None or len(found) < len(nearest)):
                nearest = found
    if nearest is None:
        return f"the cache {store.root} has no kernel like it"
    return "the nearest kernel differs in " + "; ".join(f"{name}: {old} -> {new}" for name, (old, new) in nearest.items())
