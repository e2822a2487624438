"""A loop body as a list of units in program order, each with the conditions and loops around it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ... import ir
from ...tileop.base import as_tile_op
from ..effects import BARRIER, Access, expr_accesses, is_unit, ordering_call, unit_accesses

# Opaque calls that neither wait for anything nor publish anything to other blocks.
_HARMLESS = (
    "tl.print", "tl.device_assert", "tl.assume", "tl.known", "tl.use_swizzle", "tl.annotate_", "tl.sync_threads", "tl.sync_warp",
    "tl.grid_launch_dependents", "tl.ldmatrix_", "tl.stmatrix_", "tl.mma_", "tl.dp4a",
)  # fmt: skip
_OF_THE_BLOCK = ("local", "local.var", "local.fragment", "shared", "shared.dyn")
_READS_STATE = 2  # CallEffectKind: 0 annotation, 1 pure, 2 reads memory, above: changes something


@dataclass(frozen=True)
class BodyUnit:
    """One unit of a loop body.

    `position` is the index of the statement of the body that holds it, `guards` the conditions around it (scalars that the
    body binds replaced by their values), `nested` whether an inner loop surrounds it.
    """

    stmt: ir.Stmt
    position: int
    guards: tuple[Any, ...]
    nested: bool
    accesses: tuple[Access, ...]

    def reads(self, buf: ir.Var) -> bool:
        return any(a.buffer.same_as(buf) and not a.write for a in self.accesses)

    def writes(self, buf: ir.Var) -> bool:
        return any(a.buffer.same_as(buf) and a.write for a in self.accesses)


class LoopBody:
    """The units of a loop's body and what they do together."""

    def __init__(self, loop: ir.For) -> None:
        self.statements = ir.statements(loop.body)
        self.units: list[BodyUnit] = []
        self.binds: dict[ir.Var, Any] = {}
        self.inner_vars: set[ir.Var] = set()
        self.leaves = False  # break or continue of this loop
        for position, stmt in enumerate(self.statements):
            self._walk(stmt, position, (), False)
        self.written = {a.buffer for unit in self.units for a in unit.accesses if a.write}

    def inline(self, node: Any) -> Any:
        """A node with the scalars bound in the body replaced by their values."""
        return ir.substitute(node, self.binds)

    def _note(self, stmt: ir.Stmt, position: int, guards: tuple[Any, ...], nested: bool, accesses: list[Access]) -> None:
        self.units.append(BodyUnit(stmt, position, guards, nested, tuple(accesses)))

    def _walk(self, stmt: ir.Stmt, position: int, guards: tuple[Any, ...], nested: bool) -> None:
        if isinstance(stmt, ir.Bind):
            self.binds[stmt.var] = self.inline(stmt.value)
        if isinstance(stmt, (ir.Break, ir.Continue)):
            self.leaves = self.leaves or not nested
        elif isinstance(stmt, ir.Return):
            self.leaves = True
        elif is_unit(stmt):
            self._note(stmt, position, guards, nested, unit_accesses(stmt, self.binds))
        elif isinstance(stmt, ir.SeqStmt):
            for part in stmt.seq:
                self._walk(part, position, guards, nested)
        elif isinstance(stmt, ir.AttrStmt):
            self._walk(stmt.body, position, guards, nested)
        elif isinstance(stmt, ir.IfThenElse):
            self._note(stmt, position, guards, nested, expr_accesses(stmt.condition, stmt.span))
            condition = self.inline(stmt.condition)
            self._walk(stmt.then_case, position, (*guards, condition), nested)
            if stmt.else_case is not None:
                self._walk(stmt.else_case, position, (*guards, ir.Not(condition)), nested)
        elif isinstance(stmt, ir.For):
            self._note(stmt, position, guards, nested, expr_accesses(stmt.min) + expr_accesses(stmt.extent))
            self.inner_vars.add(stmt.loop_var)
            self._walk(stmt.body, position, guards, True)
        elif isinstance(stmt, ir.While):
            self._note(stmt, position, guards, nested, expr_accesses(stmt.condition, stmt.span))
            self._walk(stmt.body, position, guards, True)

    def obstacle(self) -> str | None:
        """Why no copy of this loop may run ahead of the other statements; None if nothing stands in the way."""
        if self.leaves:
            return "the body may leave the iteration early (break, continue or return)"
        for unit in self.units:
            call = ordering_call(unit.stmt)
            if call is not None and ir.call_name(call) != BARRIER:
                return "the body waits for asynchronous copies of its own"
            op = as_tile_op(unit.stmt)
            if op is not None and op.reads_late:
                return "the body leaves products under way, whose tiles are only free when its author has waited"
            if not is_unit(unit.stmt) or op is not None:
                continue
            for call in ir.collect(unit.stmt, ir.Call):
                if may_order_blocks(call):
                    return f"the body calls {ir.call_name(call) or call.op}, which may wait for other blocks"
        return None

    def is_replayable(self, expr: Any) -> bool:
        """True if an expression can be evaluated some iterations early: nothing that it reads changes inside the loop."""
        if ir.uses_var(expr, self.inner_vars) or any(load.source in self.written for load in ir.collect(expr, ir.BufferLoad)):
            return False
        return all(_effect(call) <= _READS_STATE for call in ir.collect(expr, ir.Call))


def _effect(call: ir.Call) -> int:
    kind = call.op.get_attr("TCallEffectKind") if isinstance(call.op, ir.Op) else None
    return _READS_STATE + 1 if kind is None else int(kind)


def may_order_blocks(call: ir.Call) -> bool:
    """True for calls behind which another block's writes may become visible: copies must not be moved above them."""
    name = ir.call_name(call)
    if name.startswith("tl.atomic_"):
        return name == "tl.atomic_load"
    if name == "tl.call_extern":
        return not _is_computation(call)
    return _effect(call) > _READS_STATE and not name.startswith(_HARMLESS)


def _is_computation(call: ir.Call) -> bool:
    """True if an author's function gets memory of its own block and no other: nothing there comes from another block."""
    pointers = [v for v in ir.collect(call, ir.Var) if ir.is_buffer_var(v) or ir.dtype_of(v) == "handle"]
    sources = [load.source for load in ir.collect(call, ir.BufferLoad)]
    addresses = [a for a in call.args if ir.is_call(a, "tirx.address_of")]
    return bool(addresses) and not pointers and all(ir.scope_of(b) in _OF_THE_BLOCK for b in sources)
