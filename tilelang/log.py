"""The `tilelang` logger."""

from __future__ import annotations

import logging

logger = logging.getLogger("tilelang")


def set_log_level(level: str | int) -> None:
    """Show messages of this level and above on standard error.

    Parameters
    ----------
    level : str or int
        Such as "info", "DEBUG" or `logging.WARNING`.
    """
    if isinstance(level, str):
        value = logging.getLevelName(level.upper())
        if not isinstance(value, int):
            raise ValueError(f"unknown log level {level!r}: use debug, info, warning, error or critical")
        level = value
    logger.setLevel(level)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s [TileLang:%(levelname)s] %(message)s", "%H:%M:%S"))
        logger.addHandler(handler)
        logger.propagate = False
