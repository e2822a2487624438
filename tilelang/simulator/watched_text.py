"""The loops of kernel text, and a copy of the text that tells the checker of their iterations."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FOR = re.compile(r"^\s*for\s*\(\s*(?:const\s+)?(?:unsigned\s+|long\s+)*[\w:]+\s+(?P<name>\w+)\s*=[^;]*;.*\{\s*(?://.*)?$")
# Calls that wait, copy or multiply: an iteration of a loop without any is nothing that a report needs to tell apart.
_EVENT = re.compile(
    r"\btl::(?:sync_|bar_|mbarrier_|cp_async|tma_|bulk_|wgmma_|cluster_|grid_sync|mma_m|ldmatrix|stmatrix|atomic_)"
)
_COMMENT = re.compile(r"//.*$|\"(?:\\.|[^\"\\])*\"")


@dataclass(frozen=True)
class Loop:
    """A loop of kernel text: its variable, first and last line, and how many such loops stand around it."""

    name: str
    first: int
    last: int
    depth: int


def find_loops(lines: list[str]) -> list[Loop]:
    """The loops in which something happens that a report may tell of.

    Parameters
    ----------
    lines : list of str
        Kernel text. A loop counts if its header stands on one line that ends with its brace.

    Returns
    -------
    list of Loop
        In order of their first lines; only loops that hold a wait, a copy or a matrix instruction.
    """
    opened: list[tuple[int, str, int] | None] = []  # of every brace: (line, variable, events so far), None where it opens no loop
    found: list[tuple[str, int, int]] = []
    events = 0
    for number, line in enumerate(lines, 1):
        code = _COMMENT.sub("", line)
        header = _FOR.match(code)
        events += len(_EVENT.findall(code))
        braces = [c for c in code if c in "{}"]
        for i, brace in enumerate(braces):
            if brace == "{":
                opened.append((number, header["name"], events) if header and i == len(braces) - 1 else None)
            elif opened:
                loop = opened.pop()
                if loop and events > loop[2]:
                    found.append((loop[1], loop[0], number))
    found.sort(key=lambda loop: loop[1])
    around = [sum(f < first and last <= end for _, f, end in found) for _, first, last in found]
    return [Loop(name, first, last, depth) for (name, first, last), depth in zip(found, around)]


def mark_iterations(source: str) -> str:
    """A copy of the text in which each such loop tells its line and its variable; lines keep their numbers."""
    lines = source.split("\n")
    for loop in find_loops(lines):
        line = lines[loop.first - 1]
        at = line.rindex("{", 0, line.find("//") if "//" in line else len(line)) + 1
        call = f" tl_sim_iteration({loop.depth}, {loop.first}, static_cast<int64_t>({loop.name}));"
        lines[loop.first - 1] = line[:at] + call + line[at:]
    return "\n".join(lines)
