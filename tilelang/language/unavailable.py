"""Names of the language that this version does not have: they say why, and what to write instead."""

from __future__ import annotations

import difflib
from functools import cache
from pathlib import Path

from ..errors import UnsupportedError


class UnavailableNameError(UnsupportedError, AttributeError):
    """A name that T does not have."""

    code = "TL0301"


@cache
def reasons() -> dict[str, tuple[str, str]]:
    """Each missing name with why it is missing and what to write instead: `unavailable.txt`, "# why. Fix: what", then names."""
    found: dict[str, tuple[str, str]] = {}
    why = fix = ""
    for line in (Path(__file__).parent / "unavailable.txt").read_text().splitlines():
        if line.startswith("# "):
            why, _, fix = line[2:].partition(". Fix: ")
        elif line:
            found[line] = why, fix
    return found


def known_names() -> list[str]:
    """Names of the language that this version does not have."""
    return list(reasons())


def explain(name: str) -> AttributeError:
    """The exception for `T.<name>`."""
    if name.startswith("__") and name.endswith("__"):
        return AttributeError(f"module 'tilelang.language' has no attribute {name!r}")
    if name in reasons():
        why, fix = reasons()[name]
        return UnavailableNameError(f"T.{name} is not in this version: {why}", fix=fix)
    from . import __all__ as names

    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean T.{close[0]}?" if close else ""
    return AttributeError(f"module 'tilelang.language' has no attribute {name!r}.{hint}")
