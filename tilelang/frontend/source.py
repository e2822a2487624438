"""A Python function's text: its syntax tree with the positions of the file, and spans for messages."""

from __future__ import annotations

import ast
import inspect
import linecache
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from types import CodeType, FunctionType
from typing import NamedTuple
from weakref import WeakKeyDictionary

from ..errors import FrontendError, SourceSpan

HOOKS = "__tl__"  # the name under which a rewritten function sees its hooks
_ENDS_TRIED = 64  # lines that look like a function's end before Python's tokenizer, in Python, looks for it


class FunctionText(NamedTuple):
    """The lines of a function, decorators included.

    `tree` is for reading alone: it is shared. None where the lines were found by other means, such as those of a lambda.
    """

    lines: list[str]
    first: int
    tree: ast.stmt | None


# Of each function: the lines of its file as they were, and what of them is its own.
_texts: WeakKeyDictionary[CodeType, tuple[list[str], FunctionText]] = WeakKeyDictionary()


def function_text(func: FunctionType) -> FunctionText:
    """The text of a function, looked for once for each state of the file.

    Raises
    ------
    OSError, TypeError
        When there is no text.
    """
    code = func.__code__
    linecache.checkcache(code.co_filename)
    lines = linecache.getlines(code.co_filename, func.__globals__)
    known = _texts.get(code)
    if known is None or known[0] is not lines:
        text = None if func.__name__ == "<lambda>" else _definition(lines, code)
        known = _texts[code] = lines, text or FunctionText(*inspect.getsourcelines(func), None)
    return known[1]


def parse_at(lines: list[str], first: int) -> ast.stmt:
    """The first statement of `lines`, which are a file's from line `first` on, with the positions of the file."""
    # A nested function is indented: wrap it instead of dedenting, which would change multi-line strings and columns.
    if lines[0][:1] in (" ", "\t"):
        return ast.parse("\n" * (first - 2) + "if 1:\n" + "".join(lines)).body[0].body[0]  # type: ignore[attr-defined]
    return ast.parse("\n" * (first - 1) + "".join(lines)).body[0]


def _definition(lines: list[str], code: CodeType) -> FunctionText | None:
    """The definition of a code object in its file; None where it is not found.

    `inspect` looks for the end token by token, in 10 ms a function. Here the first line that is indented no deeper is taken for
    it, and the parser says whether it is: text that stops inside a string, a bracket or a decorated definition is no Python.
    """
    first = code.co_firstlineno
    if not 0 < first <= len(lines):
        return None
    head = lines[first - 1]
    indent = len(head) - len(head.lstrip())
    ends = (end for end in range(first, len(lines)) if _leaves(lines[end], indent))
    for end in islice(chain(ends, [len(lines)]), _ENDS_TRIED):
        try:
            tree = parse_at(lines[first - 1 : end], first)
        except (SyntaxError, ValueError, RecursionError):
            continue
        return FunctionText(lines[first - 1 : tree.end_lineno], first, tree) if _is_text_of(tree, code) else None
    return None


def _leaves(line: str, indent: int) -> bool:
    text = line.lstrip()
    return bool(text) and text[0] != "#" and len(line) - len(text) <= indent


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
            text = function_text(func)
        except (OSError, TypeError):
            raise FrontendError(
                f"the source of {func.__qualname__} cannot be read ({self.file})",
                fix="define the function in a file (or a notebook cell): the front end rewrites its text",
            ) from None
        if func.__name__ == "<lambda>":
            raise FrontendError(f"{func.__qualname__} is not written with def", fix="a kernel is a def function")
        node = parse_at(text.lines, text.first)
        if not _is_text_of(node, func.__code__):
            raise FrontendError(
                f"{self.file}, line {text.first}, does not hold {func.__qualname__}: the file changed after it was imported",
                fix="reload the module, or start again",
            )
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


def statements(body: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """Statements with those inside of them, in order; expressions are most of a tree, and are not visited."""
    for node in body:
        yield node
        for field in ("body", "handlers", "orelse", "finalbody", "cases"):
            inner = getattr(node, field, None)
            if isinstance(inner, list):
                yield from statements(inner)


def annotation_names(tree: ast.AST, signatures: bool = False) -> set[str]:
    """Names in the annotations of a body (and of nested signatures): Python does not evaluate those, so they may be in no
    closure and in no code object."""
    annotations = []
    for node in statements([tree]):
        if isinstance(node, ast.AnnAssign):
            annotations.append(node.annotation)
        elif signatures and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = (*node.args.posonlyargs, *node.args.args, node.args.vararg, *node.args.kwonlyargs, node.args.kwarg)
            annotations += [a.annotation for a in arguments if a is not None and a.annotation is not None]
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
