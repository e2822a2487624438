"""Functions that can go, because their statements are written where they are called."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable

from tilelang.autodd.tree import BLOCKS, filled


def without_calls(tree: ast.Module) -> list[Callable[[], ast.Module]]:
    """What makes copies of the tree, each without one function of no parameters whose calls are statements."""
    return [
        functools.partial(_written_out, tree, number)
        for number, node in enumerate(ast.walk(tree))
        if isinstance(node, ast.FunctionDef) and not _has_parameters(node.args)
    ]


def _has_parameters(arguments: ast.arguments) -> bool:
    return any(isinstance(node, ast.arg) for node in ast.walk(arguments))


def _written_out(tree: ast.Module, number: int) -> ast.Module:
    new = copy.deepcopy(tree)
    function = list(ast.walk(new))[number]
    assert isinstance(function, ast.FunctionDef)
    for node in ast.walk(new):
        for field in BLOCKS:
            block = getattr(node, field, None)
            if isinstance(block, list):
                block[:] = [s for statement in block for s in _instead(statement, function)]
    return filled(new)


def _instead(statement: ast.stmt, function: ast.FunctionDef) -> list[ast.stmt]:
    if statement is function:
        return []
    called = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call) and statement.value.func
    if isinstance(called, ast.Name) and called.id == function.name:
        return copy.deepcopy(function.body)
    return [statement]
