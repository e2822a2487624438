"""A loop whose product is needed in its own iteration: it runs beside what the iteration does for itself.

    Scale[i] = scales[..., k]                 wait; issue A @ B
    wait; C = A @ B; release            ->    Scale[i] = scales[..., k]
    Sum[i, j] += C[i, j] * Scale[i]           wait for C; release
                                              Sum[i, j] += C[i, j] * Scale[i]

What stands before the product and has nothing to do with it goes behind its issue; so does what stands behind it, up to the first
use of its result. Loads of scales then take no time of their own.
"""

from __future__ import annotations

from .. import ir
from ..tileop.base import LoweringContext
from ..tileop.ring import RingRelease, RingWait
from .ring_body import Part, RingBody, under_way, wait_for


def product_beside(body: RingBody, ctx: LoweringContext) -> ir.Stmt | None:
    """The loop with its one product issued as early, and waited for as late, as it can be; None where that changes nothing."""
    loop, parts = body.loop, body.parts
    if len(body.gemms) != 1 or any(isinstance(p.stmt, ir.AllocBuffer) for p in parts):
        return None
    place = next(i for i, p in enumerate(parts) if p.is_gemm)
    product, before, behind = parts[place], list(parts[:place]), list(parts[place + 1 :])
    kept, moved = _split(before, product)
    meet = next((i for i, p in enumerate(behind) if product.conflicts(p)), None)
    if meet is None:
        return None  # a chain, or a result that nobody uses
    beside = [p for p in behind[:meet] if not isinstance(p.op, RingRelease)]
    if not any(_works(p) for p in (*moved, *beside)) or any(isinstance(p.op, RingWait) for p in beside):
        return None
    releases = [p for p in behind[:meet] if isinstance(p.op, RingRelease)]
    wait = wait_for(0, [product], ctx, product.stmt.span)
    stmts = [
        *(p.stmt for p in kept), under_way(product), *(p.stmt for p in (*moved, *beside)), wait,
        *(p.stmt for p in (*releases, *behind[meet:])),
    ]  # fmt: skip
    extent = loop.min, loop.extent
    return ir.For(loop.loop_var, *extent, loop.kind, ir.seq(stmts), annotations=loop.annotations, span=loop.span)


def products_together(body: RingBody, ctx: LoweringContext) -> ir.Stmt | None:
    """The loop with one wait for products that follow each other; None where none do."""
    loop, parts, stmts = body.loop, body.parts, list[ir.Stmt]()
    row: list[Part] = []
    joined = False
    for i, part in enumerate(parts):
        if not part.is_gemm:
            stmts.append(part.stmt)
            continue
        row.append(part)
        rest = [p for p in parts[i + 1 :] if not isinstance(p.op, RingWait)]
        if rest and rest[0].is_gemm:
            stmts.append(under_way(part))
            joined = True
        elif len(row) == 1:
            stmts.append(part.stmt)
            row = []
        else:
            stmts += [under_way(part), wait_for(0, row, ctx, part.stmt.span)]
            row = []
    if not joined:
        return None
    extent = loop.min, loop.extent
    return ir.For(loop.loop_var, *extent, loop.kind, ir.seq(stmts), annotations=loop.annotations, span=loop.span)


def _split(before: list[Part], product: Part) -> tuple[list[Part], list[Part]]:
    """(what stays in front of the product, what may follow it)."""
    kept, moved = [product], []
    for part in reversed(before):
        names = {part.stmt.var} if isinstance(part.stmt, ir.Bind) else set()
        needed = part.is_ring or any(part.conflicts(p) or (names and ir.uses_var(p.stmt, names)) for p in kept)
        (kept if needed else moved).append(part)
    return kept[:0:-1], moved[::-1]


def _works(part: Part) -> bool:
    """True for what takes time."""
    return not isinstance(part.stmt, ir.Bind) and bool(part.buffers)
