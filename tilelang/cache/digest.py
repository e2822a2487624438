"""Keys: what a compiled kernel depends on, as one digest."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
from typing import Any

# Part of every key: raise it when the layout of an entry or the launcher's reading of a plan changes.
SCHEMA = 2


class UnkeyableError(Exception):
    """A value whose content cannot be told apart from another's, so that nothing may be cached under it."""


def canonical(value: Any) -> Any:
    """`value` as JSON data such that different values differ, in every process the same.

    Raises
    ------
    UnkeyableError
        For an object of unknown content.
    """
    if value is None or isinstance(value, (bool, int, str)) and not isinstance(value, enum.Enum):
        return [type(value).__name__, str(value)]
    if isinstance(value, enum.Enum):
        return ["enum", type(value).__qualname__, value.name]
    if isinstance(value, float):
        return ["float", value.hex()]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, (list, tuple)):
        return [type(value).__name__, [canonical(item) for item in value]]
    if isinstance(value, (set, frozenset)):
        return ["set", sorted(json.dumps(canonical(item)) for item in value)]
    if isinstance(value, dict):
        return ["dict", sorted(([canonical(k), canonical(v)] for k, v in value.items()), key=json.dumps)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [
            "dataclass",
            type(value).__qualname__,
            [[f.name, canonical(getattr(value, f.name))] for f in dataclasses.fields(value)],
        ]
    kind = type(value)
    if kind.__name__ in ("dtype", "DataType", "DType"):  # of torch, numpy, tvm-ffi or ours: the name says it all
        return ["dtype", kind.__module__, str(value)]
    if isinstance(value, type):
        return ["type", value.__module__, value.__qualname__]
    if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "shape", None) == ():
        return ["numpy", kind.__name__, canonical(value.item())]
    raise UnkeyableError(f"{kind.__module__}.{kind.__qualname__} has no canonical form")


def digest(**parts: Any) -> str:
    """SHA-256 of the named parts."""
    text = json.dumps([SCHEMA, canonical(parts)], separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
