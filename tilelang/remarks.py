"""What the compiler decided and why, as data: `kernel.remarks`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Remark:
    """One decision about one line of the program.

    Parameters
    ----------
    rule : str
        What kind of decision: "copy", "access", "matrix", "unpack", "pipeline" report what the code does; "missed" what it
        could not do, and why.
    text : str
        The decision in words.
    file : str
        The program's file; empty where no line is to blame.
    line : int
        Its line, from 1.
    values : mapping
        The numbers and names in it: buffers, bytes, instruction, bank conflicts.

    Examples
    --------
    >>> [r.values["bytes"] for r in kernel.remarks if r.rule == "copy"]
    [16, 16]
    """

    rule: str
    text: str
    file: str = ""
    line: int = 0
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __contains__(self, words: str) -> bool:
        return words in str(self)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}" if self.file else self.text

    def to_dict(self) -> dict[str, Any]:
        """Plain data, from which `Remark(**data)` makes the remark again."""
        return {**asdict(self), "values": dict(self.values)}


class Remarks(tuple[Remark, ...]):
    """Remarks in the order of the program's lines; prints one a line."""

    def __new__(cls, remarks: Iterable[Remark] = ()) -> Remarks:
        """Sorted by line; the same remark twice is one."""
        return super().__new__(cls, sorted(dict.fromkeys(remarks), key=lambda r: (r.file, r.line)))

    def of(self, rule: str) -> Remarks:
        """Those of one rule."""
        return Remarks(r for r in self if r.rule == rule)

    def to_json(self) -> str:
        """A JSON array of objects with the fields of `Remark`."""
        return json.dumps([remark.to_dict() for remark in self], indent=1)

    @staticmethod
    def from_json(text: str) -> Remarks:
        return Remarks(Remark(**fields) for fields in json.loads(text))

    def __str__(self) -> str:
        return "\n".join(map(str, self))

    __repr__ = __str__
