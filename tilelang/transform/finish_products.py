"""T.wait_wgmma says how many groups of products may stay under way; which accumulators it completes follows from the program.

The registers of an accumulator must not be read or moved before the wait for its products (PTX ISA, "wgmma.wait_group"), and the
compiler does not know that the wait changes them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from ..errors import UnsupportedError
from ..tileop.base import as_tile_op
from ..tileop.gemm import Gemm
from ..tileop.gemm_wait import Accumulator, GemmWait
from ..tileop.register_call import RegisterCall
from .kernel_program import KernelProgram
from .units import units_of

Queue = tuple[tuple[Accumulator, ...], ...]  # groups, oldest first
_LAPS = 3  # a loop's groups reach its own waits over the back edge


def finish_products(program: KernelProgram) -> KernelProgram:
    """Waits of the author with the accumulators that they complete."""
    columns: dict[Any, int] = {}
    units = units_of(program.body)
    for unit in units:
        if isinstance(unit.op, Gemm) and unit.op.in_flight:
            with unit.within(program.ctx):
                if not unit.op.runs_on_warpgroups(program.ctx):
                    raise UnsupportedError(
                        "T.wgmma_gemm of operands that wgmma does not take",
                        fix="whole warpgroups, M a multiple of 64, B in shared memory, dtypes of wgmma, target sm_90a; or T.gemm",
                        span=ir.span_to_source(unit.stmt.span),
                    )
                columns[unit.stmt] = unit.op.columns_of_instruction(program.ctx)
    by_hand = any(isinstance(u.op, RegisterCall) and u.op.accumulator for u in units)
    if not columns and not by_hand:
        return program
    waits = _Waits(columns)
    waits.walk(program.body, ())
    return replace(program, body=_Complete(waits.completed).body(program.body))


class _Waits:
    """Follows the groups under way, oldest first; `completed` collects for each wait what it may complete."""

    def __init__(self, columns: dict[Any, int]) -> None:
        self.columns = columns
        self.completed: dict[Any, dict[ir.Var, Accumulator]] = {}
        self.open: tuple[Accumulator, ...] = ()  # of instructions that no commit has closed yet

    def walk(self, stmt: ir.Stmt, under_way: Queue) -> Queue:
        if isinstance(stmt, ir.SeqStmt):
            for part in stmt.seq:
                under_way = self.walk(part, under_way)
            return under_way
        if isinstance(stmt, ir.IfThenElse):
            taken = self.walk(stmt.then_case, under_way)
            other = under_way if stmt.else_case is None else self.walk(stmt.else_case, under_way)
            return max(taken, other, key=len)
        if isinstance(stmt, (ir.For, ir.While)):
            for _ in range(_LAPS):
                under_way = self.walk(stmt.body, under_way)
            return under_way
        if isinstance(stmt, ir.AttrStmt):
            return self.walk(stmt.body, under_way)
        op = as_tile_op(stmt)
        if isinstance(op, Gemm):
            if op.in_flight:
                return (*under_way, (Accumulator(op.C, self.columns[stmt]),))
            return ()  # it waits for all
        if isinstance(op, RegisterCall) and op.accumulator is not None:
            self.open = (*self.open, Accumulator(*op.accumulator))
            return under_way
        if isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.wgmma_commit"):
            closed, self.open = self.open, ()
            return (*under_way, closed)
        if isinstance(op, GemmWait):
            ready = under_way[: max(0, len(under_way) - op.pending)]
            found = self.completed.setdefault(stmt, {})
            for accumulator in (a for group in ready for a in group):
                found.setdefault(accumulator.region.source, accumulator)
            return under_way[len(ready) :]
        return under_way


class _Complete(ir.Mutator):
    def __init__(self, completed: dict[Any, dict[ir.Var, Accumulator]]) -> None:
        super().__init__()
        self.completed = completed

    def visit_Evaluate(self, node: ir.Evaluate) -> Any:
        if node not in self.completed:
            return node
        op = as_tile_op(node)
        assert isinstance(op, GemmWait)
        return ir.evaluate(replace(op, accumulators=tuple(self.completed[node].values())).to_call(), node.span)
