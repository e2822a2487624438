"""A temporary directory of the test's own, and one warning a step in each test."""

from __future__ import annotations

import pytest

from tilelang.cache import kernel_cache, stats
from tilelang.cache.memory_store import MemoryStore


@pytest.fixture(autouse=True)
def fresh(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("TILELANG_TMP_DIR", str(tmp_path_factory.mktemp("tmp")))
    monkeypatch.setattr(kernel_cache, "_warned", set())
    monkeypatch.setattr(kernel_cache, "memory", MemoryStore())
    stats.clear()
