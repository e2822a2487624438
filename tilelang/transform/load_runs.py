"""Elements that one thread reads one by one, but that lie side by side: loaded at once, before the loops that pick them.

Before: for s in 4: for h in 2: w[4 s + 2 h] = f(codes[16 lane + 4 s + 2 h]) ...
After:  codes_run[0:16] = codes[16 lane : 16 lane + 16]; for s in 4: for h in 2: w[4 s + 2 h] = f(codes_run[4 s + 2 h]) ...

So it is with operands that were brought into the order of a fragment's registers beforehand.
"""

from __future__ import annotations

from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, dtype_bits
from .effects import accesses_within
from .loop_nest import LoopNest
from .vector_width import MAX_VECTOR_BYTES, is_aligned
from .vectorize import inline_scalars

MAX_RUN_BYTES = 64  # registers that hold a run


def load_runs(body: ir.Stmt, loops: LoopNest, ctx: LoweringContext) -> tuple[list[ir.Stmt], ir.Stmt]:
    """(wide loads to stand before the loops, the body that uses them). `loops.ranges` are the loops around the body."""
    if loops.padding_conditions():
        return [], body
    if isinstance(body, ir.SeqStmt):
        body = inline_scalars(body)
    analyzer = ctx.analyzer(loops.ranges)
    written = {ctx.root(a.buffer) for a in accesses_within(body) if a.write}
    runs: list[tuple[Any, Any]] = []
    before: list[ir.Stmt] = []
    for load in _unconditional(body):
        if ir.scope_of(load.source) not in ("shared.dyn", "shared") or ctx.root(load.source) in written:
            continue
        if any(ir.structural_equal(load, known) for known, _ in runs):
            continue
        found = _run(load, loops, analyzer, ctx)
        if found is not None:
            size, first, offset = found
            array = ir.buffer((size,), ir.buffer_dtype(load.source), f"{load.source.name}_run", "local")
            before += [ir.alloc(array), *_loads(array, load, first, size)]
            runs.append((load, ir.load(array, [offset], load.span)))
    return before, _Replace(runs).body(body) if runs else body


def _unconditional(body: ir.Stmt) -> list[Any]:
    """The loads that happen in every iteration."""
    found: list[Any] = []

    class Loads(ir.Visitor):
        def visit_BufferLoad(self, node: Any) -> None:
            found.append(node)
            self.descend(node)

        def visit_IfThenElse(self, node: Any) -> None:
            self.visit(node.condition)

        def visit_Call(self, node: Any) -> None:
            if ir.is_call(node, "prim.if_then_else"):
                self.visit(node.args[0])
            elif not ir.is_call(node, "tirx.address_of"):
                self.descend(node)

    if not ir.contains(body, (ir.For, ir.While, ir.Bind)):
        Loads().visit(body)
    return found


def _run(load: Any, loops: LoopNest, analyzer: ir.Analyzer, ctx: LoweringContext) -> tuple[int, list[Any], Any] | None:
    """(elements, the first one's indices, the offset of an iteration's); None if they are no aligned run of some length."""
    ranges = loops.ranges
    *outer, index = (ir.simplify(i, analyzer) for i in load.indices)
    if any(ir.uses_var(i, set(ranges)) for i in outer):
        return None
    variables = [v for v in ranges if ir.uses_var(index, {v})]
    zero = {v: 0 for v in ranges}
    start = ir.simplify(ir.substitute(index, zero), analyzer)
    steps: list[tuple[int, int]] = []
    offset: Any = 0
    for var in variables:
        step = ir.const_int(ir.simplify(ir.substitute(index, {**zero, var: 1}) - start, analyzer))
        if step is None or step < 0:
            return None
        if step:  # a digit of which several iterations share an element has none
            steps.append((step, ranges[var][1]))
            offset = var * step + offset
    shared_by = loops.vector_var
    if shared_by is not None and shared_by not in variables and ir.uses_var(load.indices[-1], {shared_by}):
        offset = offset + shared_by // loops.vector  # packed codes: the vectorizer looks for the division
    size = 1
    for step, extent in sorted(steps):
        if step != size:
            return None
        size *= extent
    vector = loops.vector if loops.vector_var is not None and ir.uses_var(index, {loops.vector_var}) else 1
    bits = dtype_bits(ir.buffer_dtype(load.source))
    if size * bits > 8 * MAX_RUN_BYTES or size < 2 * vector or vector * bits >= 8 * MAX_VECTOR_BYTES or size & (size - 1):
        return None
    if not ir.can_prove(index == start + offset, analyzer):
        return None
    width = min(size, 8 * MAX_VECTOR_BYTES // bits)
    first = [*outer, start]
    return (size, first, offset) if is_aligned(load.source, first, width, size, analyzer, ctx) else None


def _loads(array: ir.Var, load: Any, first: list[Any], size: int) -> list[ir.Stmt]:
    bits = dtype_bits(ir.buffer_dtype(array))
    width = min(size, 8 * MAX_VECTOR_BYTES // bits)
    out = []
    for at in range(0, size, width):
        memory = ir.address_of(ir.load(load.source, [*first[:-1], ir.simplify(first[-1] + at)]))
        args = [ir.address_of(ir.load(array, [ir.const(at)])), memory]
        out.append(ir.evaluate(ir.call("tl.load", args, attrs={"template": [str(width * bits // 8)]}, span=load.span), load.span))
    return out


class _Replace(ir.Mutator):
    def __init__(self, runs: list[tuple[Any, Any]]) -> None:
        super().__init__()
        self.runs = runs

    def visit_BufferLoad(self, node: Any) -> Any:
        return next((element for load, element in self.runs if ir.structural_equal(load, node)), node)
