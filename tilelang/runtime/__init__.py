"""From a launch plan and a binary to something that can be called."""

from __future__ import annotations

from tilelang.runtime.launcher import Binary, Launcher

__all__ = ["Binary", "Launcher"]
