"""Chains: loops over a ring whose gemms add to accumulators that nothing else in the loop touches.

Each iteration leaves its products under way, and gives back the slot of the iteration before, whose products are over by then.
What the loop computes for its gemms (weights that it unpacks) is computed beside the products of the iteration before:

- a shared tile gets three versions, taken in turns;
- a register tile gets a twin, and the loop is unrolled by two: registers have no index, and wgmma reads them until it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import ir
from ..tileop.base import LoweringContext, dtype_bits
from ..tileop.gemm import FRAGMENT
from ..tileop.ring import RingRelease, RingWait
from .kernel_program import KernelProgram
from .occupancy import VERSIONS, registers_pay
from .pipelining.loops import add_version, loop_with, versioned
from .pipelining.replayed import Rename
from .ring_body import RingBody, at_iteration, runs_at_all, under_way, wait_for
from .temporaries import fills, lives_within


@dataclass(frozen=True)
class GemmChain:
    """A loop, with the tiles that it computes for its gemms: versions of shared ones, twins of those in registers."""

    body: RingBody
    versions: dict[ir.Var, ir.Var]
    twins: dict[ir.Var, ir.Var]

    @staticmethod
    def of(body: RingBody, program: KernelProgram) -> GemmChain | None:
        """None for a loop that is no chain, or where there is no room for what is under way."""
        tiles = _computed_tiles(body, program)
        if tiles is None:
            return None
        ctx, fragments = program.ctx, {b for b in tiles if ir.scope_of(b) == FRAGMENT}
        shared = tiles - fragments
        if shared and not _has_room(shared, program):
            return None
        if fragments:
            extra = sum(ctx.fragments[b].local_size * dtype_bits(ir.buffer_dtype(b)) // 32 for b in fragments)
            if ir.contains(body.loop.body, ir.AllocBuffer) or not registers_pay(program, extra):
                text = "products are not left under way: registers have no room for the operands of the next ones"
                ctx.remark(body.loop.span, text, rule="pipeline")
                return None
        versions = {b: versioned(b, VERSIONS) for b in shared}
        for old, new in versions.items():
            if old in ctx.shared:
                ctx.shared[new] = ctx.shared[old].versions(VERSIONS)
        twins = {b: ir.buffer(ir.static_shape(b), ir.buffer_dtype(b), str(b.name), FRAGMENT) for b in fragments}
        for old, new in twins.items():
            ctx.fragments[new] = ctx.fragments[old]
        return GemmChain(body, versions, twins)

    def lower(self, ctx: LoweringContext, repeated: bool) -> ir.Stmt:
        """The loop with every product left under way for one iteration; `repeated`: it runs more than once in a launch."""
        loop, late = self.body.loop, self._late()
        step = self._step(ctx)
        steps = self._by_twos(step, ctx) if self.twins else loop_with(loop, step)
        after = [wait_for(0, self.body.gemms, ctx, loop.span)]
        if repeated:  # the ring goes on: its last slot is given back too
            release = ir.seq(at_iteration(late, loop, loop.min + loop.extent - 1))
            runs = runs_at_all(loop, ctx)
            after.append(release if runs else ir.IfThenElse(ir.as_expr(loop.extent > 0), release, None, loop.span))
        new = (*self.versions.values(), *self.twins.values())
        return ir.seq([*(ir.alloc(b, loop.span) for b in new), steps, *after])

    def _late(self) -> list[ir.Stmt]:
        """What is given back a step late: the slots that gemms read last. What reads one after the gemms waits for its turn."""
        return [p.stmt for p in self.body.parts if isinstance(p.op, RingRelease)]

    def _step(self, ctx: LoweringContext) -> ir.Stmt:
        """An iteration. Three versions of shared tiles are enough with one barrier an iteration: who writes version k + 1 has met
        all others after their wait for the products of k - 2, which read that version last."""
        loop, parts = self.body.loop, self.body.parts
        last = max(i for i, p in enumerate(parts) if p.is_gemm)
        out: list[ir.Stmt] = []
        for i, part in enumerate(parts):
            if part.is_gemm:
                out.append(under_way(part))
            elif not isinstance(part.op, RingRelease):
                out.append(part.stmt)
            if i == last:
                out.append(wait_for(len(self.body.gemms), (), ctx, loop.span))
        k = loop.loop_var
        slot = ir.simplify(ir.FloorMod(k - loop.min, ir.const(VERSIONS, ir.dtype_of(k))))
        out = [add_version(s, self.versions, slot) for s in out] if self.versions else out
        before = at_iteration(self._late(), loop, k - 1)
        return ir.seq([*out, ir.IfThenElse(ir.as_expr(k > loop.min), ir.seq(before), None, loop.span)])

    def _by_twos(self, step: ir.Stmt, ctx: LoweringContext) -> ir.Stmt:
        """The loop over pairs of iterations, the second of which computes the twins; then the one that may be left.

        That one starts when all products before it are over: ptxas serialises all of them (C7513) if some are under way while the
        operand of one behind the loop is made.
        """
        loop, k = self.body.loop, self.body.loop.loop_var
        dtype = ir.dtype_of(k)
        two, pair = ir.const(2, dtype), ir.var(str(k.name), dtype)
        first = ir.simplify(loop.min + pair * 2)
        steps = [*at_iteration([step], loop, first), *at_iteration([Rename(self.twins).visit(step)], loop, first + 1)]
        pairs = ir.For(
            pair, ir.const(0, dtype), ir.simplify(ir.FloorDiv(loop.extent, two)), loop.kind, ir.seq(steps),
            annotations=loop.annotations, span=loop.span,
        )  # fmt: skip
        odd = ir.simplify(ir.FloorMod(loop.extent, two))
        if ir.const_int(odd) == 0:
            return pairs
        last = at_iteration([step], loop, loop.min + loop.extent - 1)
        rest = ir.seq([wait_for(0, self.body.gemms, ctx, loop.span), *last])
        return ir.seq([pairs, rest if ir.const_int(odd) == 1 else ir.IfThenElse(ir.as_expr(odd > 0), rest, None, loop.span)])


def _has_room(tiles: set[ir.Var], program: KernelProgram) -> bool:
    """True if shared memory has room for the versions of tiles."""
    ctx = program.ctx
    shared = [b for b in ir.declared_buffers(program.body) if ir.scope_of(b).startswith("shared")]
    size = {b: ctx.shared_layout(b).bytes for b in shared}
    return sum(size.values()) + (VERSIONS - 1) * sum(size[b] for b in tiles) <= ctx.target.limits.shared_per_block


def _computed_tiles(body: RingBody, program: KernelProgram) -> set[ir.Var] | None:
    """The tiles that the loop computes for its gemms, if its gemms are a chain otherwise; None if they are not."""
    gemms, others = body.gemms, [p for p in body.parts if not p.is_gemm and not p.is_ring]
    if any(g.written & p.buffers for g in gemms for p in others):
        return None
    slots = [int(p.op.barrier.source.ty.shape[0]) for p in body.parts if isinstance(p.op, RingWait)]
    tiles = {b for g in gemms for p in others for b in g.buffers & p.written}
    if min(slots) < 2 or not all(_is_temporary(b, body, program) for b in tiles):
        return None
    return tiles


def _is_temporary(buf: ir.Var, body: RingBody, program: KernelProgram) -> bool:
    """True for a tile that lives within an iteration: all of it is written before anything reads it, and nothing after."""
    scope = ir.scope_of(buf)
    if not (scope == FRAGMENT or scope.startswith("shared")):
        return False
    if any(buf.same_as(program.ctx.root(v)) for v in program.ctx.views):
        return False
    users = [p for p in body.parts if buf in p.buffers]
    written = max(i for i, p in enumerate(users) if buf in p.written)
    if not fills(users[0].stmt, buf) or any(p.is_gemm for p in users[:written]):
        return False
    return lives_within(body.loop, buf, program.body)
