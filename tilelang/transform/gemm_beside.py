"""A loop whose products are needed in their own iteration: they run beside what the iteration does meanwhile.

    S = K @ Q                                 issue S; issue D
    P = exp2(S - m)                           wait for S
    D = V @ dO                         ->     P = exp2(S - m)
    G = P * (D - delta)                       wait for D
                                              G = P * (D - delta)

Each product is issued as early as the statements before it let it, in the order of the products, together with the wait for its
tiles; and waited for where something meets its result or its operands, or gives a tile back. Products complete in the order in
which they were issued (PTX ISA, "wgmma.wait_group"), so that a wait names how many may still be under way. At the end of an
iteration none is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.gemm import Gemm
from ..tileop.gemm_wait import GemmWait
from ..tileop.ring import RingRelease, RingWait
from .effects import is_unit
from .ring_body import Part, RingBody, under_way, wait_for
from .units import is_parallel


def products_beside(body: RingBody, ctx: LoweringContext) -> ir.Stmt | None:
    """The loop with its products under way as long as can be; None where that changes nothing."""
    loop, parts = body.loop, body.parts
    if any(isinstance(p.stmt, ir.AllocBuffer) for p in parts) or not all(map(_is_known, parts)):
        return None
    if any(_is_scheduled(as_tile_op(s)) for s in ir.collect(loop.body, ir.Evaluate)):
        return None  # an inner loop's products are under way: its waits count them
    schedule = _Schedule(ctx, {id(p): i for i, p in enumerate(parts)})
    for part in _hoisted(list(parts)):
        schedule.add(part)
    schedule.wait(schedule.flying, loop.span)
    if not schedule.gains:
        return None
    text = "products are issued early, and run beside what does not depend on them"
    ctx.remark(loop.span, text, rule="pipeline", beside=len(body.gemms))
    extent = loop.min, loop.extent
    return ir.For(loop.loop_var, *extent, loop.kind, ir.seq(schedule.stmts), annotations=loop.annotations, span=loop.span)


def _is_scheduled(op: Any) -> bool:
    return isinstance(op, GemmWait) or isinstance(op, Gemm) and op.in_flight


def _is_known(part: Part) -> bool:
    """True for statements of which all that they touch is known: others are not to be moved past."""
    stmt = part.stmt
    if part.is_gemm or part.is_ring or isinstance(stmt, ir.Bind) or part.op is not None:
        return True
    if is_unit(stmt):
        return is_parallel(stmt) or isinstance(stmt, ir.BufferStore)
    inner = [as_tile_op(s) for s in ir.collect(stmt, ir.Evaluate)]
    # A product's wait for its tile may not come before those of an inner loop: the producer loads in the order of the program.
    return not any(op is None or isinstance(op, (RingWait, RingRelease)) for op in inner)


@dataclass
class _Schedule:
    """Statements in their order; `flying` are the products under way, `gains` whether any has company.

    A tile is given back as soon as the products that read it are done: `held` are such statements with what they wait for.
    """

    ctx: LoweringContext
    places: dict[int, int]  # of the parts, in the loop as it was
    stmts: list[ir.Stmt] = field(default_factory=list)
    flying: list[Part] = field(default_factory=list)
    held: list[tuple[ir.Stmt, list[Part]]] = field(default_factory=list)
    gains: bool = False

    def add(self, part: Part) -> None:
        if part.is_gemm:
            self.wait([p for p in self.flying if _meet(p, part)], part.stmt.span)
            self.gains |= bool(self.flying)
            self.stmts.append(under_way(part))
            self.flying.append(part)
            return
        readers = [p for p in self.flying if self.places[id(p)] < self.places[id(part)]]
        if isinstance(part.op, RingRelease) and readers:
            self.held.append((part.stmt, readers))
            return
        if not part.is_ring:
            self.wait([p for p in self.flying if p.conflicts(part)], part.stmt.span)
            self.gains |= bool(self.flying) and bool(part.buffers)
        self.stmts.append(part.stmt)

    def wait(self, needed: list[Part], span: Any) -> None:
        """Until these products are done, and so those before them."""
        if not needed:
            return
        count = 1 + max(i for i, p in enumerate(self.flying) if any(p is n for n in needed))
        done, self.flying = self.flying[:count], self.flying[count:]
        self.stmts.append(wait_for(len(self.flying), done, self.ctx, span, late=True))
        over = [stmt for stmt, readers in self.held if not any(p is f for p in readers for f in self.flying)]
        self.stmts += over
        self.held = [(stmt, readers) for stmt, readers in self.held if not any(stmt.same_as(s) for s in over)]


def _meet(before: Part, after: Part) -> bool:
    """True if a product may not be issued while another is under way: adding to the same accumulator is no reason."""
    same = before.op.C.source.same_as(after.op.C.source) and _shape(before) == _shape(after)
    own = {before.op.C.source} if same else set()
    return bool((before.written - own) & after.buffers or before.buffers & (after.written - own))


def _shape(part: Part) -> Any:
    return [ir.const_int(r.extent) for r in part.op.C.region], [ir.const_int(r.min) for r in part.op.C.region], part.op.policy


def _hoisted(parts: list[Part]) -> list[Part]:
    """The parts with each product as early as it may be issued, behind the one before it."""
    out: list[Part] = []
    for part in parts:
        out.append(part)
        if not part.is_gemm:
            continue
        unit, place = [out.pop()], len(out)
        crossed: list[Part] = []
        while place and not out[place - 1].is_gemm and not _binds(out[place - 1], unit):
            other = out[place - 1]
            if isinstance(other.op, RingWait):
                unit.insert(0, other)
            elif part.conflicts(other) or isinstance(other.op, RingRelease) and len(unit) > 1:
                break  # what the product waits for may be loaded behind what takes that slot
            else:
                crossed.insert(0, other)
            place -= 1
        out[place:] = [*unit, *crossed]
    return out


def _binds(part: Part, users: list[Part]) -> bool:
    return isinstance(part.stmt, ir.Bind) and any(ir.uses_var(p.stmt, {part.stmt.var}) for p in users)
