"""Where the parts that are not Python lie: headers and native libraries, in a checkout and in an installed package."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def checkout_root() -> Path | None:
    """The root of the source checkout that this package runs from; None when it is installed from a wheel."""
    root = PACKAGE.parent
    return root if (root / "CMakeLists.txt").is_file() and (root / "src" / "device").is_dir() else None


def source_directory(name: str) -> Path:
    """`src/device` or `src/simulator` of the checkout, or their copy in the installed package."""
    root = checkout_root()
    return (root if root is not None else PACKAGE) / "src" / name


def device_include_directory() -> Path:
    """The directory to put on the include path for `#include <tl/core.h>`."""
    return source_directory("device")


def library_path(name: str) -> Path:
    """The native library `lib<name>.so`.

    Raises
    ------
    UnavailableError
        When it has not been built.
    """
    path = PACKAGE / "lib" / f"lib{name}.so"
    if not path.is_file():
        from tilelang.errors import UnavailableError

        raise UnavailableError(
            f"the native library {path} is missing", fix="run `python -m tilelang.runtime.build` in the checkout"
        )
    return path
