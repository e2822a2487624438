"""The one rewrite of a kernel's Python: every statement becomes calls of `hooks.Hooks`, everything else is refused.

The result is the same function with the same lines. Names that the function assigns are read through a hook, so that a
value that a device-side loop or branch replaced cannot be used as if nothing had happened.

    for i in range(n):              f = H.for_(H.range(range, n), ("i",), 3)
        if i > 2:                   x, i = f.enter(x, i)
            x = A[i]        ->      for t in f:
                                        i = H.loop_target(i, t, 3)
                                        c = H.if_(H.read(i, "i", 4) > 2, 5) ...
                                    x, i = f.leave(x, i)
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from ..errors import FrontendError
from .scopes import argument_names, bound_names, target_names
from .source import HOOKS, Source

_REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.AsyncFunctionDef: ("async functions", "a kernel is a plain def"),
    ast.AsyncFor: ("async for", "use a plain for"),
    ast.AsyncWith: ("async with", "use a plain with"),
    ast.ClassDef: ("class definitions", "define classes outside the kernel"),
    ast.Delete: ("del", "leave the name alone: values live as long as their scope"),
    ast.Global: ("global", "write results to a buffer; read globals without declaring them"),
    ast.Nonlocal: ("nonlocal", "write results to a buffer, or use a T.macro with T.Ref parameters"),
    ast.Import: ("import", "import at the top of the module"),
    ast.ImportFrom: ("import", "import at the top of the module"),
    ast.Try: ("try/except", "device code has no exceptions: test the condition with if"),
    ast.Yield: ("yield", "a kernel is no generator"),
    ast.YieldFrom: ("yield from", "a kernel is no generator"),
    ast.Await: ("await", "device code is synchronous"),
}
_REFUSED_SINCE = {  # node classes that not every supported Python has
    "Match": ("match", "use if/elif/else"),
    "TryStar": ("try/except*", "move it outside the kernel"),
    "TypeAlias": ("type statements", "move it outside the kernel"),
}
_REFUSED |= {getattr(ast, kind): reason for kind, reason in _REFUSED_SINCE.items() if hasattr(ast, kind)}

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**", ast.LShift: "<<",
    ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^", ast.MatMult: "@", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">",
    ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!=", ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def _name(identifier: str, store: bool = False) -> ast.Name:
    return ast.Name(identifier, ast.Store() if store else ast.Load())


def _constant(value: str | int | bool | None) -> ast.Constant:
    return ast.Constant(value)


def _hook(method: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(_name(HOOKS), method, ast.Load()), list(args), [])


def _method(obj: str, method: str, *args: ast.expr) -> ast.Call:
    return ast.Call(ast.Attribute(_name(obj), method, ast.Load()), list(args), [])


def _thunk(value: ast.expr) -> ast.Lambda:
    return ast.Lambda(ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[]), value)


def _names_tuple(names: Sequence[str]) -> ast.expr:
    return ast.Tuple([_constant(n) for n in names], ast.Load())


def _unpack(names: Sequence[str], value: ast.expr) -> ast.stmt:
    """`a, b = value` (value is a tuple)."""
    return ast.Assign([ast.Tuple([_name(n, True) for n in names], ast.Store())], value)


class Rewriter(ast.NodeTransformer):
    """Rewrites one function body; nested functions get a child with their own scope."""

    def __init__(self, source: Source, tracked: set[str], depth: list[int] | None = None) -> None:
        self.source, self.tracked = source, tracked
        self.shadows: list[set[str]] = []
        self.sometimes = 0  # open expressions that Python evaluates only sometimes, or later
        self.located: set[ast.AST] = set()
        self.counter = depth if depth is not None else [0]

    # -- the function -------------------------------------------------------------------------------------------------
    def function(self, node: ast.FunctionDef, kind: str) -> ast.FunctionDef:
        """The rewritten definition, without decorators, annotations and defaults. `kind`: prim_func, macro or nested."""
        parameters = argument_names(node.args)
        assigned = bound_names(node.body)
        self.tracked = (self.tracked - set(parameters)) | set(assigned)
        prologue: list[ast.stmt] = [ast.Assign([_name("__tl_entry", True)], _hook("enter"))]
        fresh = [n for n in assigned if n not in parameters]
        prologue += [ast.Assign([_name(n, True)], _hook("unbound", _constant(n))) for n in fresh]
        if kind == "nested":
            prologue += [ast.Assign([_name(p, True)], _hook("argument", _name(p), _constant(p))) for p in parameters]
        self.kind = kind
        body = self.block(node.body)
        for arg in ast.walk(node.args):
            if isinstance(arg, ast.arg):
                arg.annotation = None
        new = ast.FunctionDef(node.name, node.args, prologue + body, [], None)
        if sys.version_info >= (3, 12):
            new.type_params = []
        self._locate(prologue, node)
        return ast.copy_location(new, node)

    def _locate(self, nodes: Iterable[ast.AST], where: ast.AST) -> None:
        """Give generated nodes the place of the statement they stand for; statements inside them have theirs."""
        pending: list[Any] = list(nodes)
        while pending:
            node = pending.pop()
            if node in self.located:
                continue
            if isinstance(node, ast.stmt):
                self.located.add(node)
            fields = vars(node)  # `ast.iter_child_nodes` takes three times as long
            for value in fields.values():
                if isinstance(value, list):
                    pending += [element for element in value if isinstance(element, ast.AST)]
                elif isinstance(value, ast.AST) and value._fields:
                    pending.append(value)
            if "lineno" not in fields and "lineno" in node._attributes:
                ast.copy_location(node, where)
                if getattr(node, "end_lineno", None) != node.lineno:
                    # CPython reports a method call that spans lines at its last one: keep to the first.
                    node.end_lineno, node.end_col_offset = node.lineno, node.col_offset + 1

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        out: list[ast.stmt] = []
        for statement in statements:
            refused = _REFUSED.get(type(statement))
            if refused:
                self.refuse(statement, *refused)
            visit = getattr(self, "stmt_" + type(statement).__name__, None)
            if visit is None:
                self.refuse(
                    statement, f"{type(statement).__name__} statements", "write it with the constructs of the language reference"
                )
            new = [ast.Expr(_hook("at", _constant(self.source.mark(statement)))), *visit(statement)]
            self._locate(new, statement)
            out += new
        return out

    def refuse(self, node: ast.AST, what: str, fix: str) -> NoReturn:
        raise FrontendError(f"{what} cannot be used in a kernel", fix=fix, span=self.source.span_of(node))

    def temporary(self) -> str:
        self.counter[0] += 1
        return f"__tl_{self.counter[0]}"

    def delayed(self, node: ast.expr) -> ast.Lambda:
        """A part that Python evaluates only sometimes, or later."""
        self.sometimes += 1
        thunk = _thunk(self.visit(node))
        self.sometimes -= 1
        return thunk

    def mark(self, node: ast.AST) -> ast.Constant:
        return _constant(self.source.mark(node))

    # -- statements ---------------------------------------------------------------------------------------------------
    def stmt_Expr(self, node: ast.Expr) -> list[ast.stmt]:
        return [ast.Expr(_hook("expr", self.visit(node.value), self.mark(node.value)))]

    def stmt_Pass(self, node: ast.Pass) -> list[ast.stmt]:
        return [node]

    def stmt_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        hints = target_names(node.targets[0])
        out: list[ast.stmt] = [ast.Expr(_hook("hint", _names_tuple(hints)))]
        value = node.value
        if len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            return out + self.assign(node.targets[0], self.visit(value), _fresh(value), node)
        temporary = self.temporary()
        out.append(ast.Assign([_name(temporary, True)], _hook("value", self.visit(value), self.mark(value))))
        for target in node.targets:
            out += self.assign(target, _name(temporary), _fresh(value), node, value)
        return out

    def assign(
        self, target: ast.expr, value: ast.expr, fresh: bool, node: ast.AST, written: ast.expr | None = None
    ) -> list[ast.stmt]:
        """Statements that assign an already rewritten value to a target."""
        if isinstance(target, ast.Name):
            call = _hook("assign", _constant(target.id), _name(target.id), value, _constant(fresh), self.mark(target))
            return [ast.Assign([_name(target.id, True)], call)]
        if isinstance(target, ast.Subscript):
            return [ast.Expr(_hook("setitem", self.visit(target.value), self.index(target.slice), value, self.mark(target)))]
        if isinstance(target, (ast.Tuple, ast.List)):
            star = next((k for k, e in enumerate(target.elts) if isinstance(e, ast.Starred)), -1)
            temporary = self.temporary()
            call = _hook("unpack", value, _constant(len(target.elts)), _constant(star), self.mark(target))
            out: list[ast.stmt] = [ast.Assign([_name(temporary, True)], call)]
            for k, element in enumerate(target.elts):
                inner = element.value if isinstance(element, ast.Starred) else element
                part = (
                    written.elts[k] if isinstance(written, (ast.Tuple, ast.List)) and k < len(written.elts) and star < 0 else None
                )
                item = ast.Subscript(_name(temporary), _constant(k), ast.Load())
                out += self.assign(inner, item, fresh if part is None else _fresh(part), node, part)
            return out
        if isinstance(target, ast.Attribute):
            return [ast.Expr(_hook("setattribute", self.visit(target.value), _constant(target.attr), value, self.mark(target)))]
        self.refuse(target, "assignment to such a target", "assign to a name or an element")

    def stmt_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        op, target = _constant(_OPERATORS[type(node.op)]), node.target
        if isinstance(target, ast.Name):
            read = self.visit(ast.copy_location(_name(target.id), target))
            call = _hook("aug", _constant(target.id), read, op, self.visit(node.value), self.mark(node))
            return [ast.Assign([_name(target.id, True)], call)]
        if isinstance(target, ast.Subscript):
            args = (self.visit(target.value), self.index(target.slice), op, self.delayed(node.value), self.mark(node))
            return [ast.Expr(_hook("augitem", *args))]
        if isinstance(target, ast.Attribute):
            args = (self.visit(target.value), _constant(target.attr), op, self.visit(node.value), self.mark(node))
            return [ast.Expr(_hook("augattribute", *args))]
        self.refuse(target, "assignment to such a target", "assign to a name or an element")

    def stmt_AnnAssign(self, node: ast.AnnAssign) -> list[ast.stmt]:
        if not isinstance(node.target, ast.Name):
            self.refuse(node.target, "an annotation of anything but a name", "annotate a name")
        annotation = node.annotation
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.copy_location(ast.parse(annotation.value, mode="eval").body, annotation)
            for child in ast.walk(annotation):
                if hasattr(child, "lineno"):
                    ast.copy_location(child, node.annotation)
        name = node.target.id
        thunk = _thunk(self.visit(annotation))
        if node.value is None:
            call = _hook("declare", _constant(name), _name(name), thunk, self.mark(node))
            return [ast.Assign([_name(name, True)], call)]
        typed = _hook("typed", self.visit(node.value), thunk, self.mark(node))
        return [ast.Expr(_hook("hint", _names_tuple([name]))), *self.assign(node.target, typed, _fresh(node.value), node)]

    def stmt_Return(self, node: ast.Return) -> list[ast.stmt]:
        value = _constant(None) if node.value is None else self.visit(node.value)
        return [ast.Return(_hook("ret", value, _name("__tl_entry"), _constant(self.kind), self.mark(node)))]

    def stmt_Raise(self, node: ast.Raise) -> list[ast.stmt]:
        check = ast.Expr(_hook("raise_", _name("__tl_entry"), self.mark(node)))
        return [check, ast.Raise(node.exc and self.visit(node.exc), node.cause and self.visit(node.cause))]

    def stmt_Assert(self, node: ast.Assert) -> list[ast.stmt]:
        test = self.visit(node.test)
        message = _thunk(_constant(None)) if node.msg is None else self.delayed(node.msg)
        return [ast.Expr(_hook("assert_", test, message, self.mark(node)))]

    def stmt_If(self, node: ast.If) -> list[ast.stmt]:
        branch, names = self.temporary(), bound_names([*node.body, *node.orelse])
        values = [_name(n) for n in names]
        out: list[ast.stmt] = [
            ast.Assign([_name(branch, True)], _hook("if_", self.visit(node.test), _names_tuple(names), self.mark(node.test)))
        ]
        body = self.block(node.body)
        body.append(ast.Expr(_method(branch, "end_then", *values)))
        out.append(ast.If(_method(branch, "then", *values), body, []))
        if node.orelse:
            if names:
                out.append(_unpack(names, _method(branch, "restore", *values)))
            out.append(ast.If(_method(branch, "otherwise"), self.block(node.orelse), []))
        close = _method(branch, "close", *values)
        out.append(_unpack(names, close) if names else ast.Expr(close))
        return out

    def stmt_For(self, node: ast.For) -> list[ast.stmt]:
        if node.orelse:
            self.refuse(node.orelse[0], "else of a loop", "set a T.alloc_var before break and test it after the loop")
        loop, item = self.temporary(), self.temporary()
        names = bound_names([node.target, *node.body])
        values = [_name(n) for n in names]
        iterable = node.iter
        if (
            isinstance(iterable, ast.Call)
            and isinstance(iterable.func, ast.Name)
            and iterable.func.id == "range"
            and not iterable.keywords
        ):
            value: ast.expr = _hook("range", self.visit(iterable.func), *[self.visit(a) for a in iterable.args])
        else:
            value = self.visit(iterable)
        hints = _names_tuple(target_names(node.target))
        out: list[ast.stmt] = [
            ast.Assign([_name(loop, True)], _hook("for_", value, hints, _names_tuple(names), self.mark(node.iter))),
            _unpack(names, _method(loop, "enter", *values)),
        ]
        if isinstance(node.target, ast.Name):
            target = _name(node.target.id)
            first: list[ast.stmt] = [
                ast.Assign([_name(node.target.id, True)], _hook("loop_target", target, _name(item), self.mark(node.target)))
            ]
        else:
            first = self.assign(node.target, _name(item), False, node)
        out.append(ast.For(_name(item, True), _name(loop), first + self.block(node.body), []))
        out.append(_unpack(names, _method(loop, "leave", *values)))
        return out

    def stmt_While(self, node: ast.While) -> list[ast.stmt]:
        if node.orelse:
            self.refuse(node.orelse[0], "else of a loop", "set a T.alloc_var before break and test it after the loop")
        loop, names = self.temporary(), bound_names([node.test, *node.body])
        values = [_name(n) for n in names]
        out: list[ast.stmt] = [ast.Assign([_name(loop, True)], _hook("while_", _names_tuple(names), self.mark(node.test)))]
        if names:
            out.append(_unpack(names, _method(loop, "enter", *values)))
        if any(isinstance(n, ast.NamedExpr) for n in ast.walk(node.test)):  # the condition is a statement of each iteration
            head: list[ast.stmt] = [ast.Expr(_method(loop, "proceed", self.visit(node.test)))]
            iterations, body = _method(loop, "iterations"), head + self.block(node.body)
        else:
            iterations, body = _method(loop, "test", _thunk(self.visit(node.test))), self.block(node.body)
        out.append(ast.For(_name(self.temporary(), True), iterations, body, []))
        leave = _method(loop, "leave", *values)
        out.append(_unpack(names, leave) if names else ast.Expr(leave))
        return out

    def stmt_Break(self, node: ast.Break) -> list[ast.stmt]:
        return [ast.If(_hook("break_", self.mark(node)), [ast.Break()], [])]

    def stmt_Continue(self, node: ast.Continue) -> list[ast.stmt]:
        return [ast.If(_hook("continue_", self.mark(node)), [ast.Continue()], [])]

    def stmt_With(self, node: ast.With) -> list[ast.stmt]:
        item, rest = node.items[0], node.items[1:]
        hints = [] if item.optional_vars is None else target_names(item.optional_vars)
        entered = self.temporary()
        body: list[ast.stmt] = []
        if item.optional_vars is not None:
            body = self.assign(item.optional_vars, _name(entered), False, node)
        if rest:
            body += self.stmt_With(ast.copy_location(ast.With(rest, node.body), node))
        else:
            body += self.block(node.body)
        several = _constant(isinstance(item.optional_vars, (ast.Tuple, ast.List)))
        context = _hook("with_", self.visit(item.context_expr), _names_tuple(hints), several, self.mark(item.context_expr))
        return [ast.With([ast.withitem(context, _name(entered, True))], body)]

    def stmt_FunctionDef(self, node: ast.FunctionDef) -> list[ast.stmt]:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [d and self.visit(d) for d in node.args.kw_defaults]
        if node.decorator_list:  # the decorator (T.macro, T.prim_func) rewrites its function itself, from the text
            node.decorator_list = [self.visit(d) for d in node.decorator_list]
            return [node]
        inner = Rewriter(self.source, set(self.tracked), self.counter)
        return [inner.function(node, "nested")]

    # -- expressions --------------------------------------------------------------------------------------------------
    def visit(self, node: ast.AST) -> Any:
        refused = _REFUSED.get(type(node))
        if refused:
            self.refuse(node, *refused)
        return super().visit(node)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if not isinstance(node.ctx, ast.Load) or node.id not in self.tracked or any(node.id in s for s in self.shadows):
            return node
        return self._at(_hook("read", node, _constant(node.id), self.mark(node)), node)

    def _at(self, new: ast.expr, node: ast.AST) -> ast.expr:
        self._locate([new], node)
        return new

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        first, rest = self.visit(node.values[0]), [self.delayed(v) for v in node.values[1:]]
        op = "and" if isinstance(node.op, ast.And) else "or"
        return self._at(_hook("boolop", _constant(op), self.mark(node), first, *rest), node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        operand = self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return self._at(_hook("not_", operand, self.mark(node)), node)
        return ast.copy_location(ast.UnaryOp(node.op, operand), node)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        if len(node.ops) == 1:
            self.generic_visit(node)
            return node
        first, rest = self.visit(node.left), [self.delayed(v) for v in node.comparators]
        ops = _names_tuple([_OPERATORS[type(op)] for op in node.ops])
        return self._at(_hook("chain", ops, self.mark(node), first, *rest), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        args = (self.visit(node.test), self.delayed(node.body), self.delayed(node.orelse), self.mark(node))
        return self._at(_hook("ifexp", *args), node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        function = node.func.args[0] if isinstance(node.func, ast.Call) and len(node.func.args) == 3 else node.func
        if isinstance(function, ast.Name) and function.id in ("min", "max") and len(node.args) > 1 and not node.keywords:
            return self._at(_hook("extreme", node.func, *node.args), node)
        return node

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        if self.shadows:
            self.refuse(node, "the := expression in a lambda or comprehension", "assign in a statement of its own")
        if self.sometimes:
            self.refuse(node, "the := expression where Python evaluates it only sometimes", "assign in a statement of its own")
        name, fresh = node.target.id, _fresh(node.value)
        call = _hook("named", _constant(name), _name(name), self.visit(node.value), _constant(fresh), self.mark(node))
        return self._at(ast.NamedExpr(_name(name, True), call), node)

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        node.args.defaults = [self.visit(d) for d in node.args.defaults]
        node.args.kw_defaults = [d and self.visit(d) for d in node.args.kw_defaults]
        self.shadows.append(set(argument_names(node.args)))
        node.body = self.visit(node.body)
        self.shadows.pop()
        return node

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.expr:
        targets = {n for g in node.generators for n in target_names(g.target)}
        self.shadows.append(targets)
        self.generic_visit(node)
        self.shadows.pop()
        for generator in node.generators:
            if generator.is_async:
                self.refuse(node, "async comprehensions", "use a plain comprehension")
        return node

    visit_ListComp = visit_SetComp = visit_DictComp = visit_GeneratorExp = _comprehension

    def index(self, node: ast.expr) -> ast.expr:
        """A subscript as an expression: slices become slice objects."""
        if isinstance(node, ast.Slice):
            parts = [_constant(None) if p is None else self.visit(p) for p in (node.lower, node.upper, node.step)]
            return self._at(_hook("slice", *parts), node)
        if isinstance(node, ast.Tuple):
            return ast.copy_location(ast.Tuple([self.index(e) for e in node.elts], ast.Load()), node)
        return self.visit(node)


def _fresh(value: ast.expr) -> bool:
    """True if the expression can make a new T.alloc_var (a call), rather than name an old one."""
    return not isinstance(value, (ast.Name, ast.Attribute, ast.Subscript))
