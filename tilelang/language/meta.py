"""The documented place of `T.inline` and `T.meta_class`."""

from __future__ import annotations

from .meta_class import inline, meta_class

__all__ = ["inline", "meta_class"]
