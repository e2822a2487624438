"""Write docs/language.md from the docstrings of tilelang.language.

python docs/generate_language.py           writes docs/language.md
python docs/generate_language.py --check   fails if docs/language.md is not what the docstrings say
"""

from __future__ import annotations

import enum
import inspect
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "docs" / "language.md"

# Sections in the order of the page: title, modules of tilelang.language (or the package) that it collects.
SECTIONS = [
    ("Kernels and launches", ("kernel", "frontend.prim_func", "frontend.macro", "meta_class", "tvm_frames")),
    ("Tensors, pointers and tiles", ("tensor", "allocate", "pointer", "tvm_buffers", "buffer")),
    ("Loops and schedules", ("loops", "scheduler")),
    ("Copies", ("copy", "async_copy", "copy_cluster", "tma", "tma_rows", "wide_access", "gather", "fill")),
    ("Matrix products", ("gemm", "gemm_sp", "wgmma", "tensor_memory", "block_scales", "tcgen05_descriptor")),
    ("Reductions and scans", ("reduce", "reducer", "scan", "predicate", "allreduce")),
    ("Atomics", ("atomic",)),
    ("Math", ("math", "select", "ieee", "bits", "vector", "tvm_nodes", "tvm_values")),
    ("Random numbers", ("random",)),
    ("Threads, warps and barriers", ("warp", "launch_control")),
    ("Schedules of specialised warps", ("ws_schedule",)),
    ("What the author tells the compiler", ("annotate", "debug", "layout.user", "layout.index_map", "layout.fragment")),
    ("Functions from outside", ("extern", "host_call")),
]
HEAD = """# The language

Every public name of `tilelang.language` (imported as `T`), from its docstring. This page is generated:
`python docs/generate_language.py`; a test fails when it is out of date.
"""


def module_of(value: Any) -> str:
    """The module that defines an object, without the package."""
    found = getattr(value, "__module__", None) or type(value).__module__
    return found.removeprefix("tilelang.").removeprefix("language.")


def signature_of(name: str, value: Any) -> str:
    """`T.name(...)`, without the annotations `Any`."""
    if isinstance(value, enum.EnumMeta):  # how its call looks differs between versions of Python
        return f"T.{name}(value)"
    try:
        text = str(inspect.signature(value))
    except (TypeError, ValueError):
        return f"T.{name}"
    text = re.sub(r"(: )'?Any'?(?=[,)= ])", "", text).replace(" -> None", "").replace("'", "")
    return f"T.{name}{re.sub(r' -> Any$', '', text)}"


def description(value: Any) -> str:
    """The docstring as Markdown: headings of sections bold, examples as code."""
    lines = inspect.cleandoc(value.__doc__ or type(value).__doc__ or "").splitlines()
    out: list[str] = []
    in_code = False
    for line, following in zip(lines, [*lines[1:], ""]):
        if set(following) == {"-"} and len(following) >= 3:
            out.append(f"**{line}**")
        elif set(line) == {"-"} and len(line) >= 3:
            out.append("")
        else:
            is_code = line.lstrip().startswith((">>>", "..."))
            if is_code != in_code:
                out.append("```python" if is_code else "```")
                in_code = is_code
            out.append(line)
    return "\n".join([*out, *(["```"] if in_code else [])])


def entry(names: list[str], value: Any) -> str:
    first, *others = names
    also = f"\n\nAlso `T.{'`, `T.'.join(others)}`." if others else ""
    return f"### `{signature_of(first, value)}`\n\n{description(value)}{also}\n"


def page() -> str:
    """The whole of docs/language.md."""
    import tilelang.language as T
    from tilelang.language.dtypes import NAMES
    from tilelang.language.unavailable import reasons

    grouped: dict[str, dict[int, tuple[list[str], Any]]] = {}
    for name in sorted(set(T.__all__), key=lambda n: (n.lower(), n)):
        if name in NAMES:
            continue
        value = getattr(T, name)
        grouped.setdefault(module_of(value), {}).setdefault(id(value), ([], value))[0].append(name)
    parts = [HEAD]
    rest = dict(grouped)
    for title, modules in SECTIONS:
        entries = [e for module in modules for e in rest.pop(module, {}).values()]
        if entries:
            parts += [f"## {title}\n", *(entry(names, value) for names, value in sorted(entries, key=lambda e: e[0][0].lower()))]
    others = [e for group in rest.values() for e in group.values()]
    if others:
        parts += ["## Other names\n", *(entry(names, value) for names, value in others)]
    scalars = [n for n in NAMES if "x" not in n]
    parts.append(
        "## Element types\n\n"
        + ", ".join(f"`T.{n}`" for n in scalars)
        + ", and vectors of them such as `T.float16x2` (2, 4, 8, 16 lanes). A type is callable: `T.float32(x)` converts; "
        "it knows its `.bits`, `.bytes` and `.as_torch()`. `T.float4_e2m1_unpacked` is float4_e2m1fn in a byte of its own, the "
        "code in the low half; a tensor of it is passed as torch.uint8.\n"
    )
    groups: dict[tuple[str, str], list[str]] = {}
    for name, reason in reasons().items():
        groups.setdefault(reason, []).append(f"`{name}`")
    parts.append("## Names that are not in this version\n\nThey raise an error that says why, and what to use instead.\n")
    parts += [f"{', '.join(names)}: {why}. Instead: {fix}.\n" for (why, fix), names in groups.items()]
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    sys.path.insert(0, str(ROOT))
    text = page()
    if "--check" in arguments:
        if not TARGET.exists() or TARGET.read_text() != text:
            print("docs/language.md is out of date: run python docs/generate_language.py", file=sys.stderr)
            return 1
        return 0
    TARGET.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
