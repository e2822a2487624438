"""What can be left out of a program, or put more simply, besides whole statements."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator
from typing import Any

from tilelang.autodd.tree import Edit, Place, places, size

# Lists of which an element can go, with how many have to stay.
_LISTS = {
    "args": 0,
    "bases": 0,
    "cases": 1,
    "decorator_list": 0,
    "elts": 0,
    "handlers": 0,
    "ifs": 0,
    "items": 1,
    "keywords": 0,
    "names": 1,
    "targets": 1,
    "type_params": 0,
    "values": 1,
}
# What can be missing.
_OPTIONAL = {
    (ast.AnnAssign, "value"),
    (ast.Assert, "msg"),
    (ast.ExceptHandler, "type"),
    (ast.FormattedValue, "format_spec"),
    (ast.FunctionDef, "returns"),
    (ast.Raise, "cause"),
    (ast.Raise, "exc"),
    (ast.Return, "value"),
    (ast.Slice, "lower"),
    (ast.Slice, "step"),
    (ast.Slice, "upper"),
    (ast.arg, "annotation"),
    (ast.arguments, "kwarg"),
    (ast.arguments, "vararg"),
    (ast.withitem, "optional_vars"),
}
_Compound = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.AsyncFor, ast.AsyncWith)


def edits(tree: ast.Module) -> list[Edit]:
    """All edits of a tree, those that save most first."""
    found = [edit for place, parent, node in places(tree) for edit in _edits_of(place, parent, node)]
    return sorted(found, key=lambda edit: -edit.saves)


def _edits_of(place: Place, parent: ast.AST, node: ast.AST) -> Iterator[Edit]:
    if place.position is not None and place.field in _LISTS and not isinstance(parent, (ast.Dict, ast.arguments)):
        if len(getattr(parent, place.field)) > _LISTS[place.field]:
            yield Edit(place, _nothing, size(node))
    elif (type(parent), place.field) in _OPTIONAL:
        yield Edit(place, _nothing, size(node))
    if isinstance(node, ast.stmt):
        yield from _of_statement(place, node)
    elif isinstance(node, ast.expr) and not isinstance(getattr(node, "ctx", None), (ast.Store, ast.Del)):
        yield from _of_expression(place, node)


def _nothing(node: Any) -> None:
    return None


def _of_statement(place: Place, node: ast.stmt) -> Iterator[Edit]:
    if isinstance(node, _Compound):
        yield Edit(place, operator.attrgetter("body"), size(node) - sum(map(size, node.body)))
        for block in ("orelse", "finalbody"):
            if inner := getattr(node, block, None):
                yield Edit(place, operator.attrgetter(block), size(node) - sum(map(size, inner)))
                yield Edit(place, _emptied(block), sum(map(size, inner)))
    elif isinstance(node, ast.Assign):
        yield Edit(place, _as_statement, sum(map(size, node.targets)))
    elif isinstance(node, ast.AnnAssign) and node.value is not None:
        yield Edit(place, _without_annotation, size(node.annotation))
    elif isinstance(node, ast.Return) and node.value is not None:
        yield Edit(place, _as_statement, 0)
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.args.defaults:
        yield Edit(place, _without_default, size(node.args.defaults[0]))


def _emptied(block: str) -> Callable[[Any], Any]:
    def make(node: Any) -> Any:
        setattr(node, block, [])
        return node

    return make


def _as_statement(node: Any) -> ast.Expr:
    return ast.Expr(node.value)


def _without_annotation(node: Any) -> ast.Assign:
    return ast.Assign([node.target], node.value)


def _without_default(node: Any) -> Any:
    del node.args.defaults[0]
    return node


def _of_expression(place: Place, node: ast.expr) -> Iterator[Edit]:
    whole = size(node)
    if isinstance(node, ast.Dict):
        for index in range(len(node.values)):
            yield Edit(place, _without_pair(index), size(node.values[index]) + 1)
    if isinstance(node, (ast.Constant, ast.Name)):
        return
    for number, child in enumerate(_inner(node)):
        yield Edit(place, _inner_number(number), whole - size(child))
    if whole > 1:
        for constant in (None, 0):
            yield Edit(place, _constant(constant), whole - 1)


def _constant(value: int | None) -> Callable[[Any], ast.Constant]:
    return lambda node: ast.Constant(value)


def _without_pair(index: int) -> Callable[[Any], Any]:
    def make(node: Any) -> Any:
        del node.keys[index], node.values[index]
        return node

    return make


def _inner(node: ast.AST) -> list[ast.expr]:
    """The expressions right inside one, through keywords and comprehensions."""
    found: list[ast.expr] = []
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr) and not isinstance(child, ast.Slice):
            found.append(child)
        elif isinstance(child, (ast.keyword, ast.comprehension, ast.Slice)):
            found += _inner(child)
    return [child for child in found if not isinstance(getattr(child, "ctx", None), ast.Store)]


def _inner_number(number: int) -> Callable[[Any], ast.expr]:
    def make(node: Any) -> ast.expr:
        child = _inner(node)[number]
        return child.value if isinstance(child, ast.Starred) else child

    return make
