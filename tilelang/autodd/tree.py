"""A program as a syntax tree whose nodes are counted, so that an edit found on one copy is made on another."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

_UNCOUNTED = (ast.expr_context, ast.operator, ast.unaryop, ast.boolop, ast.cmpop)
BLOCKS = ("body", "orelse", "finalbody")  # lists of statements


class Place(NamedTuple):
    """Where a node hangs: the number of its parent, the field, and the position where that is a list."""

    parent: int
    field: str
    position: int | None


class Edit(NamedTuple):
    """What is put in the place of a node.

    Parameters
    ----------
    place : Place
    make : callable
        From the node (of the copy that is edited) what replaces it: a node, a list of statements, or None to leave it out.
    saves : int
        How many nodes less that is, about: large edits are tried first.
    """

    place: Place
    make: Callable[[Any], Any]
    saves: int


def size(node: ast.AST) -> int:
    """How many nodes a tree has."""
    return sum(not isinstance(n, _UNCOUNTED) for n in ast.walk(node))


def places(tree: ast.Module) -> Iterator[tuple[Place, ast.AST, ast.AST]]:
    """(place, parent, node) of every node but the root; numbers count in the order of `ast.walk`."""
    for number, parent in enumerate(ast.walk(tree)):
        for field, value in ast.iter_fields(parent):
            if isinstance(value, ast.AST):
                yield Place(number, field, None), parent, value
            elif isinstance(value, list):
                for position, item in enumerate(value):
                    if isinstance(item, ast.AST):
                        yield Place(number, field, position), parent, item


def edited(tree: ast.Module, edit: Edit) -> ast.Module:
    """A copy of the tree with an edit made."""
    new = copy.deepcopy(tree)
    parent = list(ast.walk(new))[edit.place.parent]
    field, position = edit.place.field, edit.place.position
    value = getattr(parent, field)
    if position is None:
        setattr(parent, field, edit.make(value))
    else:
        made = edit.make(value[position])
        value[position : position + 1] = [] if made is None else made if isinstance(made, list) else [made]
    return filled(new)


def statements(tree: ast.Module, depth: int) -> list[int]:
    """The numbers of the statements inside `depth` others, in the order of the text."""
    found: list[int] = []
    numbers = {id(node): number for number, node in enumerate(ast.walk(tree))}

    def visit(node: ast.AST, level: int) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                if level == depth:
                    found.append(numbers[id(child)])
                visit(child, level + 1)
            else:
                visit(child, level)

    visit(tree, 0)
    return found


def without(tree: ast.Module, numbers: set[int]) -> ast.Module:
    """A copy of the tree without some of its statements."""
    new = copy.deepcopy(tree)
    gone = {id(node) for number, node in enumerate(ast.walk(new)) if number in numbers}
    for node in ast.walk(new):
        for field in BLOCKS:
            block = getattr(node, field, None)
            if isinstance(block, list):
                block[:] = [child for child in block if id(child) not in gone]
    return filled(new)


def filled(tree: ast.Module) -> ast.Module:
    """The tree, with `pass` where a block has to have a statement and has none."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not body and not isinstance(node, ast.Module):
            body.append(ast.Pass())
    return ast.fix_missing_locations(tree)


def text_of(tree: ast.Module) -> str | None:
    """The tree as text; None where it is no program (a `return` outside a function, a `try` without a handler)."""
    try:
        text = ast.unparse(tree) + "\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `1(2)` and the like
            compile(text, "<candidate>", "exec")
    except (SyntaxError, ValueError, RecursionError, AttributeError, TypeError):
        return None
    return text
