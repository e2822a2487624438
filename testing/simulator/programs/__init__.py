"""Whole device programs, and how tests read and mutate them."""

from __future__ import annotations

import re
from pathlib import Path


def program(name: str, *, without: str = "") -> str:
    """The text of a program; `without` names a part between `//[name` and `//]` to drop."""
    text = Path(__file__).with_name(f"{name}.cu").read_text()
    if not without:
        return text
    dropped, count = re.subn(rf"//\[{without}\n.*?//\]\n", "", text, flags=re.S)
    assert count, f"{name} has no part {without}"
    return dropped
