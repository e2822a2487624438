"""Write m64n*.h: the register lists of wgmma instructions, which inline assembly wants spelled out. Run it in place."""

from __future__ import annotations

from pathlib import Path

_LAST_OPERANDS = 10  # what follows the accumulators in the longest instruction


def _macros(name: str, registers: int) -> list[str]:
    numbers = ", ".join(f"%{i}" for i in range(registers))
    uses = ", ".join(f"use(d[{i}])" for i in range(registers))
    lines = [f'#define TL_WGMMA_{name} "{{{numbers}}}"', f"#define TL_WGMMA_{name}_LIST(use) {uses}"]
    return lines + [f'#define TL_WGMMA_{name}_{i} "%{registers + i}"' for i in range(_LAST_OPERANDS)]


def header(n: int) -> str:
    """The text of m64n<n>.h. FULL: 32-bit accumulators; HALF: 16-bit ones, two to a register."""
    lines = [
        f"// wgmma with N = {n}: register lists. Written by generate.py.",
        "#pragma once",
        "#include <tl/wgmma.h>",
        f"#define TL_WGMMA_N {n}",
        f'#define TL_WGMMA_SHAPE "m64n{n}"',
        *_macros("FULL", n // 2),
        *_macros("HALF", n // 4),
        "#include <tl/wgmma_instructions.h>",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for n in range(8, 257, 8):
        Path(__file__).with_name(f"m64n{n}.h").write_text(header(n))
