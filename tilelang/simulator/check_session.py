"""One watched run: the simulator's checker observes the launches of this thread, and what it saw becomes findings."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tilelang.errors import SimulationError
from tilelang.simulator.check_report import CheckedAccess, CheckFinding
from tilelang.simulator.check_text import KernelText
from tilelang.simulator.runtime import load_library

CHECKS = {"race": 1, "bounds": 2, "init": 4, "deadlock": 8, "misuse": 16}


class CheckSession:
    """A checker of the simulator, entered with `with`: launches of this thread are watched inside.

    Parameters
    ----------
    source : str
        The kernel's text.
    library : str
        The object that was compiled from it with `watched=True`.
    checks : iterable of str
        Names of `CHECKS`.
    shapes : mapping, optional
        By tensor name: (shape, strides in elements, bytes of an element), for indices in reports.
    pointers : bool
        Whether the kernel gets addresses whose extent nobody knows; it does, too, where its text makes pointers of numbers.
    """

    def __init__(
        self,
        source: str,
        library: str,
        checks: Iterable[str],
        shapes: Mapping[str, tuple[tuple, tuple, int]] | None = None,
        pointers: bool = False,
    ) -> None:
        self.text, self.library, self.checks = KernelText(source), library, tuple(checks)
        self.shapes = dict(shapes or {})
        self.follows_pointers = pointers or self.text.makes_pointers
        self.failure: SimulationError | None = None
        self._runtime = load_library()
        self._watcher: int | None = None
        self._report: dict[str, Any] = {}
        self._lines: dict[int, int] = {}

    def __enter__(self) -> CheckSession:
        self._watcher = self._runtime.tl_sim_checker_new(sum(CHECKS[check] for check in self.checks))
        if self.follows_pointers:
            self._runtime.tl_sim_checker_follow_pointers(self._watcher)
        self._runtime.tl_sim_watch(self._watcher)
        return self

    def register(self, name: str, address: int, size: int, *, fresh: bool = False) -> None:
        """Declare global memory that kernels may touch; needed only where no launcher does it."""
        if self._runtime.tl_sim_register_memory(address, size, name.encode(), fresh):
            raise SimulationError(f"the system refused memory for the shadow of `{name}` ({size} bytes)")

    def __exit__(self, kind, error, trace) -> bool:
        self._runtime.tl_sim_watch(None)
        self._report = json.loads(self._runtime.tl_sim_watcher_report(self._watcher))
        self._runtime.tl_sim_watcher_free(self._watcher)
        if isinstance(error, SimulationError):
            self.failure = error  # becomes a finding
            return True
        return False

    # -- findings -----------------------------------------------------------------------------------------------------
    def findings(self, schedule: int = 0) -> list[CheckFinding]:
        """What was found, each defect once."""
        self._resolve_offsets()
        found = [self._finding(raw, schedule) for raw in self._report["findings"]]
        if "bounds" in self.checks:
            found += self._indices_past_buffers(schedule)
        if self.failure is not None and not self._is_covered(self.failure, found):
            found.append(self._from_failure(self.failure, schedule))
        return merged(found)

    def _is_covered(self, failure: SimulationError, found: list[CheckFinding]) -> bool:
        message = failure.message
        return message.startswith("stopped: ") or (message.startswith("deadlock") and any(f.check == "deadlock" for f in found))

    def _from_failure(self, failure: SimulationError, schedule: int) -> CheckFinding:
        message = failure.message
        outside = re.search(r"out of bounds|shared memory offset -?\d+ of \d+", message)
        check = "deadlock" if message.startswith("deadlock") else "bounds" if outside else "misuse"
        at_fault = [int(n) for n in re.findall(r"\(lines? (\d+)", message)]
        lines = [*at_fault, *(int(n) for n in re.findall(r"[^(]lines? (\d+)", message))]
        thread = re.search(r"block \((\d+), (\d+), (\d+)\)", message)
        block = tuple(map(int, thread.groups())) if thread else (0, 0, 0)
        accesses = tuple(self._access("earlier" if i else "at fault", line, -1, block) for i, line in enumerate(lines[:2]))
        return CheckFinding(check, message, "", "", accesses, tuple(failure.notes), schedule=schedule)

    def _role(self, warp: int) -> str:
        """What a warp is for, in a kernel where some warps copy and others multiply."""
        loads, multiplies = 1, 2
        roles = self._report.get("roles", [])
        alone = [{loads: "producer", multiplies: "consumer"}.get(role & (loads | multiplies), "") for role in roles]
        return alone[warp] if 0 <= warp < len(alone) and {"producer", "consumer"} <= set(alone) else ""

    def _access(
        self, access: str, line: int, thread: int, block: Iterable[int], loops: Sequence[Sequence[int]] = ()
    ) -> CheckedAccess:
        source = self.text.place(line) if line else ""
        warp, lane = (thread // 32, thread % 32) if thread >= 0 else (-1, -1)
        x, y, z = block
        iterations = self.text.iterations(line, loops)
        return CheckedAccess(
            access, source, line, self.text.line(line), thread, warp, lane, (x, y, z), self._role(warp), iterations
        )

    def _line(self, raw: Mapping[str, Any]) -> int:
        return raw["line"] if "line" in raw else self._lines.get(raw["offset_in_object"], 0)

    def _finding(self, raw: Mapping[str, Any], schedule: int) -> CheckFinding:
        accesses = tuple(self._access(p["access"], self._line(p), p["thread"], p["block"], p["loops"]) for p in raw["parties"])
        line = accesses[0].line if accesses else 0
        where = ""
        if raw["space"] == "shared":
            where = self._name_shared(line, raw["offset"])
        elif raw["space"] == "global":
            where = self._name_global(raw["region"], raw["offset"])
        return CheckFinding(
            raw["check"], raw["kind"], where, raw["missing"], accesses, tuple(raw["notes"]), raw["count"], schedule
        )

    def _name_shared(self, line: int, offset: int) -> str:
        buffer = self.text.shared_at(line, offset)
        return (f"{buffer.element(offset)} " if buffer else "") + f"(shared memory offset {offset})"

    def _name_global(self, region: str, offset: int) -> str:
        """`C[12, 34]` from a byte offset."""
        name = region.split("/")[0]
        if name not in self.shapes:
            return f"byte {offset} of {region}"
        shape, strides, size = self.shapes[name]
        element, index = offset // size, []
        inside = offset >= 0 and bool(shape) and element <= sum((n - 1) * s for n, s in zip(shape, strides))
        if not inside:
            return f"{name}, element {element} from its start; its shape is {tuple(shape)}"
        for stride in strides:
            index.append(element // stride if stride else 0)
            element -= index[-1] * stride
        return f"{name}[{', '.join(map(str, index))}]"

    # -- places -------------------------------------------------------------------------------------------------------
    def _resolve_offsets(self) -> None:
        """Lines of the text for offsets in the object, by addr2line in one go."""
        offsets = {p["offset_in_object"] for f in self._report["findings"] for p in f["parties"] if "offset_in_object" in p}
        offsets |= {e["site"] for e in self._report["extents"] if not e["is_line"]}
        tool = shutil.which("addr2line")
        if not offsets or tool is None:
            return
        # Return addresses: the call is the instruction before.
        command = [tool, "-a", "-i", "-e", self.library, *(hex(offset - 1) for offset in sorted(offsets))]
        current = None
        for row in subprocess.run(command, capture_output=True, text=True).stdout.splitlines():
            if row.startswith("0x"):
                current = int(row, 16) + 1
                continue
            file, _, line = row.split(" ")[0].rpartition(":")
            if current is None or current in self._lines or not line.isdigit():
                continue
            if file.endswith(("kernel.cc", ".cu", ".py")):  # innermost first: the first outside the device library
                self._lines[current] = int(line)

    # -- indices that leave their buffer for another --------------------------------------------------------------------
    def _indices_past_buffers(self, schedule: int) -> list[CheckFinding]:
        found = []
        for entry in self._report["extents"]:
            line = entry["site"] if entry["is_line"] else self._lines.get(entry["site"], 0)
            section = self.text.section_of(line) if line else None
            if section is None:
                continue
            words = self.text.words(line)
            target = self.text.written(line) if entry["writes"] else None
            if entry["region"] is None:
                found += self._past_shared(entry, line, [b for b in section.shared if b.name in words], target, schedule)
            else:
                tensors = [p for p in section.parameters if p in words and p in self.shapes]  # a scalar has no bounds
                found += self._past_tensor(entry, line, tensors, words, target, schedule)
        return found

    def _past_shared(self, entry, line, named, target, schedule) -> list[CheckFinding]:
        meant = [b for b in named if b.name == target] or ([] if target and "tl::" in self.text.line(line) else named)
        if not meant:
            return []
        for offset, thread, *block in (entry["high"], entry["low"]):
            at = offset - 1 if offset == entry["high"][0] else offset
            if any(b.holds(at, at + 1) for b in meant):
                continue
            buffer = meant[0]
            access = self._access("write" if entry["writes"] else "read", line, thread, block)
            section = self.text.section_of(line)
            inside = self.text.shared_at(0, at) or next(
                (b for b in (section.shared if section else ()) if b.bytes is not None and b.holds(at, at + 1)), None
            )
            into = f", which is {inside.element(at)}" if inside else ""
            size = f"{buffer.name} has {(buffer.bytes or 0) // buffer.element_bytes} elements"
            kind = f"index outside {' and '.join(b.name for b in meant)}"
            return [CheckFinding("bounds", kind, f"{buffer.element(at)}{into}", size, (access,), schedule=schedule)]
        return []

    def _past_tensor(self, entry, line, named, words, target, schedule) -> list[CheckFinding]:
        meant = [p for p in named if p == target] or named
        regions = entry["region"].split("/")
        if target in regions or (target is None and words & set(regions)):  # workspaces, too, which have no shape here
            return []
        through_map = "tl::tma_" in self.text.line(line)  # the line names a tensor map, which keeps to its own tensor
        if not meant or through_map or any(p in regions for p in meant):
            return []
        offset, thread, *block = entry["low"]
        access = self._access("write" if entry["writes"] else "read", line, thread, block)
        where = self._name_global(entry["region"], offset)
        kind = f"index outside {' and '.join(meant)}"
        return [CheckFinding("bounds", kind, f"which hits {where}", "", (access,), schedule=schedule)]


def merged(findings: Iterable[CheckFinding]) -> list[CheckFinding]:
    """Findings of one kind between the same lines as one; counts add up."""
    from dataclasses import replace

    found: dict[tuple, CheckFinding] = {}
    for finding in findings:
        known = found.get(finding.key)
        found[finding.key] = replace(known, count=known.count + finding.count) if known else finding
    return list(found.values())
