"""The rewritten function as a Python function: its code, with the globals and closure cells of the original."""

from __future__ import annotations

import ast
import builtins
import sys
import types
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from .source import HOOKS, Source, annotation_names

if TYPE_CHECKING:
    from .hooks import Hooks

# By identity: code objects that compare equal may come of different texts (annotations in a body are not in the code).
# The original code object is kept beside the result, so that its id is not reused.
_compiled: dict[tuple[int, str], tuple[CodeType, Hooks, CodeType]] = {}


def rewritten(
    func: FunctionType,
    kind: str,
    cells: dict[str, Any] | None = None,
    names: dict[str, Any] | None = None,
    scope: dict[str, Any] | None = None,
) -> FunctionType:
    """`func` rewritten to run on the builder.

    Parameters
    ----------
    kind : str
        prim_func or macro: what `return` means.
    cells : dict, optional
        Values of free variables to use instead of the live closure cells (a snapshot).
    names : dict, optional
        Globals to use instead of the live ones, likewise.
    scope : dict, optional
        Locals of the enclosing functions, for names that only an annotation in the body mentions.
    """
    key = (id(func.__code__), kind)
    if key not in _compiled:
        _compiled[key] = (*_compile(func, kind), func.__code__)
    code, hooks, _ = _compiled[key]
    live = dict(zip(func.__code__.co_freevars, func.__closure__ or (), strict=True))
    closure = []
    for name in code.co_freevars:
        if name == HOOKS:
            closure.append(types.CellType(hooks))
        elif cells is not None and name in cells:
            closure.append(types.CellType(cells[name]))
        elif name in live:
            closure.append(live[name])
        else:
            closure.append(_annotation_name(name, func, scope or {}))
    space = func.__globals__ if names is None else {**func.__globals__, **names}
    new = FunctionType(code, space, func.__name__, func.__defaults__, tuple(closure))
    new.__kwdefaults__ = func.__kwdefaults__
    new.__qualname__ = func.__qualname__
    return new


def _compile(func: FunctionType, kind: str) -> tuple[CodeType, Hooks]:
    from .hooks import Hooks  # what a kernel from the cache does without
    from .rewrite import Rewriter

    source = Source(func)
    known = {*func.__code__.co_freevars, *func.__code__.co_varnames, *func.__code__.co_cellvars}
    annotated = annotation_names(source.tree) - known
    definition = Rewriter(source, set()).function(source.tree, kind)
    definition.args.defaults = [ast.copy_location(ast.Constant(None), definition) for _ in definition.args.defaults]
    definition.args.kw_defaults = [d and ast.copy_location(ast.Constant(None), definition) for d in definition.args.kw_defaults]
    free = [HOOKS, *func.__code__.co_freevars, *sorted(annotated)]
    # A function around it makes the free variables of the original free variables again, and not globals.
    outer = ast.FunctionDef(
        "__tl_outer",
        ast.arguments(posonlyargs=[], args=[ast.arg(n) for n in free], kwonlyargs=[], kw_defaults=[], defaults=[]),
        [definition],
        [],
        None,
    )
    if sys.version_info >= (3, 12):
        outer.type_params = []
    for node in (outer, *outer.args.args):  # the rest has been located; `ast.fix_missing_locations` would walk through it all
        ast.copy_location(node, definition)
    module = ast.Module([outer], [])
    # dont_inherit: this module's own `from __future__` is not the user's.
    compiled = compile(module, source.file, "exec", dont_inherit=True)
    outer_code = next(c for c in compiled.co_consts if isinstance(c, CodeType))
    code = next(c for c in outer_code.co_consts if isinstance(c, CodeType) and c.co_name == func.__name__)
    return code, Hooks(source)


def _annotation_name(name: str, func: FunctionType, scope: dict[str, Any]) -> types.CellType:
    for space in (scope, func.__globals__, vars(builtins)):
        if name in space:
            return types.CellType(space[name])
    return types.CellType()  # empty: Python raises NameError where it is read


def snapshot_closure(func: FunctionType) -> dict[str, Any]:
    """The closure's values now: what a decorated function meant when it was written, even in a loop."""
    values = {}
    for name, cell in zip(func.__code__.co_freevars, func.__closure__ or (), strict=True):
        try:
            values[name] = cell.cell_contents
        except ValueError:
            continue  # assigned later: the live cell is used
    return values
