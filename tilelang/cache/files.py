"""Files with a manifest of their sizes and checksums.

`entry.json` names every file of an entry, and its own checksum covers the rest of it: whatever is truncated, flipped, missing
or replaced is noticed before it is used. So nothing has to be flushed to the disk: after a power failure, an entry that was
only half written is found out and built again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tilelang.cache.digest import SCHEMA

MANIFEST = "entry.json"


class CorruptEntryError(Exception):
    """Files that are not what was published."""


def with_manifest(content: Mapping[str, bytes], fields: Mapping[str, Any]) -> dict[str, bytes]:
    """The files of an entry, with the manifest last."""
    table = {name: {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)} for name, data in content.items()}
    manifest = {"schema": SCHEMA, **fields, "files": table}
    manifest["sha256"] = _checksum(manifest)
    return {**content, MANIFEST: json.dumps(manifest, indent=1).encode()}


def read_manifest(directory: Path) -> dict[str, Any]:
    """The manifest of an entry, verified; its files are not looked at.

    Raises
    ------
    FileNotFoundError
        When there is no entry.
    CorruptEntryError
        When something else is there, or the manifest is not what was written.
    """
    try:
        raw = (directory / MANIFEST).read_bytes()
    except OSError as error:
        if not os.path.lexists(directory):
            raise FileNotFoundError(error.errno, error.strerror, str(directory)) from None
        raise CorruptEntryError(f"{directory / MANIFEST} cannot be read ({error.strerror})") from error
    return _understood(raw, directory / MANIFEST)


def read_checked(directory: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """(manifest, content of every file) of an entry, verified.

    Raises
    ------
    FileNotFoundError, CorruptEntryError
        Like `read_manifest`; also for every file.
    """
    manifest = read_manifest(directory)
    data = {}
    for name, expected in manifest["files"].items():
        try:
            data[name] = (directory / name).read_bytes()
        except OSError as error:
            raise CorruptEntryError(f"{directory / name} cannot be read ({error.strerror})") from error
        _check(data[name], expected, directory / name)
    return manifest, data


def checked(files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """As `read_checked`, of the files that `with_manifest` returned, in memory.

    Raises
    ------
    CorruptEntryError
        When one is missing or changed.
    """
    manifest = _understood(files.get(MANIFEST, b""), MANIFEST)
    for name, expected in manifest["files"].items():
        if name not in files:
            raise CorruptEntryError(f"{name} is missing")
        _check(files[name], expected, name)
    return manifest, {name: files[name] for name in manifest["files"]}


def _understood(raw: bytes, where: Path | str) -> dict[str, Any]:
    try:
        manifest = json.loads(raw)
        checksum = manifest.pop("sha256")
        if checksum != _checksum(manifest) or manifest["schema"] != SCHEMA:
            raise CorruptEntryError(f"{where} has changed")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptEntryError(f"{where} cannot be understood ({error})") from error
    return manifest


def _check(data: bytes, expected: Mapping[str, Any], where: Path | str) -> None:
    if len(data) != expected["size"] or hashlib.sha256(data).hexdigest() != expected["sha256"]:
        raise CorruptEntryError(f"{where} has changed")


def _checksum(manifest: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
