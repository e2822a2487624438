"""The table of docs/coverage.md: every name, its tests, and why it is refused where it is."""

from __future__ import annotations

from functools import cache

from .scan import ROOT, Test, tests_of

TARGET = ROOT / "docs" / "coverage.md"
_HEAD = """# What is tested

Every name of `tilelang.language` with the tests that use it: of numbers (a kernel runs in the simulator, and on a GPU where there
is one, against a reference) and of misuse (the exception and its text), two of each. This page is made from the text of the
tests by `python -m testing.coverage`; a test fails when it does not hold. {counts}
"""
_SHOWN = 2
# Modules whose tests compile and do not run, and the one about this table.
NOT_COUNTED = ("test_examples.py", "test_surface.py", "test_annotations.py", "test_table.py")
# Names that cannot be misused, and those that compute nothing, with the reason.
_TYPE = "a type, for annotations"
NO_MISUSE = {
    **dict.fromkeys(
        ("AnyDType", "BufferLoad", "CommReducer", "PrimExpr", "PrimFunc", "Ref", "WGMMADescriptorParams", "WSInstr"), _TYPE
    ),
    "axis": "its axes are those of the loops around",
    "meta_var": "takes any Python value",
    "StringImm": "takes any string",
    "void": "the name of a dtype",
}
NO_NUMBERS = {
    **dict.fromkeys(("BufferLoad", "CommReducer", "PrimExpr", "Ptr", "WGMMADescriptorParams", "WSInstr"), _TYPE),
    "where": "always refused: it says what to write instead",
}


@cache
def _tests() -> tuple[Test, ...]:
    known = frozenset((*implemented(), *refused()))
    paths = sorted(p for p in (ROOT / "testing").rglob("test_*.py") if p.name not in NOT_COUNTED)
    return tuple(t for path in paths for t in tests_of(path, known))


@cache
def implemented() -> tuple[str, ...]:
    """The names that the language has, dtypes aside."""
    import tilelang.language as T
    from tilelang.language.dtypes import NAMES

    return tuple(sorted((n for n in T.__all__ if n not in NAMES), key=lambda n: (n.lower(), n)))


@cache
def refused() -> dict[str, str]:
    """The names that this version refuses, with the reason."""
    from tilelang.language.unavailable import reasons

    return {name: why for name, (why, _) in reasons().items()}


def tests_by_name() -> dict[str, tuple[list[str], list[str]]]:
    """For each name the tests of numbers and those of misuse; the ones about fewest names first."""
    out: dict[str, tuple[list[str], list[str]]] = {n: ([], []) for n in (*implemented(), *refused())}
    same = _aliases()
    for test in sorted(_tests(), key=lambda t: (len(t.names), t.place)):
        for name in {alias for n in test.names for alias in same.get(n, (n,))}:
            out[name][test.misuse].append(test.place)
    return out


@cache
def _aliases() -> dict[str, tuple[str, ...]]:
    """The names of one object: a test of one is a test of all."""
    import tilelang.language as T

    groups: dict[int, list[str]] = {}
    for name in implemented():
        groups.setdefault(id(getattr(T, name)), []).append(name)
    return {name: tuple(names) for names in groups.values() for name in names}


def gaps() -> dict[str, list[str]]:
    """Names that lack a test, by what is missing."""
    found = tests_by_name()
    return {
        "no test of numbers": [n for n in implemented() if not found[n][0] and n not in NO_NUMBERS],
        "no test of misuse": [n for n in implemented() if not found[n][1] and n not in NO_MISUSE],
    }


def page() -> str:
    """The text of docs/coverage.md."""
    found, missing = tests_by_name(), gaps()
    have = len(implemented())
    counts = (
        f"{have} names: {have - len(missing['no test of numbers'])} with tests of numbers, "
        f"{have - len(missing['no test of misuse'])} with tests of misuse; {len(refused())} names refused."
    )
    rows = ["| name | numbers | misuse |", "|---|---|---|"]
    rows += [
        f"| `T.{n}` | {_cell(found[n][0], NO_NUMBERS.get(n))} | {_cell(found[n][1], NO_MISUSE.get(n))} |" for n in implemented()
    ]
    reasons: dict[str, list[str]] = {}
    for name, why in refused().items():
        reasons.setdefault(why, []).append(f"`{name}`")
    rest = [f"- {', '.join(sorted(names))}: {why}" for why, names in reasons.items()]
    return "\n".join([_HEAD.format(counts=counts), *rows, "", "## Refused", "", *rest, ""])


def untrue() -> list[str]:
    """What docs/coverage.md says that does not hold: names without a row, tests that are gone or do not use the name."""
    found, rows = tests_by_name(), {}
    for line in TARGET.read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if line.startswith("| `T.") and len(cells) == 3:
            rows[cells[0].strip("`")[2:]] = cells[1:]
    wrong = [f"T.{name} has no row" for name in implemented() if name not in rows]
    wrong += [f"T.{name} is no name of the language" for name in rows if name not in implemented()]
    for name, cells in rows.items():
        for kind, cell in enumerate(cells):
            cited = [t.strip("`") for t in cell.split(", ") if "::" in t]
            wrong += [f"{test} does not test T.{name}" for test in cited if test not in found.get(name, ([], []))[kind]]
    return wrong


def _cell(tests: list[str], why_none: str | None) -> str:
    if not tests:
        return why_none or ""
    return ", ".join(f"`{t}`" for t in tests[:_SHOWN])
