"""Whole device programs, and how tests read and mutate them."""

from __future__ import annotations

import re
from pathlib import Path


def program(name: str, *, without: str = "", replace: tuple[str, str] = ("", "")) -> str:
    """The text of a program; `without` names a part between `//[name` and `//]` to drop, `replace` a piece to exchange."""
    text = Path(__file__).with_name(f"{name}.cu").read_text()
    if without:
        text, count = re.subn(rf"//\[{without}\n.*?//\]\n", "", text, flags=re.S)
        assert count, f"{name} has no part {without}"
    old, new = replace
    assert old in text, f"{name} has no {old!r}"
    return text.replace(old, new, 1) if old else text
