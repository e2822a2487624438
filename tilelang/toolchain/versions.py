"""Versions of installed packages, without importing them."""

from __future__ import annotations

import functools


@functools.cache
def package_version(name: str) -> str:
    """The version in the package's metadata; "none" when it is not installed."""
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
