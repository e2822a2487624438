"""What values a setting can have, as text of an environment variable and as a value of a TOML file."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

Value = TypeVar("Value", covariant=True)


class Kind(Generic[Value]):
    """How a value is read.

    Parameters
    ----------
    parse : callable
        From text; raises ValueError with what was expected.
    toml : tuple of type
        The TOML types that are accepted beside text.
    convert : callable
        From one of them; raises ValueError.
    """

    def __init__(
        self, parse: Callable[[str], Value], toml: tuple[type, ...] = (), convert: Callable[[Any], Value] = lambda value: value
    ) -> None:
        self.parse, self.toml, self.convert = parse, toml, convert

    def of_toml(self, value: Any) -> Value:
        """A value of a TOML file.

        Raises
        ------
        ValueError
            For another type (true is no number here), or a value that `parse` or `convert` refuse.
        """
        if type(value) in self.toml:
            return self.convert(value)
        if isinstance(value, str) and bool not in self.toml:
            return self.parse(value)
        wanted = " or ".join(_TOML_NAMES[kind] for kind in (self.toml or (str,)))
        raise ValueError(f"expected {wanted}, got {_TOML_NAMES.get(type(value), type(value).__name__)}")


_TOML_NAMES = {bool: "true or false", int: "an integer", float: "a number", str: "a string", list: "an array", dict: "a table"}


def _bool(text: str) -> bool:
    lowered = text.strip().lower()
    if lowered in ("1", "true", "yes", "on"):
        return True
    if lowered in ("", "0", "false", "no", "off"):
        return False
    raise ValueError("expected 1, true, yes, on or 0, false, no, off")


def _seconds(text: str) -> float | None:
    return _positive(float(text)) if text.strip() else None


def _positive(seconds: float) -> float:
    if not 0 < seconds < float("inf"):
        raise ValueError("expected a positive number of seconds")
    return float(seconds)


_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([kmgt]?)(?:i?b)?", re.IGNORECASE)


def parse_size(text: str) -> int | None:
    """Bytes from "512M", "4 GiB", "1000000"; None (no bound) from "none" or an empty text; K, M, G, T are powers of 1024."""
    if text.strip().lower() in ("", "none", "unlimited"):
        return None
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError("expected a size such as 512M, 4G or none")
    return int(float(found.group(1)) * 1024 ** " kmgt".index(found.group(2).lower() or " "))


def _size_of(value: int) -> int:
    if value < 0:
        raise ValueError("expected a size of at least 0")
    return value


def _paths(text: str) -> tuple[Path, ...]:
    return tuple(path(part) for part in text.split(os.pathsep) if part)


def path(text: str) -> Path:
    """A path with `~` resolved.

    Raises
    ------
    ValueError
        For an empty text.
    """
    if not text:
        raise ValueError("expected a path")
    return Path(text).expanduser()


def _words(value: list) -> tuple[str, ...]:
    if not all(isinstance(item, str) for item in value):
        raise ValueError("expected an array of strings")
    return tuple(value)


def _assignments(text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in shlex.split(text)]
    if any(not name or not equals for name, equals, _ in pairs):
        raise ValueError("expected NAME=value ...")
    return {name: value for name, _, value in pairs}


def _string_table(value: dict) -> dict[str, str]:
    if not all(isinstance(item, str) for item in value.values()):
        raise ValueError("expected a table of strings")
    return dict(value)


def _target(text: str) -> str | dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return text
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f'not JSON: {error}; write such as {{"kind": "cuda", "arch": "sm_90a"}}') from None


def _checks(text: str) -> tuple[str, ...]:
    from tilelang.simulator.check import parse_checks

    return parse_checks(text)


def _collections(text: str) -> dict[str, tuple[Path, ...]]:
    """`TAG=/a,/b:TAG2=/c`."""
    found: dict[str, tuple[Path, ...]] = {}
    for part in filter(None, text.split(os.pathsep)):
        tag, equals, folders = part.partition("=")
        if not tag or not equals:
            raise ValueError(f"expected TAG=FOLDER,FOLDER{os.pathsep}TAG=FOLDER")
        found[tag] = tuple(path(folder) for folder in folders.split(","))
    return found


def _collection_table(value: dict) -> dict[str, tuple[Path, ...]]:
    found = {}
    for tag, folders in value.items():
        folders = [folders] if isinstance(folders, str) else folders
        if not isinstance(folders, list) or not all(isinstance(folder, str) for folder in folders):
            raise ValueError(f"expected a folder or an array of folders for {tag}")
        found[tag] = tuple(path(folder) for folder in folders)
    return found


def choice(*choices: str) -> Kind[str]:
    """One of some words."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return Kind(parse)


def number(kind: type, expected: str, accept: Callable[[Any], bool] = lambda value: True) -> Kind[Any]:
    """An int or a float that `accept` accepts; `expected` describes it."""

    def convert(value: Any) -> Any:
        if not accept(value):
            raise ValueError(f"expected {expected}")
        return kind(value)

    def parse(text: str) -> Any:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(f"expected {expected}") from None
        return convert(value)

    return Kind(parse, (int,) if kind is int else (int, float), convert)


def _report(text: str) -> str:
    lowered = text.strip().lower()
    if lowered in ("terminal", "html", "both"):
        return lowered
    try:
        return "html" if _bool(lowered) else "off"
    except ValueError:
        raise ValueError("expected terminal, html, both, 1 (html) or 0") from None


REPORT: Kind[str] = Kind(_report, (bool,), lambda value: "html" if value else "off")
BOOL: Kind[bool] = Kind(_bool, (bool,))
SECONDS: Kind[float | None] = Kind(_seconds, (int, float), _positive)
SIZE: Kind[int | None] = Kind(parse_size, (int,), _size_of)
PATH: Kind[Path] = Kind(path)
PATHS: Kind[tuple[Path, ...]] = Kind(_paths, (list,), lambda value: tuple(path(item) for item in _words(value)))
STRING: Kind[str] = Kind(str)
WORDS: Kind[tuple[str, ...]] = Kind(lambda text: tuple(shlex.split(text)), (list,), _words)
ASSIGNMENTS: Kind[dict[str, str]] = Kind(_assignments, (dict,), _string_table)
TARGET: Kind[Any] = Kind(_target, (dict,))
CHECKS: Kind[tuple[str, ...]] = Kind(_checks, (list,), lambda value: _checks(",".join(_words(value))))
COLLECTIONS: Kind[dict[str, tuple[Path, ...]]] = Kind(_collections, (dict,), _collection_table)
