"""Parts of the interface that may still change say so, once a process."""

from __future__ import annotations

import warnings

from tilelang.errors import ExperimentalWarning

_warned: set[str] = set()


def warn_experimental(what: str) -> None:
    """Issue an ExperimentalWarning for a part of the interface, the first time that it is used."""
    if what not in _warned:
        _warned.add(what)
        warnings.warn(f"{what} is experimental: it may change or go", ExperimentalWarning, stacklevel=4)
