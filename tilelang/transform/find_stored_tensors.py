"""Which tensors TMA may store: those that one statement of the launch writes and none reads, with no word to other blocks.

A store by TMA is complete only when the kernel ends: nobody may look for it earlier, and no other store may race with it. Where
the statement stands in no loop, a block stores no place twice, and its stores need not wait for each other.
"""

from __future__ import annotations

from dataclasses import replace

from .. import ir
from .effects import is_unit, unit_accesses
from .heaviest_first import communicates
from .kernel_program import KernelProgram


def find_stored_tensors(program: KernelProgram) -> KernelProgram:
    """Fill `ctx.stored_once` and `ctx.stored_apart`."""
    body = program.body
    # Before a block ends, its shared memory must have been read: that wait stands at the end of the kernel.
    if not program.ctx.target.limits.has_tma or ir.contains(body, ir.Return):
        return program
    if program.may_alias or not program.config("tirx.noalias", True):
        return program
    if any(communicates(call) for call in ir.collect(body, ir.Call)):
        return program
    writers: dict[ir.Var, int] = {}
    read: set[ir.Var] = set()
    repeated: set[ir.Var] = set()

    def visit(stmt: ir.Stmt, in_loop: bool) -> None:
        if is_unit(stmt):
            accesses = unit_accesses(stmt)
            for buf in {a.buffer for a in accesses if a.write}:
                writers[buf] = writers.get(buf, 0) + 1
                if in_loop:
                    repeated.add(buf)
            read.update(a.buffer for a in accesses if not a.write)
        else:
            for part in _parts(stmt):
                visit(part, in_loop or isinstance(stmt, (ir.For, ir.While)))

    visit(program.body, False)
    stored = frozenset(b for b, count in writers.items() if count == 1 and b not in read and ir.scope_of(b) == "global")
    return replace(program, ctx=replace(program.ctx, stored_once=stored, stored_apart=stored - repeated))


def _parts(stmt: ir.Stmt) -> list[ir.Stmt]:
    if isinstance(stmt, ir.SeqStmt):
        return list(stmt.seq)
    if isinstance(stmt, ir.IfThenElse):
        condition = ir.evaluate(stmt.condition)
        return [condition, stmt.then_case, *([] if stmt.else_case is None else [stmt.else_case])]
    if isinstance(stmt, ir.While):
        return [ir.evaluate(stmt.condition), stmt.body]
    return [stmt.body]
