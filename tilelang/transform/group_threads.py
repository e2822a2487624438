"""Find the statements that groups of threads run: `if tx < 128`, `with T.ws(1)`, `if T.get_warp_idx() == 2`.

A branch whose condition picks neighbouring whole warps, and that holds tile operators or barriers, becomes a statement of that
group (`ThreadGroup`). A fragment that a group uses belongs to the group: what the whole block does with it (`T.clear(acc)` before
the branches) is done by each such group.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import ir
from ..errors import SemanticError
from ..tileop.base import as_tile_op
from ..tileop.tcgen05 import ProductByHand, ProductsArrive, ScaleCopy, TensorGemm
from ..tileop.tma import ExplicitTensorCopy, RowsCopy
from .effects import is_collective, is_unit, ordering_call, unit_accesses
from .kernel_program import KernelProgram
from .manual_barriers import has_manual_barriers
from .merge_groups import MergeGroups
from .thread_group import ThreadGroup, group_of
from .uniformity import Uniformity

WARP = 32
# Operators that a single thread may run.
_FOR_ONE_THREAD = (ExplicitTensorCopy, RowsCopy, TensorGemm, ProductByHand, ProductsArrive, ScaleCopy)
_OPERATIONS: dict[type, Any] = {
    ir.Add: np.add,
    ir.Sub: np.subtract,
    ir.Mul: np.multiply,
    ir.FloorDiv: np.floor_divide,
    ir.FloorMod: np.mod,
    ir.Min: np.minimum,
    ir.Max: np.maximum,
    ir.EQ: np.equal,
    ir.NE: np.not_equal,
    ir.LT: np.less,
    ir.LE: np.less_equal,
    ir.GT: np.greater,
    ir.GE: np.greater_equal,
    ir.And: np.logical_and,
    ir.Or: np.logical_or,
}


def group_threads(program: KernelProgram) -> KernelProgram:
    """The launch with its groups marked."""
    finder = _Find(program)
    body = finder.walk(program.body, np.ones(program.ctx.num_threads, bool))
    scheduled = any(map(group_of, ir.collect(program.body, ir.IfThenElse)))  # a schedule's roles are groups already
    if not finder.groups and not scheduled:
        return replace(program, body=body) if finder.marked else program
    body = _Distribute(body, program).body(body)
    return replace(program, body=MergeGroups(program.ctx.views).body(body) if scheduled else body)


class _Find:
    def __init__(self, program: KernelProgram) -> None:
        self.program, self.groups, self.marked = program, 0, False
        self.alone = False  # in a branch that threads take separately
        self.uniform = Uniformity(program.body, {program.ctx.tid, *program.thread_vars})
        self.manual = has_manual_barriers(program.body)
        threads, (x, y, _) = np.arange(program.ctx.num_threads), program.block
        axes = threads % x, threads // x % y, threads // (x * y)
        self.values: dict[ir.Var, Any] = {**dict(zip(program.thread_vars, axes)), program.ctx.tid: threads}

    def walk(self, stmt: ir.Stmt, active: Any) -> ir.Stmt:
        """The statement, run by the threads `active`, with groups in it marked."""
        if isinstance(stmt, ir.Evaluate) and self.alone and isinstance(op := as_tile_op(stmt), _FOR_ONE_THREAD):
            self.marked = True
            return ir.evaluate(replace(op, alone=True).to_call(), stmt.span)
        if isinstance(stmt, ir.SeqStmt):
            return ir.seq([self.walk(s, active) for s in stmt.seq])
        if isinstance(stmt, ir.Bind):
            value = self.evaluate(stmt.value)
            if value is not None:
                self.values[stmt.var] = value
            return stmt
        if isinstance(stmt, ir.IfThenElse):
            return self.branch(stmt, active)
        if isinstance(stmt, ir.AttrStmt):
            return ir.AttrStmt(stmt.node, stmt.attr_key, stmt.value, self.walk(stmt.body, active), stmt.span)
        if isinstance(stmt, ir.While):
            return ir.While(stmt.condition, self.walk(stmt.body, active), stmt.span)
        if isinstance(stmt, ir.For) and not is_unit(stmt):
            parts = stmt.loop_var, stmt.min, stmt.extent, stmt.kind, self.walk(stmt.body, active)
            return ir.For(*parts, stmt.thread_binding, stmt.annotations, stmt.step, stmt.span)
        return stmt

    def branch(self, stmt: ir.IfThenElse, active: Any) -> ir.Stmt:
        conditions = _conjuncts(stmt.condition)
        known = [(c, self.evaluate(c)) for c in conditions]
        picked = [v for _, v in known if v is not None and not np.isscalar(v) and np.ndim(v)]
        rest = [c for c, v in known if v is None or not np.ndim(v)]
        chosen = np.logical_and.reduce([active, *picked]) if picked else active
        then, other = _range(chosen), _range(active & ~chosen)
        worth = self.manual or _needs_group(stmt.then_case) or (stmt.else_case is not None and _needs_group(stmt.else_case))
        possible = then is not None and (stmt.else_case is None or (other is not None and not rest))
        if self.alone or not picked or not worth or not possible or chosen.all():
            outer, self.alone = self.alone, self.alone or not (chosen.all() or self.uniform.is_uniform(stmt.condition))
            first = self.walk(stmt.then_case, chosen)
            second = None if stmt.else_case is None else self.walk(stmt.else_case, active & ~chosen if not rest else active)
            self.alone = outer
            return ir.IfThenElse(stmt.condition, first, second, stmt.span)
        self.groups += 1
        body = self.walk(stmt.then_case, chosen)
        for condition in reversed(rest):
            body = ir.IfThenElse(condition, body, None, stmt.span)
        assert then is not None
        out = [then.statement(body, stmt.span)]
        if stmt.else_case is not None and other is not None:
            out.append(other.statement(self.walk(stmt.else_case, active & ~chosen), stmt.span))
        return ir.seq(out)

    def evaluate(self, expr: Any) -> Any:
        """The values of an expression in all threads of the block; None if it depends on more than the thread."""
        if isinstance(expr, ir.IntImm):
            return int(expr.value)
        if isinstance(expr, ir.Var):
            return self.values.get(expr)
        if isinstance(expr, ir.Cast):
            return self.evaluate(expr.value) if ir.dtype_of(expr).startswith(("int", "uint")) else None
        if isinstance(expr, ir.Not):
            value = self.evaluate(expr.a)
            return None if value is None else np.logical_not(value)
        operation = _OPERATIONS.get(type(expr))
        if operation is None:
            return None
        a, b = self.evaluate(expr.a), self.evaluate(expr.b)
        if a is None or b is None or (operation in (np.floor_divide, np.mod) and np.any(b == 0)):
            return None
        return operation(a, b)


def _conjuncts(condition: Any) -> list[Any]:
    if isinstance(condition, ir.And):
        return _conjuncts(condition.a) + _conjuncts(condition.b)
    return [condition]


def _range(chosen: Any) -> ThreadGroup | None:
    """The group of the chosen threads; None if they are not neighbouring whole warps."""
    places = np.flatnonzero(chosen)
    if not len(places):
        return None
    first, count = int(places[0]), len(places)
    if first % WARP or count % WARP or int(places[-1]) != first + count - 1:
        return None
    return ThreadGroup(first, count)


def _needs_group(stmt: ir.Stmt) -> bool:
    """True if a statement holds work that is spread over threads, or a barrier of all of them."""
    found = ir.collect(stmt, (ir.Evaluate, ir.For))
    return any(is_collective(s) or ordering_call(s) is not None for s in found)


class _Distribute(ir.Mutator):
    """Gives work of the whole block on a group's fragments to the group."""

    def __init__(self, body: ir.Stmt, program: KernelProgram) -> None:
        super().__init__()
        self.ctx = program.ctx
        self.homes: dict[ir.Var, list[ThreadGroup]] = {}
        self._collect(body, None)

    def _fragments(self, stmt: ir.Stmt) -> list[ir.Var]:
        found = {self.ctx.root(a.buffer) for a in unit_accesses(stmt) if ir.scope_of(a.buffer) == "local.fragment"}
        return sorted(found, key=lambda b: str(b.name))

    def _collect(self, stmt: ir.Stmt, group: ThreadGroup | None) -> None:
        inner = group_of(stmt) or group
        if is_unit(stmt):
            if group is None:
                return
            for buf in self._fragments(stmt):
                homes = self.homes.setdefault(buf, [])
                if group not in homes:
                    homes.append(group)
                self._check(buf, homes, stmt)
        elif isinstance(stmt, ir.SeqStmt):
            for part in stmt.seq:
                self._collect(part, group)
        elif isinstance(stmt, ir.IfThenElse):
            self._collect(stmt.then_case, inner)
            if stmt.else_case is not None:
                self._collect(stmt.else_case, group)
        else:
            self._collect(stmt.body, group)

    def _check(self, buf: ir.Var, homes: list[ThreadGroup], stmt: ir.Stmt) -> None:
        if len({g.count for g in homes}) > 1:
            sizes = " and ".join(f"threads {g.first} to {g.end - 1}" for g in homes)
            raise SemanticError(
                f"the fragment {buf.name} is used by {sizes}: groups of different sizes lay it out differently",
                fix="allocate one fragment for each group, and exchange values through shared memory",
                span=ir.span_to_source(stmt.span),
            )

    def visit_IfThenElse(self, node: ir.IfThenElse) -> Any:
        return node if group_of(node) is not None else self.descend(node)

    def visit_For(self, node: ir.For) -> Any:
        return self._unit(node) if is_unit(node) else self.descend(node)

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        return self._unit(node) if as_tile_op(node) is not None else node

    def _unit(self, node: ir.Stmt) -> ir.Stmt:
        groups = [g for buf in self._fragments(node) for g in self.homes.get(buf, ())]
        owners = sorted(dict.fromkeys(groups), key=lambda g: g.first)
        if not owners:
            return node
        local = all(ir.scope_of(a.buffer).startswith("local") for a in unit_accesses(node) if a.write)
        if len(owners) > 1 and not local:
            raise SemanticError(
                "all threads of the block write a fragment to memory of which several groups hold one each",
                fix="write it inside the branch of the group that is meant",
                span=ir.span_to_source(node.span),
            )
        return ir.seq([g.statement(node, node.span) for g in owners])
