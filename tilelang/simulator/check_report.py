"""What a check found, as data, text and JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field

from tilelang.errors import SimulationError


@dataclass(frozen=True)
class CheckedAccess:
    """One side of a finding.

    Attributes
    ----------
    access : str
        "read", "write", "cp.async write", "atomic update", ...
    source : str
        The user's line, "file:line"; empty where the kernel's text does not lead to one.
    line : int
        The line of the kernel's text; 0 if unknown.
    text : str
        That line.
    thread : int
        Linear index in the block; -1 if it was no single thread.
    warp, lane : int
    block : tuple of int
    role : str
        "producer" (its warp copies) or "consumer" (its warp multiplies) in a warp-specialised kernel, else empty.
    iterations : tuple of str
        The loop iterations that it was in, outermost first, such as "k = 3"; as far as they are known.
    """

    access: str
    source: str
    line: int
    text: str
    thread: int
    warp: int
    lane: int
    block: tuple[int, int, int]
    role: str = ""
    iterations: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = self.source or (f"line {self.line} of the kernel text" if self.line else "an unknown line")
        role = f", {self.role}" if self.role else ""
        who = f"thread {self.thread} (warp {self.warp}{role}), " if self.thread >= 0 else ""
        loops = f", iteration {', '.join(self.iterations)}" if self.iterations else ""
        return f"{self.access} at {where}, {who}block {self.block}{loops}" + (f":  {self.text}" if self.text else "")


@dataclass(frozen=True)
class CheckFinding:
    """One defect: what it is, where, between whom, and what would have prevented it.

    Attributes
    ----------
    check : str
        race, bounds, init, deadlock, misuse or schedule.
    kind : str
        In a few words.
    where : str
        The element, as `buffer[index]`, where it is known.
    missing : str
        The order that is missing, or the rule that was broken.
    accesses : tuple of CheckedAccess
        The access at fault, then the one that it conflicts with.
    notes : tuple of str
        Further lines, such as the cycle of a deadlock.
    count : int
        How often it was seen.
    schedule : int
        The schedule that showed it first.
    """

    check: str
    kind: str
    where: str
    missing: str
    accesses: tuple[CheckedAccess, ...] = ()
    notes: tuple[str, ...] = ()
    count: int = 1
    schedule: int = 0

    @property
    def key(self) -> tuple:
        return self.check, self.kind, tuple((a.access, a.line) for a in self.accesses)

    def __str__(self) -> str:
        rows = [f"{self.check}: {self.kind}" + (f", {self.where}" if self.where else "")]
        rows += [f"  {'and' if i else 'by '} {access}" for i, access in enumerate(self.accesses) if self.check != "deadlock"]
        rows += [f"  {note}" for note in self.notes]
        if self.missing:
            rows.append(f"  {'missing' if self.check in ('race', 'init') else 'because'}: {self.missing}")
        if self.count > 1:
            rows.append(f"  seen {self.count} times")
        return "\n".join(rows)


@dataclass(frozen=True)
class CheckReport:
    """What a check of a kernel found.

    Attributes
    ----------
    kernel : str
    checks : tuple of str
        The checks that ran.
    schedules : int
        How many schedules ran.
    findings : tuple of CheckFinding
    """

    kernel: str
    checks: tuple[str, ...]
    schedules: int
    findings: tuple[CheckFinding, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1)

    def raise_if_found(self) -> None:
        """Raise SimulationError with the text of the findings if there are any."""
        if self.findings:
            first, *others = str(self.findings[0]).splitlines()
            notes = [*others, *(row for finding in self.findings[1:] for row in ("", *str(finding).splitlines()))]
            message = f"check of `{self.kernel}` found {len(self.findings)} defect(s): {first}"
            raise SimulationError(message, notes=tuple(note or " " for note in notes))

    def __str__(self) -> str:
        head = f"check of `{self.kernel}` ({', '.join(self.checks)}; {self.schedules} schedule(s)): "
        if self.ok:
            return head + "nothing found"
        return "\n".join([head + f"{len(self.findings)} finding(s)", *map(str, self.findings)])
