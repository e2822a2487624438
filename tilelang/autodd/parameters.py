"""Parameters of functions that can go: with what calls pass for them, or by writing that where the function uses them."""

from __future__ import annotations

import ast
import copy
import functools
from collections.abc import Callable

from tilelang.autodd.tree import filled

_METHODS = ("compile", "get_tir", "get_kernel_source", "lower")  # of a function under tilelang.jit: they take its arguments


def without_parameters(tree: ast.Module) -> list[Callable[[], ast.Module]]:
    """What makes copies of the tree, each without one parameter of one function."""
    return [
        functools.partial(_without, tree, number, position, written)
        for number, node in enumerate(ast.walk(tree))
        if isinstance(node, ast.FunctionDef)
        for position in range(len(node.args.args))
        for written in (False, True)
    ]


def _without(tree: ast.Module, number: int, position: int, written: bool) -> ast.Module:
    new = copy.deepcopy(tree)
    function = list(ast.walk(new))[number]
    assert isinstance(function, ast.FunctionDef)
    arguments = function.args
    name = arguments.args[position].arg
    passed: list[ast.expr] = []
    optional = position - (len(arguments.args) - len(arguments.defaults))
    if optional >= 0:
        passed.append(arguments.defaults.pop(optional))
    del arguments.args[position]
    for call in ast.walk(new):
        if isinstance(call, ast.Call) and _name(call.func) == function.name:
            if position < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args[: position + 1]):
                passed.append(call.args.pop(position))
            passed += [keyword.value for keyword in call.keywords if keyword.arg == name]
            call.keywords = [keyword for keyword in call.keywords if keyword.arg != name]
    if written and passed:
        function.body = [_Write(name, passed[-1]).visit(statement) for statement in function.body]
    return filled(new)


class _Write(ast.NodeTransformer):
    """Writes an expression wherever a name is read."""

    def __init__(self, name: str, value: ast.expr) -> None:
        self.name, self.value = name, value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return copy.deepcopy(self.value) if node.id == self.name and isinstance(node.ctx, ast.Load) else node


def _name(function: ast.expr) -> str:
    """f of `f(...)`, `f.compile(...)` and `module.f(...)`."""
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.attr in _METHODS:
        function = function.value
    return function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
