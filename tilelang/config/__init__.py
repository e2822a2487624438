"""Settings: a call's argument, else an environment variable, else a line of a TOML file, else the default."""

from __future__ import annotations

from tilelang.config.file import ConfigFile, active_file
from tilelang.config.setting import Resolved, Setting

__all__ = ["ConfigFile", "Resolved", "Setting", "active_file"]
