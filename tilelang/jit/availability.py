"""Whether a tool or package that something needs is there."""

from __future__ import annotations

import importlib.util
from typing import NamedTuple

from tilelang.errors import JITUnavailableError


class Availability(NamedTuple):
    """An answer with its remedy.

    Parameters
    ----------
    ok : bool
        Whether it can be used.
    missing : str
        What is not there, such as "g++".
    hint : str
        One line that mends it.
    """

    ok: bool
    missing: str = ""
    hint: str = ""

    def __bool__(self) -> bool:
        return self.ok

    def require(self, needed_by: str) -> None:
        """Raise JITUnavailableError unless it is there."""
        if not self.ok:
            raise JITUnavailableError(
                f"{needed_by} needs {self.missing}, which is not available", fix=self.hint, tool=self.missing, needed_by=needed_by
            )


def package_availability(module: str, package: str) -> Availability:
    """Whether `module` can be imported; found without importing it. `package` is its name for pip."""
    try:
        found = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # a parent package is missing
        found = False
    return Availability(True) if found else Availability(False, module, f"pip install {package}")
