"""A key that can say what it is made of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tilelang.cache.digest import canonical, digest

_LONGEST = 400  # characters of a part that are kept for readers; the digest covers all of it


class CacheKey(str):
    """A digest with the named parts that it covers.

    Examples
    --------
    >>> key = CacheKey.of(target="cuda sm_90a", flags=())
    >>> key.explain()
    'flags   ()\\ntarget  cuda sm_90a'
    """

    parts: dict[str, str]

    @staticmethod
    def of(**parts: Any) -> CacheKey:
        """The key of values of any canonical form.

        Raises
        ------
        UnkeyableError
            For an object of unknown content.
        """
        key = CacheKey(digest(**parts))
        key.parts = {name: _readable(value) for name, value in sorted(parts.items())}
        return key

    def explain(self) -> str:
        """The parts, one a line."""
        return explain(self.parts)

    def difference(self, other: CacheKey) -> dict[str, tuple[str | None, str | None]]:
        """The parts in which two keys differ."""
        return difference(self.parts, other.parts)


def explain(parts: Mapping[str, str]) -> str:
    """Parts as a table."""
    width = max(map(len, parts), default=0)
    return "\n".join(f"{name:{width}}  {value}" for name, value in parts.items())


def difference(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, tuple[str | None, str | None]]:
    """Name -> (first's value, second's value) of the parts in which they differ; None where one has no such part."""
    names = sorted({*first, *second})
    return {name: (first.get(name), second.get(name)) for name in names if first.get(name) != second.get(name)}


def _readable(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 2]}... (sha256 {digest(text=json.dumps(canonical(value)))[:16]})"
