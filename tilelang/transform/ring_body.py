"""A loop over a ring of tiles as parts: gemms of warpgroups, waits for and releases of slots, and the rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.gemm import Gemm
from ..tileop.gemm_wait import Accumulator, GemmWait
from ..tileop.ring import RingRelease, RingWait
from .effects import accesses_within


def is_plain_loop(stmt: ir.For) -> bool:
    return stmt.kind in (ir.ForKind.SERIAL, ir.ForKind.UNROLLED)


@dataclass(frozen=True)
class Part:
    """A statement of a loop's body: a gemm of warpgroups, a wait for or release of a ring's slot, or anything else."""

    stmt: ir.Stmt
    op: Any
    buffers: frozenset[ir.Var]
    written: frozenset[ir.Var]

    @property
    def is_gemm(self) -> bool:
        return isinstance(self.op, Gemm)

    @property
    def is_ring(self) -> bool:
        return isinstance(self.op, (RingWait, RingRelease))

    def conflicts(self, other: Part) -> bool:
        return bool(self.written & other.buffers or self.buffers & other.written)


@dataclass(frozen=True)
class RingBody:
    """A loop over a ring, as parts."""

    loop: ir.For
    parts: tuple[Part, ...]

    @staticmethod
    def of(loop: ir.For, ctx: LoweringContext) -> RingBody | None:
        """The body of a plain loop over a ring of at least one gemm of warpgroups; None for any other loop."""
        if not is_plain_loop(loop) or loop.step is not None and ir.const_int(loop.step) != 1:
            return None
        parts = tuple(part_of(s, ctx) for s in ir.statements(loop.body))
        if not any(isinstance(p.op, RingWait) for p in parts) or not any(p.is_gemm for p in parts):
            return None
        if ir.contains(loop.body, (ir.Break, ir.Continue, ir.Return)):
            return None
        return RingBody(loop, parts)

    @property
    def gemms(self) -> list[Part]:
        return [p for p in self.parts if p.is_gemm]


def part_of(stmt: ir.Stmt, ctx: LoweringContext) -> Part:
    op = as_tile_op(stmt)
    if isinstance(op, Gemm) and not op.runs_on_warpgroups(ctx):
        op = None
    accesses = [a.of_root(ctx.views) for a in accesses_within(stmt)]
    buffers = frozenset(a.buffer for a in accesses)
    return Part(stmt, op, buffers, frozenset(a.buffer for a in accesses if a.write))


def under_way(part: Part) -> ir.Stmt:
    """The gemm without its wait."""
    return ir.evaluate(replace(part.op, in_flight=True).to_call(), part.stmt.span)


def wait_for(pending: int, finished: Iterable[Part], ctx: LoweringContext, span: Any, late: bool = False) -> ir.Stmt:
    """The wait for products; `late`: barriers may stand between them and it."""
    finished = list(finished)
    operands = [r for p in finished for r in (p.op.A, p.op.B) if late and ir.scope_of(r.source).startswith("shared")]
    seen: dict[ir.Var, Accumulator] = {}
    for part in finished:
        seen.setdefault(part.op.C.source, Accumulator(part.op.C, part.op.columns_of_instruction(ctx)))
    return ir.evaluate(GemmWait(pending, tuple(seen.values()), span, tuple(operands)).to_call(), span)


def at_iteration(stmts: Iterable[ir.Stmt], loop: ir.For, k: Any) -> list[ir.Stmt]:
    """Statements of a loop's body for one iteration, with scalars of their own."""
    body = ir.substitute(ir.seq(stmts), {loop.loop_var: ir.simplify(ir.as_expr(k))})
    names = {v: ir.var(str(v.name), ir.dtype_of(v)) for v in ir.bound_vars(body)}
    return [_Rename(names).body(body)]


class _Rename(ir.Mutator):
    def __init__(self, names: dict[ir.Var, ir.Var]) -> None:
        super().__init__()
        self.names = names

    def visit_Var(self, node: ir.Var) -> Any:
        return self.names.get(node, node)

    def visit_Bind(self, node: ir.Bind) -> Any:
        return ir.Bind(self.names.get(node.var, node.var), self.visit(node.value), node.span)

    def visit_For(self, node: ir.For) -> Any:
        new = self.descend(node)
        var = self.names.get(node.loop_var, node.loop_var)
        parts = var, new.min, new.extent, new.kind, new.body
        return ir.For(*parts, new.thread_binding, new.annotations, new.step, new.span)


def runs_at_all(loop: ir.For, ctx: LoweringContext) -> bool:
    """True if a loop certainly has an iteration."""
    outer = {v: r for v, r in ctx.ranges.items() if v is not loop.loop_var and not v.same_as(loop.loop_var)}
    return ir.can_prove(ir.as_expr(loop.extent > 0), ir.analyzer_for(outer, ctx.symbols, ctx.constraints))
