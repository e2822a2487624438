"""What the text of a kernel says about itself: which line of the user's source each line came from, its shared buffers and
parameters, the buffers that a line names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tilelang.simulator.watched_text import Loop, find_loops

_PLACE = re.compile(r"//\s*(\S+\.\w+):(\d+)\s*$")
_ENTRY = re.compile(r"__global__\s+void\s+(?:__\w+__\s*\([^)]*\)\s*)*(\w+)\s*\(([^)]*)\)")
_SHARED = re.compile(
    r"^\s*(?P<type>[\w:]+)\s*\*\s*(?P<name>\w+)\s*=\s*(?:reinterpret_cast<[^>]*>\(\s*)?"
    r"(?:tl::dyn_smem\(\)|smem)\s*(?:\+\s*(?P<offset>\d+))?\s*\)?\s*;(?:\s*//\s*(?P<bytes>\d+) bytes)?"
)
_POINTER = re.compile(r"reinterpret_cast<[^<>]*\*>\(\s*(?!smem\b|tl::dyn_smem)\w+\[")  # of an address in an array
_TARGET = re.compile(r"^\s*(?:\w+\s*\([^;]*\)\s*)?(\w+)\s*\[[^=!<>]*\]\s*(?:[-+*/&|^%]|<<|>>)?=(?!=)")
_STORE = re.compile(r"(?:tl::store<[^>]*>|tl::stmatrix_\w+|tl::cp_async<[^>]*>|tl::tma_load\w*|tl::bulk_load\w*)\(\s*(\w+)")
_WORD = re.compile(r"\b[A-Za-z_]\w*\b")

_SIZES = {
    "char": 1, "bool": 1, "int8_t": 1, "uint8_t": 1, "tl::float8_e4m3_t": 1, "tl::float8_e5m2_t": 1,
    "int16_t": 2, "uint16_t": 2, "tl::half_t": 2, "tl::bfloat16_t": 2,
    "int": 4, "int32_t": 4, "uint32_t": 4, "float": 4, "int64_t": 8, "uint64_t": 8, "double": 8,
}  # fmt: skip


@dataclass(frozen=True)
class SharedBuffer:
    """A named part of shared memory; `bytes` is None where the text does not say how long it is."""

    name: str
    offset: int
    bytes: int | None
    element_bytes: int

    def holds(self, low: int, high: int) -> bool:
        return self.offset <= low and (self.bytes is None or high <= self.offset + self.bytes)

    def element(self, offset: int) -> str:
        return f"{self.name}[{(offset - self.offset) // self.element_bytes}]"


@dataclass
class KernelSection:
    """One kernel of the text: its lines, parameters in order and shared buffers."""

    name: str
    first: int
    parameters: tuple[str, ...]
    last: int = 1 << 30
    shared: list[SharedBuffer] = field(default_factory=list)


class KernelText:
    """The text of a source file of kernels.

    Parameters
    ----------
    source : str
        CUDA C++ text as `tilelang.codegen` writes it, or written by hand to the same rules.
    """

    def __init__(self, source: str) -> None:
        self.lines = source.splitlines()

    def line(self, number: int) -> str:
        return self.lines[number - 1].strip() if 0 < number <= len(self.lines) else ""

    @cached_property
    def makes_pointers(self) -> bool:
        """Whether it follows addresses that it reads from a tensor."""
        return any(_POINTER.search(line) for line in self.lines)

    @cached_property
    def sections(self) -> list[KernelSection]:
        found: list[KernelSection] = []
        text = "\n".join(self.lines)
        for match in _ENTRY.finditer(text):
            first = text.count("\n", 0, match.start()) + 1
            names = [_WORD.findall(parameter)[-1] for parameter in match[2].split(",") if _WORD.search(parameter)]
            if found:
                found[-1].last = first - 1
            found.append(KernelSection(match[1], first, tuple(names)))
        for section in found:
            for number in range(section.first, min(section.last, len(self.lines)) + 1):
                shared = _SHARED.match(self.lines[number - 1])
                if shared and shared["name"] != "smem":
                    size = int(shared["bytes"]) if shared["bytes"] else None
                    section.shared.append(
                        SharedBuffer(shared["name"], int(shared["offset"] or 0), size, _SIZES.get(shared["type"], 1))
                    )
        return found

    @cached_property
    def loops(self) -> list[Loop]:
        """The loops in which threads wait, copy or multiply."""
        return find_loops(self.lines)

    def iterations(self, number: int, entered: Sequence[Sequence[int]]) -> tuple[str, ...]:
        """The iterations that a line was in, outermost first, as "k = 3"; `entered`: (line of the loop, value) pairs."""
        around = {loop.first: loop for loop in self.loops if loop.first <= number <= loop.last}
        return tuple(f"{around[line].name} = {value}" for line, value in entered if line in around)

    def section_of(self, number: int) -> KernelSection | None:
        return next((s for s in self.sections if s.first <= number <= s.last), None)

    def place(self, number: int) -> str:
        """The user's source line that a line came from, as "file:line"; empty where the text has no such comments."""
        section = self.section_of(number)
        lowest = section.first if section else 1
        for candidate in range(min(number, len(self.lines)), lowest - 1, -1):
            match = _PLACE.search(self.lines[candidate - 1])
            if match:
                return f"{match[1]}:{match[2]}"
        return ""

    def words(self, number: int) -> set[str]:
        return set(_WORD.findall(self.line(number).split("//")[0]))

    def written(self, number: int) -> str | None:
        """The buffer that a line stores to, where its form shows it."""
        match = _TARGET.search(self.line(number)) or _STORE.search(self.line(number))
        return match[1] if match else None

    def shared_at(self, number: int, offset: int) -> SharedBuffer | None:
        """The shared buffer that a line means by an offset: one that it names, else any that lies there."""
        section = self.section_of(number)
        if section is None:
            return None
        there = [b for b in section.shared if b.holds(offset, offset + 1)]
        words = self.words(number)
        return next((b for b in there if b.name in words), there[-1] if there else None)
