"""A Python function's text: its syntax tree with the positions of the file, and spans for messages."""

from __future__ import annotations

import ast
import inspect
import linecache
from types import CodeType, FunctionType
from weakref import WeakKeyDictionary

from ..errors import FrontendError, SourceSpan

# Of each function: the lines of its file as they were, and what of them is its own.
_lines: WeakKeyDictionary[CodeType, tuple[list[str], tuple[list[str], int]]] = WeakKeyDictionary()


def function_lines(func: FunctionType) -> tuple[list[str], int]:
    """`inspect.getsourcelines`, which looks for the function's end by its tokens, once for each state of the file.

    Raises
    ------
    OSError, TypeError
        When there is no text.
    """
    file = func.__code__.co_filename
    linecache.checkcache(file)
    lines = linecache.getlines(file, func.__globals__)
    known = _lines.get(func.__code__)
    if known is None or known[0] is not lines:
        known = _lines[func.__code__] = lines, inspect.getsourcelines(func)
    return known[1]


class Source:
    """The text of one function.

    Attributes
    ----------
    file : str
    tree : ast.FunctionDef
        Lines are those of the file.
    spans : list of SourceSpan
        The places that the rewritten function refers to by number.
    """

    def __init__(self, func: FunctionType) -> None:
        self.name = func.__name__
        self.file = func.__code__.co_filename
        try:
            lines, first = function_lines(func)
        except (OSError, TypeError):
            raise FrontendError(
                f"the source of {func.__qualname__} cannot be read ({self.file})",
                fix="define the function in a file (or a notebook cell): the front end rewrites its text",
            ) from None
        text = "".join(lines)
        # A nested function is indented: wrap it instead of dedenting, which would change multi-line strings and columns.
        indented = text[:1] in " \t"
        module = ast.parse("if 1:\n" + text if indented else text)
        body = module.body[0].body if indented else module.body  # type: ignore[attr-defined]
        node = body[0]
        if func.__name__ == "<lambda>":
            raise FrontendError(f"{func.__qualname__} is not written with def", fix="a kernel is a def function")
        if not _is_text_of(node, func.__code__):
            raise FrontendError(
                f"{self.file}, line {first}, does not hold {func.__qualname__}: the file changed after it was imported",
                fix="reload the module, or start again",
            )
        ast.increment_lineno(module, first - (2 if indented else 1))
        if not isinstance(node, ast.FunctionDef):
            raise FrontendError(f"{func.__qualname__} is async", fix="a kernel is a plain def", span=self.span_of(node))
        self.tree: ast.FunctionDef = node
        self.spans: list[SourceSpan] = []

    def mark(self, node: ast.AST) -> int:
        """The number of a node's place."""
        self.spans.append(self.span_of(node))
        return len(self.spans) - 1

    def span_of(self, node: ast.AST) -> SourceSpan:
        line, column = node.lineno, node.col_offset + 1  # type: ignore[attr-defined]
        end = getattr(node, "end_lineno", None) or line
        return SourceSpan(self.file, line, column, end, (getattr(node, "end_col_offset", None) or column) + 1)


def _is_text_of(node: ast.AST, code: CodeType) -> bool:
    """Whether a definition has the name and the parameters of the code object."""
    if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return False
    written = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return node.name == code.co_name and written == list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])


def code_names(code: CodeType) -> set[str]:
    """Global and attribute names that a code object mentions, nested functions included."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= code_names(constant)
    return names


def annotation_names(tree: ast.AST, signatures: bool = False) -> set[str]:
    """Names in the annotations of a body (and of nested signatures): Python does not evaluate those, so they may be in no
    closure and in no code object."""
    annotations = [n.annotation for n in ast.walk(tree) if isinstance(n, ast.AnnAssign)]
    if signatures:
        annotations += [n.annotation for n in ast.walk(tree) if isinstance(n, ast.arg) and n.annotation is not None]
    names: set[str] = set()
    for annotation in annotations:
        for node in ast.walk(annotation):
            if isinstance(node, ast.Name):
                names.add(node.id)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                names |= _names_in_text(node.value)
    return names


def _names_in_text(text: str) -> set[str]:
    """Names in a quoted annotation; none if the string is no expression (a dtype's name is one, and harmless)."""
    try:
        return {n.id for n in ast.walk(ast.parse(text, mode="eval")) if isinstance(n, ast.Name)}
    except SyntaxError:
        return set()
