"""What passes changed, as unified diffs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tilelang.engine import Stage

_COLORS = {"+": "\033[32m", "-": "\033[31m", "@": "\033[36m", "#": "\033[33m"}
_PLAIN = "\033[0m"


def diff_lines(stage: Stage, context: int = 3) -> list[str]:
    """The unified diff of the program before and after a pass, with what it decided in front; empty if it changed nothing."""
    before, after = f"{stage.launch} before {stage.name}", f"{stage.launch} after {stage.name}"
    lines = difflib.unified_diff(stage.before.splitlines(), stage.after.splitlines(), before, after, n=context, lineterm="")
    return [*stage.decided.splitlines(), *lines]


def heading(stage: Stage) -> str:
    """The pass and the time it took, and why it did not get through."""
    return (
        f"==== {stage.launch}: {stage.name} ({stage.seconds * 1e3:.1f} ms)" + (f": {stage.note}" if stage.note else "") + " ===="
    )


def diff_text(stages: Iterable[Stage], *, color: bool = False, context: int = 3) -> str:
    """The diffs of the passes that changed something, and the names of those that did not."""
    parts: list[str] = []
    idle: list[str] = []
    for stage in stages:
        if stage.name == "trace":
            parts.append(f"==== {stage.launch} ====\n{stage.after}")
        elif stage.changed or stage.note:
            parts.append("\n".join([heading(stage), *(_colored(line) if color else line for line in diff_lines(stage, context))]))
        else:
            idle.append(stage.name)
    if idle:
        parts.append(f"changed nothing: {', '.join(dict.fromkeys(idle))}")
    return "\n\n".join(parts)


def _colored(line: str) -> str:
    color = _COLORS.get(line[:1])
    return f"{color}{line}{_PLAIN}" if color else line
