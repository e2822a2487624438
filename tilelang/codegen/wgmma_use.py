"""What a text does with wgmma: its headers hold the instructions that it needs, and take less time to read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class WgmmaUse:
    """Widths of the elements that are multiplied, steps of the statements, whether some overwrite their accumulators."""

    bits: set[int] = field(default_factory=set)
    steps: set[int] = field(default_factory=set)
    overwrites: bool = False

    @staticmethod
    def of(kernels: Iterable[WgmmaUse]) -> WgmmaUse:
        """Of a text of several kernels."""
        total = WgmmaUse()
        for use in kernels:
            total = WgmmaUse(total.bits | use.bits, total.steps | use.steps, total.overwrites or use.overwrites)
        return total

    def defines(self) -> list[str]:
        """The lines before the headers; none without wgmma."""
        if not self.bits:
            return []
        values = {"BITS": sum(self.bits), "STEPS": sum(self.steps), "OVERWRITES": int(self.overwrites)}
        return [f"#define TL_WGMMA_{name} {value}" for name, value in values.items()]
