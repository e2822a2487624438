"""Names of the language in the text of a test module: each test with the names that it and the programs it runs use.

A test that expects an exception is one of misuse, any other one of numbers. What a test uses is what stands in it, in its
decorators, and in the functions and tables of the modules that it leads to.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Names in which every program is written: a test of misuse is about others, unless it says so.
SCAFFOLD = frozenset(
    "Kernel Tensor alloc_barrier alloc_fragment alloc_local alloc_shared annotate_layout ceildiv clear copy dynamic fill"
    " get_thread_binding prim_func serial Parallel Pipelined".split()
)


@dataclass(frozen=True)
class Test:
    """A test function, as pytest names it without parameters."""

    place: str
    names: frozenset[str]
    misuse: bool


@dataclass(frozen=True)
class _Definition:
    """What a function or table of a module mentions."""

    attributes: frozenset[str]  # T.<name>
    strings: frozenset[str]
    references: frozenset[str]  # names of other definitions
    by_string: bool  # it looks names up: getattr(T, name)
    raises: bool
    checks: bool  # it asserts something
    cases: frozenset[str] = frozenset()  # T.<name> and words in its parameters
    tables: frozenset[str] = frozenset()  # definitions that its parameters come from
    asserted: frozenset[str] = frozenset()  # T.<name> in its assert statements

    @property
    def words(self) -> frozenset[str]:
        """What a table is about: its keys, and names listed in one string."""
        return frozenset(word for text in self.strings for word in text.split())


def tests_of(path: Path, known: frozenset[str]) -> list[Test]:
    """The tests of a module that use any of the `known` names."""
    module, found = _module(path), []
    place = path.relative_to(ROOT / "testing")
    for name in module:
        if not name.startswith("test_"):
            continue
        helpers = [module[r] for r in module[name].references if r in module]
        if not any(d.checks or d.raises for d in (module[name], *helpers)):
            continue
        reached = _reach(path, name)
        misuse = module[name].raises or any(h.raises for h in helpers)
        names = frozenset().union(*(d.attributes | (d.references & _imported(path)) for d in reached))
        if any(d.by_string for d in reached):
            names |= frozenset().union(*(d.strings for d in reached))
        names &= known
        if misuse:
            tables = [module[r] for r in module[name].tables if r in module]
            tables += [module[r] for t in tables for r in t.references if r in module]
            own = module[name].cases.union(*(t.words for t in tables))
            names |= own & known
            names = frozenset(n for n in names if n not in SCAFFOLD or n in own)
            asserted = module[name].asserted & known
            if asserted:
                found.append(Test(f"{place}::{name}", asserted, False))
        if names:
            found.append(Test(f"{place}::{name}", names, misuse))
    return found


def _reach(path: Path, name: str) -> list[_Definition]:
    """A definition and those it leads to, in this module and in those of the tests that it imports from."""
    seen: dict[tuple[Path, str], _Definition] = {}
    pending = [(path, name)]
    while pending:
        here, which = pending.pop()
        definition = _module(here).get(which)
        if definition is None or (here, which) in seen:
            origin = _imports(here).get(which)
            if origin is not None:
                pending.append(origin)
            continue
        seen[here, which] = definition
        pending += [(here, r) for r in definition.references]
    return list(seen.values())


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def _imports(path: Path) -> dict[str, tuple[Path, str]]:
    """Names that a module takes from other modules of the tests."""
    out = {}
    for node in _tree(path).body:
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("testing."):
            origin = ROOT / (node.module.replace(".", "/") + ".py")
            if origin.exists():
                out.update({a.asname or a.name: (origin, a.name) for a in node.names})
    return out


@cache
def _imported(path: Path) -> frozenset[str]:
    """Names that a module imports from the package by themselves."""
    froms = [n for n in _tree(path).body if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("tilelang")]
    return frozenset(a.name for n in froms for a in n.names)


@cache
def _module(path: Path) -> dict[str, _Definition]:
    """The functions, classes and tables of a module, by name."""
    out: dict[str, _Definition] = {}
    for node in _tree(path).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            out[node.name] = _read(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            for target in (t for group in targets for t in ast.walk(group) if isinstance(t, ast.Name)):
                out[target.id] = _read(node.value)
    return out


def _read(node: ast.AST) -> _Definition:
    attributes: set[str] = set()
    strings: set[str] = set()
    references: set[str] = set()
    by_string = raises = checks = False
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and isinstance(child.value, ast.Name) and child.value.id == "T":
            attributes.add(child.attr)
        elif isinstance(child, ast.Attribute) and child.attr == "raises":
            raises = True
        elif isinstance(child, ast.Call) and isinstance(child.func, ast.Name) and child.func.id == "getattr":
            by_string = by_string or (isinstance(child.args[0], ast.Name) and child.args[0].id == "T")
            references.add("getattr")
        elif isinstance(child, ast.Assert) or (isinstance(child, ast.Attribute) and child.attr.startswith("assert")):
            checks = True
        elif isinstance(child, ast.Constant) and isinstance(child.value, str):
            strings.add(child.value)
        elif isinstance(child, ast.Name):
            references.add(child.id)
            checks = checks or child.id.startswith("assert")
    asserts = [_read(n) for n in ast.walk(node) if isinstance(n, ast.Assert) and n is not node]
    asserted = frozenset().union(*(a.attributes for a in asserts))
    decorators = [_read(d) for d in getattr(node, "decorator_list", ())]
    cases = frozenset().union(*(d.attributes | d.strings for d in decorators))
    tables = frozenset().union(*(d.references for d in decorators))
    parts = (frozenset(found) for found in (attributes, strings, references))
    return _Definition(*parts, by_string, raises, checks, cases, tables, asserted)
