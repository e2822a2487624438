"""Write registers.h: the register lists of tcgen05.ld and .st, which inline assembly wants spelled out. Run it in place."""

from __future__ import annotations

from pathlib import Path

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_TYPES = (("float", "f"), ("uint32_t", "r"))


def _functions(columns: int, dtype: str, constraint: str) -> list[str]:
    """Load, store and pin of one number of columns and one type of registers."""
    names = ", ".join(f"%{i}" for i in range(columns))
    uses = {way: ", ".join(f'"{way}{constraint}"(r[{i}])' for i in range(columns)) for way in ("=", "+", "")}
    shape = f"sync.aligned.32x32b.x{columns}.b32"
    return [
        f"  static TL_FUNC void load({dtype}* r, uint32_t address) {{",
        f'    asm volatile("tcgen05.ld.{shape} {{{names}}}, [%{columns}];" : {uses["="]} : "r"(address));',
        "  }",
        f"  static TL_FUNC void store(uint32_t address, const {dtype}* r) {{",
        f'    asm volatile("tcgen05.st.{shape} [%{columns}], {{{names}}};" ::{uses[""]}, "r"(address) : "memory");',
        "  }",
        f'  static TL_FUNC void pin({dtype}* r) {{ asm volatile("" : {uses["+"]}::"memory"); }}',
    ]


def header() -> str:
    """The text of registers.h."""
    lines = [
        "// tcgen05.ld and tcgen05.st of 32 lanes: register lists. Written by generate.py.",
        "#pragma once",
        "#include <tl/backend.h>",
        "#if TL_BLACKWELL",
        "namespace tl::detail {",
        "template <int Columns>",
        "struct tcgen05_registers;",
    ]
    for columns in _SIZES:
        lines += ["template <>", f"struct tcgen05_registers<{columns}> {{"]
        for dtype, constraint in _TYPES:
            lines += _functions(columns, dtype, constraint)
        lines.append("};")
    return "\n".join([*lines, "}  // namespace tl::detail", "#endif"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("registers.h").write_text(header())
