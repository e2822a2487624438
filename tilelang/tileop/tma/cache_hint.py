"""How long a copy's lines should stay in L2: the instruction's suffix and operand for an eviction policy."""

from __future__ import annotations

from typing import Any

from ... import ir

POLICIES = ("evict_normal", "evict_first", "evict_last")


def hinted(name: str, policy: str | None) -> tuple[str, list[Any]]:
    """The device function for a copy with this policy, and its further operands (none for the usual one)."""
    if policy in (None, "evict_normal"):
        return name, []
    return f"{name}_hint", [ir.call(f"tl.l2_{policy}", [], ret="uint64")]
