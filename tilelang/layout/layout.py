"""The documented place of `T.Layout`."""

from __future__ import annotations

from .index_map import Layout

__all__ = ["Layout"]
