"""Write m64n*.h here and in wgmma_sp: the register lists of wgmma instructions, which inline assembly wants spelled out.

Run it in place.
"""

from __future__ import annotations

from pathlib import Path

_LAST_OPERANDS = 39  # what follows the accumulators in the longest instruction


def _macros(name: str, registers: int) -> list[str]:
    numbers = ", ".join(f"%{i}" for i in range(registers))
    uses = ", ".join(f"use(d[{i}])" for i in range(registers))
    lines = [f'#define TL_WGMMA_{name} "{{{numbers}}}"', f"#define TL_WGMMA_{name}_LIST(use) {uses}"]
    return lines + [f'#define TL_WGMMA_{name}_{i} "%{registers + i}"' for i in range(_LAST_OPERANDS)]


def header(n: int) -> str:
    """The text of m64n<n>.h. FULL: 32-bit accumulators; HALF: 16-bit ones, two to a register."""
    lines = [
        f"// wgmma with N = {n}: register lists. Written by generate.py.",
        f"#if defined(TL_WGMMA_SPARSE) || !defined(TL_WGMMA_M64N{n})  // the sparse instructions come by wgmma_sp/m64n{n}.h",
        "#include <tl/wgmma.h>",
        f"#define TL_WGMMA_N {n}",
        f'#define TL_WGMMA_SHAPE "m64n{n}"',
        *_macros("FULL", n // 2),
        *_macros("HALF", n // 4),
        "#ifdef TL_WGMMA_SPARSE",
        "#include <tl/wgmma_sp_instructions.h>",
        "#else",
        f"#define TL_WGMMA_M64N{n}",
        "#include <tl/wgmma_instructions.h>",
        "#endif",
        "#include <tl/wgmma_end.h>",
        "#endif",
    ]
    return "\n".join(lines) + "\n"


def sparse_header(n: int) -> str:
    """The text of wgmma_sp/m64n<n>.h."""
    lines = [
        f"// Sparse wgmma with N = {n}. Written by wgmma/generate.py.",
        "#pragma once",
        "#include <tl/wgmma_sp.h>",
        "#define TL_WGMMA_SPARSE",
        f"#include <tl/wgmma/m64n{n}.h>",
        "#undef TL_WGMMA_SPARSE",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    here = Path(__file__).parent
    for n in range(8, 257, 8):
        (here / f"m64n{n}.h").write_text(header(n))
        (here.parent / "wgmma_sp" / f"m64n{n}.h").write_text(sparse_header(n))
