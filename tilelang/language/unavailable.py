"""Names of the language that this version does not have: they say so instead of being unknown."""

from __future__ import annotations

import difflib
from pathlib import Path

from ..errors import UnsupportedError

_INSTEAD = {
    "tma_gather4": "use T.copy of each row",
    "tma_scatter4": "use T.copy of each row",
}


class UnavailableNameError(UnsupportedError, AttributeError):
    """A name that T does not have."""

    code = "TL0301"


def known_names() -> list[str]:
    """Names of the language that this version does not have."""
    return (Path(__file__).parent / "unavailable.txt").read_text().split()


def explain(name: str) -> AttributeError:
    """The exception for `T.<name>`."""
    if name.startswith("__") and name.endswith("__"):
        return AttributeError(f"module 'tilelang.language' has no attribute {name!r}")
    if name in known_names():
        return UnavailableNameError(
            f"T.{name} is not in this version", fix=_INSTEAD.get(name, "see the language reference for what there is")
        )
    from . import __all__ as names

    close = difflib.get_close_matches(name, names, n=1)
    hint = f" Did you mean T.{close[0]}?" if close else ""
    return AttributeError(f"module 'tilelang.language' has no attribute {name!r}.{hint}")
