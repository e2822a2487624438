"""Which names a function body binds: nested functions, lambdas and comprehensions have their own."""

from __future__ import annotations

import ast
from collections.abc import Iterable


class _Bound(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names: dict[str, None] = {}

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Store):
            self.names[node.id] = None

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.target)  # annotations bind nothing

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        pass

    def visit_Lambda(self, node: ast.Lambda) -> None:
        pass

    def _own_scope(self, node: ast.AST) -> None:
        pass

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _own_scope


def bound_names(statements: Iterable[ast.AST]) -> list[str]:
    """Names that the statements assign, in order of first appearance."""
    visitor = _Bound()
    for statement in statements:
        visitor.visit(statement)
    return list(visitor.names)


def target_names(target: ast.AST) -> list[str]:
    """The names in an assignment target; `_` for what is no plain name."""
    if isinstance(target, ast.Name):
        return [target.id]
    if isinstance(target, (ast.Tuple, ast.List)):
        return [name for element in target.elts for name in target_names(element)]
    if isinstance(target, ast.Starred):
        return target_names(target.value)
    return ["_"]


def argument_names(arguments: ast.arguments) -> list[str]:
    """All parameter names."""
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [a.arg for a in every]
