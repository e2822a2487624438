"""Fold what the ranges of the variables decide: guards that always hold, loops of one iteration, unused scalars."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from .. import ir
from .kernel_program import KernelProgram
from .ranged_mutator import RangedMutator

_PREDICATED = frozenset(("tl.load", "tl.store", "tl.cp_async"))  # the third argument is a predicate


class _Simplify(RangedMutator):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__(program)
        self.values: dict[ir.Var, Any] = {}

    def condition(self, expr: Any) -> Any:
        """A condition, decided where its integers allow it."""
        expr = self.visit(expr)
        return ir.simplify(expr, self.analyzer) if not ir.contains(expr, (ir.BufferLoad, ir.Call)) else expr

    def assuming(self, condition: Any) -> Any:
        """Inside this, the analyzer knows that `condition` holds."""
        pure = not ir.contains(condition, (ir.BufferLoad, ir.Call))
        return self.analyzer.constraint_scope(condition) if pure else nullcontext()

    def visit_Var(self, node: ir.Var) -> Any:
        return self.values.get(node, node)

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        condition = self.condition(node.condition)
        decided = ir.const_int(condition)
        if decided is not None:
            if decided:
                return self.visit(node.then_case)
            return None if node.else_case is None else self.visit(node.else_case)
        with self.assuming(condition):
            then = self.body(node.then_case)
        if node.else_case is None:
            other = None
        else:
            with self.assuming(ir.Not(condition)):
                other = self.body(node.else_case)
        if other is not None and ir.is_noop(other):
            other = None
        if ir.is_noop(then):
            if other is None:
                return None
            return ir.IfThenElse(ir.simplify(ir.Not(condition)), other, None, node.span)
        return ir.IfThenElse(condition, then, other, node.span)

    def visit_Call(self, node: ir.Call) -> Any:
        name = ir.call_name(node)
        if name in _PREDICATED and len(node.args) == 3:
            return self._predicated(node)
        if name != "prim.if_then_else":
            return self.descend(node)
        condition = self.condition(node.args[0])
        decided = ir.const_int(condition)
        if decided is not None:
            return self.visit(node.args[1 if decided else 2])
        with self.assuming(condition):
            yes = self.visit(node.args[1])
        with self.assuming(ir.Not(condition)):
            no = self.visit(node.args[2])
        return ir.if_then_else(condition, yes, no)

    def _predicated(self, node: ir.Call) -> Any:
        """A guarded move; a guard that always holds goes."""
        first, second = self.visit(node.args[0]), self.visit(node.args[1])
        predicate = self.condition(node.args[2])
        guard = [] if ir.const_int(predicate) == 1 else [predicate]
        return ir.Call(node.op, [first, second, *guard], attrs=node.attrs, ty_args=node.ty_args, span=node.span, ret_ty=node.ty)

    def visit_For(self, node: ir.For) -> Any:
        start, extent = (ir.simplify(self.visit(e), self.analyzer) for e in (node.min, node.extent))
        count = ir.const_int(extent)
        if count is not None and count <= 0:
            return None
        if count == 1 and not ir.contains(node.body, (ir.Break, ir.Continue)):
            self.values[node.loop_var] = start
            return self.visit(node.body)
        self.values.pop(node.loop_var, None)
        self.learn_loop(ir.For(node.loop_var, start, extent, node.kind, node.body, step=node.step))
        body = self.body(node.body)
        if ir.is_noop(body):
            return None
        return ir.For(node.loop_var, start, extent, node.kind, body, node.thread_binding, node.annotations, node.step, node.span)

    def visit_Bind(self, node: ir.Bind) -> Any:
        value = self.visit(node.value)
        if ir.dtype_of(node.var) in ("int32", "int64") and not ir.contains(value, (ir.BufferLoad, ir.Call)):
            value = ir.simplify(value, self.analyzer)
        if ir.const_number(value) is not None or isinstance(value, ir.Var):
            self.values[node.var] = value
            return None
        new = node if value.same_as(node.value) else ir.Bind(node.var, value, node.span)
        self.learn_value(new)
        return new

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        return None if ir.is_noop(node) else self.descend(node)


class _DropBinds(ir.Mutator):
    def __init__(self, used: set[ir.Var]) -> None:
        super().__init__()
        self.used = used

    def visit_Bind(self, node: ir.Bind) -> Any:
        return node if node.var in self.used or ir.contains(node.value, ir.Call) else None


def _used_vars(body: ir.Stmt) -> set[ir.Var]:
    return set(ir.collect(body, ir.Var))


def simplify(program: KernelProgram) -> KernelProgram:
    """Simplify control flow and scalars; indices are simplified where they are flattened."""
    body = _Simplify(program).body(program.body)
    while True:
        binds = [n.var for n in ir.collect(body, ir.Bind)]
        used = _used_vars(body)
        if all(v in used for v in binds):
            break
        shorter = _DropBinds(used).body(body)
        if shorter.same_as(body):
            break
        body = shorter
    return replace(program, body=body)
