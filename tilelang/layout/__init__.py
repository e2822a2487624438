"""Layouts of register tiles (`Fragment`) and shared tiles (`SharedLayout`)."""

from .fragment import Factor, Fragment, agree, covers, local, runs, thread
from .shared import MappedLayout, SharedLayout

__all__ = ["Factor", "Fragment", "MappedLayout", "SharedLayout", "agree", "covers", "local", "runs", "thread"]
