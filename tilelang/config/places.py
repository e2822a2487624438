"""Where an operating system wants caches and configuration files to be."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_home() -> Path:
    """`$XDG_CACHE_HOME/tilelang` or `~/.cache/tilelang`; `~/Library/Caches/tilelang`; `%LOCALAPPDATA%\\tilelang\\Cache`."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tilelang"
    if sys.platform == "win32":
        return _local_data() / "tilelang" / "Cache"
    return _xdg("XDG_CACHE_HOME", ".cache") / "tilelang"


def config_home() -> Path:
    """`$XDG_CONFIG_HOME/tilelang`, `~/Library/Application Support/tilelang`, `%LOCALAPPDATA%\\tilelang`."""
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "tilelang"
    if sys.platform == "win32":
        return _local_data() / "tilelang"
    return _xdg("XDG_CONFIG_HOME", ".config") / "tilelang"


def _local_data() -> Path:
    return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")


def _xdg(variable: str, default: str) -> Path:
    named = os.environ.get(variable, "")
    return Path(named) if os.path.isabs(named) else Path.home() / default  # the XDG rules: a relative path is ignored
