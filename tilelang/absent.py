"""Names of TileLang 0.1 that this version has no counterpart of: they can be imported, so that the rest of a program runs, and
refuse to be used."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, NoReturn

from tilelang.errors import UnsupportedError


class Absent:
    """Stands for a function or class.

    Parameters
    ----------
    name : str
        Its full name.
    why : str
        Why it is not here.
    fix : str
        What to write instead.

    Raises
    ------
    UnsupportedError
        When it is called, or asked for an attribute.
    """

    def __init__(self, name: str, why: str, fix: str) -> None:
        self._name, self._why, self._fix = name, why, fix

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise UnsupportedError(f"{self._name} is not in this version: {self._why}", fix=self._fix)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # inspect, pickle and pytest probe these
            raise AttributeError(name)
        return self()

    def __repr__(self) -> str:
        return f"<{self._name}: not in this version>"


def absent_names(module: str, why: str, fix: str, modules: tuple[str, ...] = ()) -> Callable[[str], Any]:
    """A module's `__getattr__` where every name is absent for the same reason, but for the submodules `modules`.

    Examples
    --------
    >>> __getattr__ = absent_names(__name__, "there is no HIP back end", 'compile for "cuda" or "c"')
    """

    def lookup(name: str) -> Any:
        if name in modules:
            return importlib.import_module(f"{module}.{name}")
        if name.startswith("__"):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return Absent(f"{module}.{name}", why, fix)

    return lookup
