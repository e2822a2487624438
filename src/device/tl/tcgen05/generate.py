"""Write registers.h and shapes.h: register lists of tcgen05.ld and .st, which inline assembly wants spelled out. Run in place."""

from __future__ import annotations

from pathlib import Path

_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_SHAPES = {"16x64b": 1, "16x128b": 2, "16x256b": 4, "16x32bx2": 1}  # registers of .x1
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


def _shape_functions(shape: str, registers: int, dtype: str, constraint: str) -> list[str]:
    """Load and store of a shape of 16 lanes; `offset` is that of the second half of .16x32bx2."""
    names = ", ".join(f"%{i}" for i in range(registers))
    uses = {way: ", ".join(f'"{way}{constraint}"(r[{i}])' for i in range(registers)) for way in ("=", "")}
    text = f"sync.aligned.{shape}.x{registers // _SHAPES[shape]}.b32"
    halves = shape == "16x32bx2"
    template = ["  template <int Offset>"] if halves else []
    place = f"[%{registers}]" + (f", %{registers + 1}" if halves else "")
    number = ', "n"(Offset)' if halves else ""
    return [
        *template,
        f"  static TL_FUNC void load({dtype}* r, uint32_t address) {{",
        f'    asm volatile("tcgen05.ld.{text} {{{names}}}, {place};" : {uses["="]} : "r"(address){number});',
        "  }",
        *template,
        f"  static TL_FUNC void store(uint32_t address, const {dtype}* r) {{",
        f'    asm volatile("tcgen05.st.{text} {place}, {{{names}}};" ::{uses[""]}, "r"(address){number} : "memory");',
        "  }",
    ]


def shapes_header() -> str:
    """The text of shapes.h."""
    lines = [
        "// tcgen05.ld and tcgen05.st of 16 lanes: register lists. Written by generate.py.",
        "#pragma once",
        "#include <tl/backend.h>",
        "#if TL_BLACKWELL",
        "namespace tl::detail {",
    ]
    for shape, least in _SHAPES.items():
        lines += ["template <int Registers>", f"struct tcgen05_{shape};"]
        for registers in (n for n in _SIZES if n >= least):
            lines += ["template <>", f"struct tcgen05_{shape}<{registers}> {{"]
            for dtype, constraint in _TYPES:
                lines += _shape_functions(shape, registers, dtype, constraint)
            lines.append("};")
    return "\n".join([*lines, "}  // namespace tl::detail", "#endif"]) + "\n"


if __name__ == "__main__":
    Path(__file__).with_name("registers.h").write_text(header())
    Path(__file__).with_name("shapes.h").write_text(shapes_header())
