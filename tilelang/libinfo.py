"""Where the package's native libraries and headers lie."""

from __future__ import annotations

import time
from pathlib import Path

from . import __version__
from .paths import device_include_directory

__all__ = ["__version__", "build_date", "find_include_path", "find_lib_path"]

_LIBRARIES = Path(__file__).parent / "lib"


def find_lib_path(name: str | None = None, optional: bool = False) -> list[str]:
    """The native libraries of the package.

    Parameters
    ----------
    name : str, optional
        Only the one of this file name, such as "libtilelang_runtime.so".
    optional : bool
        An empty list instead of an error where there is none.

    Raises
    ------
    RuntimeError
        There is none.

    Examples
    --------
    >>> find_lib_path()
    """
    found = sorted(str(p) for p in _LIBRARIES.glob("*.so") if name is None or p.name == name)
    if not found and not optional:
        raise RuntimeError(f"no {name or 'native library'} in {_LIBRARIES}: python -m tilelang.runtime.build makes them")
    return found


def find_include_path() -> list[str]:
    """The directories that hold the headers of generated code.

    Examples
    --------
    >>> find_include_path()
    """
    return [str(device_include_directory())]


def _date() -> str:
    """The day on which the native runtime was built, as year-month-day; "" where it is not built yet."""
    library = _LIBRARIES / "libtilelang_runtime.so"
    return time.strftime("%Y-%m-%d", time.gmtime(library.stat().st_mtime)) if library.exists() else ""


build_date = _date()
