"""The documented place of `tilelang.carver.Hint`."""

from __future__ import annotations

from tilelang.carver.hint import Hint

__all__ = ["Hint"]
