"""A fragment that a loop of all its iterations overruns is as long as that loop.

Before: `for i in T.Parallel(64): sink[i] = Sinks[head]` with `sink` of 8 elements
After:  `sink` has 64 elements

Registers have no neighbours to run into, so programs of that kind work where every thread keeps what it stored. Dropping the
stores beyond the end, as in shared memory, would make zeros of them without a word. The author is told.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import ir
from .kernel_program import KernelProgram
from .parallel_nest import ParallelNest
from .units import is_parallel


def grow_fragments(program: KernelProgram) -> KernelProgram:
    """Lengthen what nests overrun, unless it has views or a layout of the author's."""
    fixed = {program.ctx.root(v) for v in program.ctx.views}
    for call in ir.collect(program.body, ir.Call):
        if ir.is_call(call, "tl.annotate_layout"):
            fixed.add(call.args[0].source)
    grown: dict[ir.Var, list[int]] = {}
    for loop in ir.collect(program.body, ir.For):
        if not is_parallel(loop):
            continue
        nest = ParallelNest.of(loop)
        for store in _unconditional_stores(nest.body, set(nest.vars)):
            buf = store.buffer
            if ir.scope_of(buf) != "local.fragment" or buf in fixed:
                continue
            for dim, index in enumerate(store.indices):
                counter = next((k for k, v in enumerate(nest.vars) if index.same_as(v)), None)
                shape = grown.get(buf, ir.static_shape(buf))
                if counter is None or nest.extents[counter] <= shape[dim]:
                    continue
                program.ctx.remark(
                    store.span or nest.span,
                    f"{buf.name} has {shape[dim]} elements along axis {dim} and T.Parallel stores {nest.extents[counter]}: it is "
                    "given as many",
                )
                grown[buf] = [*shape[:dim], nest.extents[counter], *shape[dim + 1 :]]
    if not grown:
        return program
    return replace(program, body=_Replace(grown).body(program.body))


def _unconditional_stores(stmt: Any, counters: set[ir.Var]) -> list[ir.BufferStore]:
    """Stores that happen for every value of the counters; a condition on them may be what keeps the index inside."""
    if isinstance(stmt, ir.BufferStore):
        return [stmt]
    if isinstance(stmt, ir.SeqStmt):
        return [s for each in stmt.seq for s in _unconditional_stores(each, counters)]
    if isinstance(stmt, ir.For):
        return _unconditional_stores(stmt.body, counters)
    if isinstance(stmt, ir.IfThenElse) and not ir.uses_var(stmt.condition, counters):
        branches = [stmt.then_case] if stmt.else_case is None else [stmt.then_case, stmt.else_case]
        return [s for each in branches for s in _unconditional_stores(each, counters)]
    return []


class _Replace(ir.Mutator):
    """The same program over longer fragments; regions stay as they are."""

    def __init__(self, shapes: dict[ir.Var, list[int]]) -> None:
        super().__init__()
        self.longer = {b: ir.buffer(tuple(s), ir.buffer_dtype(b), b.name, ir.scope_of(b), span=b.span) for b, s in shapes.items()}

    def visit_AllocBuffer(self, node: ir.AllocBuffer) -> Any:
        return ir.alloc(self.longer[node.buffer], node.span) if node.buffer in self.longer else node

    def visit_BufferLoad(self, node: ir.BufferLoad) -> Any:
        indices, changed = self.visit_list(node.indices)
        source = self.longer.get(node.source, node.source)
        return ir.load(source, indices, node.span) if changed or source is not node.source else node

    def visit_BufferStore(self, node: ir.BufferStore) -> Any:
        indices, _ = self.visit_list(node.indices)
        return ir.BufferStore(self.longer.get(node.buffer, node.buffer), self.visit(node.value), indices, node.span)

    def visit_BufferRegion(self, node: ir.BufferRegion) -> Any:
        new = self.descend(node)
        source = self.longer.get(node.source)
        return new if source is None else ir.buffer_region(source, list(new.region))
