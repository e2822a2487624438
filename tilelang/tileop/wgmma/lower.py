"""Emission of a gemm on wgmma: one group of asynchronous products, waited for at its end or left under way."""

from __future__ import annotations

from typing import Any

from ... import ir
from ...target.wgmma import GROUP_THREADS, ROWS
from ..base import LoweringContext
from ..digits import add, loop, scale
from ..mma.lower import RegisterTiles
from ..mma.metadata import Metadata
from .descriptor import DescribedMatrix
from .plan import WgmmaPlan


def lower_wgmma(
    plan: WgmmaPlan,
    a: DescribedMatrix | RegisterTiles,
    b: DescribedMatrix,
    c: RegisterTiles,
    clear: Any,
    ctx: LoweringContext,
    in_flight: bool = False,
    span: Any = None,
    metadata: Metadata | None = None,
) -> ir.Stmt:
    """`c += a * b`, or `c = a * b` where `clear` holds: then the first step along k ignores what c held.

    `in_flight`: the products are left under way. `metadata`: of a 2:4 sparse a.
    """
    group = ctx.tid // GROUP_THREADS
    row = group // plan.columns if plan.columns > 1 else group
    row = row if plan.rows > 1 else 0
    column = (group % plan.columns if plan.rows > 1 else group) if plan.columns > 1 else 0
    cleared = ir.const_int(clear)
    codes = ir.buffer((plan.row_tiles * plan.steps,), "uint32", "metadata", "local")

    def code(i: Any, s: Any) -> Any:
        return ir.load(codes, [add(scale(i, plan.steps), s)])

    many, strides = (1, []) if metadata is not None else _steps_of_statement(plan, a, b, bool(cleared), ctx)

    def product(i: Any, j: Any, statement: Any) -> ir.Stmt:
        s = scale(statement, many)
        m = scale(add(scale(i, plan.rows), row), ROWS)
        n = scale(add(scale(column, plan.column_tiles), j), plan.n_tile)
        accumulator = ir.address_of(ir.load(c.buffer, [add(c.base, add(scale(i, c.tile), scale(j, c.step)))]))
        if isinstance(a, DescribedMatrix):
            kind, left, major = "ss", a.at(m, scale(s, plan.instruction.a_k), span), [a.k_major, b.k_major]
        else:
            kind, left, major = "rs", a.at(i, s), [b.k_major]
        first = ir.as_expr(s == 0) if not isinstance(s, int) else ir.const(s == 0, "bool")
        keep: Any = ir.const(True, "bool")
        if cleared is None:
            keep = ir.Not(ir.And(first, ir.as_expr(clear)))
        elif cleared:
            keep = ir.Not(first)
        types = [ir.buffer_dtype(x.matrix.buffer if isinstance(x, DescribedMatrix) else x.buffer) for x in (a, b)]
        transposed = ["false" if k_major else "true" for k_major in major]
        template = [f"dtype:{types[0]}", f"dtype:{types[1]}", str(plan.n_tile), *transposed]
        right = b.at(scale(s, plan.instruction.k), n, span)
        name, args = f"tl.wgmma_{kind}", [accumulator, left, right, keep]
        if metadata is not None:
            name, args = f"tl.wgmma_sp_{kind}", [accumulator, left, right, code(i, s), keep]
        if many > 1:
            name, template = f"{name}_steps", [*template, str(many), *map(str, strides)]
        return ir.evaluate(ir.call(name, args, attrs={"template": template}, span=span), span)

    def step(s: Any) -> ir.Stmt:
        return loop("mi", plan.row_tiles, lambda i: loop("ni", plan.column_tiles, lambda j: product(i, j, s), span), span)

    def pin(i: Any, j: Any) -> ir.Stmt:
        accumulator = ir.address_of(ir.load(c.buffer, [add(c.base, add(scale(i, c.tile), scale(j, c.step)))]))
        return ir.evaluate(ir.call("tl.wgmma_pin", [accumulator], attrs={"template": [str(plan.n_tile)]}, span=span), span)

    def read_code(i: Any, s: Any) -> ir.Stmt:
        assert metadata is not None, "read only where there is some"
        lane, warp = ctx.tid % 32, ctx.tid % GROUP_THREADS // 32
        m = add(scale(add(scale(i, plan.rows), row), ROWS), scale(warp, 16))
        value = metadata.register(m, s, lane)
        return ir.BufferStore(codes, value, [ir.as_expr(add(scale(i, plan.steps), s))], span)

    before: list[Any] = []
    if metadata is not None:
        reads = loop("mi", plan.row_tiles, lambda i: loop("ki", plan.steps, lambda s: read_code(i, s), span), span)
        # The instructions read metadata registers as late as A's: those of products still under way must not change.
        wait = ir.evaluate(ir.call("tl.wgmma_wait", attrs={"template": ["0"]}, span=span), span) if in_flight else None
        before = [ir.alloc(codes), wait, reads]
    # Registers that ordinary code has written are fenced before the group; its results are read after the wait.
    issue = [
        *before,
        ir.evaluate(ir.call("tl.wgmma_fence", span=span), span),
        loop("ki", plan.steps // many, step, span),
        ir.evaluate(ir.call("tl.wgmma_commit", span=span), span),
    ]
    if in_flight:
        return ir.seq(issue)
    return ir.seq(
        [
            *issue,
            ir.evaluate(ir.call("tl.wgmma_wait", attrs={"template": ["0"]}, span=span), span),
            loop("mi", plan.row_tiles, lambda i: loop("ni", plan.column_tiles, lambda j: pin(i, j), span), span),
        ]
    )


def _steps_of_statement(
    plan: WgmmaPlan, a: DescribedMatrix | RegisterTiles, b: DescribedMatrix, overwrites: bool, ctx: LoweringContext
) -> tuple[int, list[int]]:
    """How many steps along k one statement issues, and the template arguments that say how far they are apart.

    For each operand that has a descriptor the bytes from step to step; of eight also those from the first half to the second.
    Eight where the product certainly overwrites its accumulator: attention d128 gains 1 % so, causal d128 loses 3 % with all.
    """
    described = [x for x in (a, b) if isinstance(x, DescribedMatrix)]
    lines = [x.line(plan.instruction.k, ctx) for x in described]
    strides, longest = [stride for _, stride in lines], min(steps for steps, _ in lines)
    if isinstance(a, DescribedMatrix) or a.step == plan.a_size:  # registers one step's after the other's
        if plan.steps % 8 == 0 and overwrites:
            halves = [half for x in described if (half := x.half(8, plan.instruction.k, ctx)) is not None]
            if len(halves) == len(described):
                return 8, [*strides, *halves]
        for many in (4, 2):
            if plan.steps % many == 0 and longest % many == 0:
                return many, strides
    return 1, []
