"""Leave matrix products of warpgroups under way while the block does something else.

Three forms of a loop over a ring of tiles:

- *Chain* (`gemm_chain.py`): the loop's gemms add to accumulators that nothing else in the loop touches. Each iteration leaves its
  products under way; what the next one computes for its own is computed beside them.

- *Rotation* (FlashAttention-3, "intra-warpgroup pipelining"): the loop starts with gemms H, ends with gemms T, and has other
  work M between them. T of iteration k - 1 runs beside M of iteration k:

      H(0); wait; M(0)
      for k = 1 ..:  issue H(k); issue T(k - 1); wait for H; M(k), up to what T reads or writes; wait for T; the rest of M(k)
      T(last); wait

  A block's warpgroups fall out of step by themselves. Where the lengths of loops differ (causal attention) and products take
  about as long as a softmax, they take turns at H and T (`tileop/turn.py`), so that the products of one run beside M of another;
  the first iteration is then not peeled off: one copy of M compiles in three quarters of the time. On an H100 that is 4 % faster
  at head size 128 up to 1024 queries, and as fast beyond. Elsewhere one copy is 5 to 10 % slower (benchmark/results).

- *Beside* (`gemm_beside.py`): products that their own iteration uses run beside what does not depend on them.

Everything else waits for its products at once, inside the gemm.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.ring import RingRelease
from ..tileop.tma import TensorLoad
from ..tileop.turn import WARPGROUP, TurnLend, TurnPass, TurnReturn, TurnWait
from .gemm_beside import products_beside
from .gemm_chain import GemmChain
from .group_barriers import free_barrier, taken_barriers
from .kernel_program import KernelProgram
from .occupancy import blocks_of_grid, blocks_with_producer, producer_halves_occupancy, rotation_pays
from .pipelining.loops import drop_unused
from .pipelining.specialize import NotSpecialized
from .ring_body import Part, RingBody, at_iteration, is_plain_loop, runs_at_all, under_way, wait_for
from .step_clocks import product_clocks, special_clocks
from .units import units_of

DISABLE = "tl.disable_gemm_overlap"
# True and False decide about turns.
PING_PONG = "tl.enable_ping_pong"
# Clocks of products for each of exponentials where turns do no harm: a softmax takes about twice as long as its exponentials.
EVEN = 1.25, 2.5
# Of a tile that H and T read (latent attention: keys that are values), a rotated loop uses two slots at a time; with no third one
# the next load starts when T ends, and takes as long as all else (64 heads of 576 on an H100: 0.212 ms instead of 0.166).
SLOTS_OF_BOTH = 3


def overlap_gemms(program: KernelProgram) -> KernelProgram:
    """Loops over rings with their products left under way where nothing needs them yet."""
    if program.producer is None or program.config(DISABLE):
        return program
    overlap = _Overlap(program)
    body = overlap.body(program.body)
    body = drop_unused(body, overlap.replaced) if overlap.replaced else body
    new = replace(program, body=_with_turns(body, overlap.turns, program.span))
    # ptxas is told where a few registers decide about a second block; elsewhere it does best by its own measure.
    second = blocks_with_producer(new, overlap.rotated) == 2 and blocks_of_grid(program) != 1 and not program.persistent
    return replace(new, rotated=overlap.rotated, min_blocks=program.min_blocks or (2 if second else 0))


def _with_turns(body: ir.Stmt, barriers: tuple[int, ...], span: Any) -> ir.Stmt:
    if not barriers:
        return body
    parts = ir.statements(body)
    start = next((i for i, s in enumerate(parts) if not isinstance(s, ir.AllocBuffer)), len(parts))
    lend, back = (ir.evaluate(turn(barriers, span).to_call(), span) for turn in (TurnLend, TurnReturn))
    return ir.seq([*parts[:start], lend, *parts[start:], back])


class _Overlap(ir.Mutator):
    def __init__(self, program: KernelProgram) -> None:
        super().__init__()
        self.program, self.ctx = program, program.ctx
        self.depth = 0
        self.replaced: set[ir.Var] = set()
        self.rotated = False
        self.turns: tuple[int, ...] = ()  # named barriers, once a loop has turns
        # Rotated loops, the T behind them, and what that touches.
        self.tails: dict[ir.Var, tuple[list[ir.Stmt], list[ir.Stmt], set[ir.Var]]] = {}

    @functools.cached_property
    def ring_tiles(self) -> set[ir.Var]:
        """The tiles that the producer loads, of several slots each."""
        loads = [unit.op for unit in units_of(self.program.producer) if isinstance(unit.op, TensorLoad)]
        return {op.dst.source for op in loads}

    def take_turns(self, loop: ir.For) -> tuple[int, ...]:
        """The barriers of the block's warpgroups, or none where they need no turns in this loop."""
        groups, rest = divmod(self.ctx.num_threads, WARPGROUP)
        if groups < 2 or rest or not self.program.config(PING_PONG, self.is_even(loop)):
            return ()
        if not self.turns:
            taken = taken_barriers(self.program.body)
            for group in range(groups):
                taken.add(free_barrier(taken, f"the turns of warpgroup {group}"))
            self.turns = tuple(sorted(taken - taken_barriers(self.program.body)))
            text = f"{groups} warpgroups take turns at the tensor cores"
            self.ctx.remark(loop.span, text, rule="pipeline", warpgroups=groups)
        return self.turns

    def is_even(self, loop: ir.For) -> bool:
        """True for loops of different lengths, with about as much work for the tensor cores as for the rest."""
        if not self.differs(loop):
            return False
        products, special = product_clocks(loop.body), special_clocks(loop.body)
        return EVEN[0] * special <= products <= EVEN[1] * special

    def differs(self, loop: ir.For) -> bool:
        """True if a loop's length is not that of all blocks."""
        extent = ir.simplify(loop.extent)
        return any(v not in self.ctx.symbols for v in ir.collect(extent, ir.Var)) or ir.contains(extent, ir.BufferLoad)

    def visit_For(self, node: ir.For) -> Any:
        outer, self.ctx.ranges = self.ctx.ranges, {**self.ctx.ranges, node.loop_var: (node.min, node.extent)}
        self.depth += 1
        new = self.descend(node) if is_plain_loop(node) else node
        self.depth -= 1
        try:
            return self.loop(new)
        finally:
            self.ctx.ranges = outer

    def visit_While(self, node: ir.While) -> Any:
        self.depth += 1
        new = self.descend(node)
        self.depth -= 1
        return new

    def visit_SeqStmt(self, node: ir.SeqStmt) -> Any:
        """Tiles that only a loop's H reads (queries) are given back before its last T, if the producer waits for them.

        With a second slot it does not, and attention of 512 queries would be up to 2 % slower.
        """
        stmts = ir.statements(node)
        out: list[ir.Stmt] = []
        while stmts:
            stmt = stmts.pop(0)
            new = self.visit(stmt)
            if isinstance(stmt, ir.For) and stmt.loop_var in self.tails:
                steps, tail, touched = self.tails[stmt.loop_var]
                behind = next((i for i, s in enumerate(stmts) if not isinstance(s, ir.BufferStore)), len(stmts))
                early = []
                while behind < len(stmts) and self.released(stmts[behind]) not in {None, *touched}:
                    early.append(stmts.pop(behind))
                new = ir.seq([*steps, *early, *tail])
            out.append(new)
        return ir.seq(out)

    def released(self, stmt: ir.Stmt) -> ir.Var | None:
        """The tile that a statement gives back to the producer, if it does that and nothing else."""
        op = as_tile_op(stmt)
        if not isinstance(op, RingRelease) or ir.contains(stmt, ir.BufferLoad):
            return None
        return self.only_slot_of.get(op.barrier.source)

    @functools.cached_property
    def only_slot_of(self) -> dict[ir.Var, ir.Var]:
        """The tile that a ring's `empty` barrier gives back, for rings of one slot and one tile."""
        empty = {ring.full: ring.empty for ring in self.program.rings if ring.slots == 1}
        found: dict[ir.Var, list[ir.Var]] = {}
        for unit in units_of(self.program.producer):
            if isinstance(unit.op, TensorLoad) and unit.op.barrier.source in empty:
                found.setdefault(empty[unit.op.barrier.source], []).append(unit.op.dst.source)
        return {barrier: tiles[0] for barrier, tiles in found.items() if len(tiles) == 1}

    def loop(self, loop: ir.For) -> ir.Stmt:
        body = RingBody.of(loop, self.ctx)
        if body is None:
            return loop
        chain = GemmChain.of(body, self.program)
        if chain is not None:
            self.replaced |= chain.versions.keys()
            return chain.lower(self.ctx, self.depth > 0)
        rotation = _Rotation.of(body)
        if rotation is None:
            return products_beside(body, self.ctx) or loop
        starved = rotation.tiles_of_both() & {b for b in self.ring_tiles if ir.static_shape(b)[0] < SLOTS_OF_BOTH}
        if starved:
            names = ", ".join(sorted(str(b.name) for b in starved))
            text = f"products are not left under way: two iterations would hold both slots of {names}, with none to load into"
            self.ctx.remark(loop.span, text, rule="pipeline")
            return products_beside(body, self.ctx) or loop
        if producer_halves_occupancy(self.program):
            # Registers for a rotation would take the place of a second block, which hides as much and also the ends of tiles
            # (measured at head size 64: benchmark/results). Causal attention gains more from blocks of equal work: persistent
            # ones, which take a long and a short loop by turns.
            if not (self.program.persistent and self.differs(loop)):
                raise NotSpecialized("without one, twice as many blocks share a multiprocessor and overlap each other", loop.span)
        if not rotation_pays(self.program):
            text = "products are not left under way: the tiles that are alive meanwhile would cost a block, or spill"
            self.ctx.remark(loop.span, text, rule="pipeline")
            return products_beside(body, self.ctx) or loop
        self.rotated = True
        steps, tail = rotation.lower(self.ctx, self.take_turns(loop))
        whole = ir.seq([*steps, *tail])
        if not runs_at_all(loop, self.ctx):
            return ir.IfThenElse(ir.as_expr(loop.extent > 0), whole, None, loop.span)
        self.tails[loop.loop_var] = steps, tail, {b for p in rotation.last for b in p.buffers}
        return whole


# ---------------------------------------------------------------------- rotations


@dataclass(frozen=True)
class _Rotation:
    """A loop's parts: H with what rings need for it, M, and T likewise."""

    loop: ir.For
    first: tuple[Part, ...]
    between: tuple[Part, ...]
    last: tuple[Part, ...]

    @staticmethod
    def of(body: RingBody) -> _Rotation | None:
        """None if T of one iteration cannot run beside M of the next."""
        parts, loop = body.parts, body.loop
        start = next(i for i, p in enumerate(parts) if p.is_gemm)
        head = next(i for i in range(start, len(parts) + 1) if i == len(parts) or not (parts[i].is_gemm or parts[i].is_ring))
        tail = next(i for i in range(len(parts), -1, -1) if i == 0 or not (parts[i - 1].is_gemm or parts[i - 1].is_ring))
        first, between, last = parts[:head], parts[head:tail], parts[tail:]
        lasts = [p for p in last if p.is_gemm]
        if not lasts or tail <= head or any(p.is_gemm for p in between):
            return None
        if any(a.conflicts(b) for a in first for b in lasts):
            return None
        scalars = ir.bound_vars(loop.body)
        if any(ir.uses_var(p.stmt, scalars) for p in last) or any(isinstance(p.stmt, ir.AllocBuffer) for p in parts):
            return None
        return _Rotation(loop, first, between, last)

    def tiles_of_both(self) -> set[ir.Var]:
        """What products of H and of T read, the latter an iteration later."""
        firsts, lasts = ({b for p in part if p.is_gemm for b in p.buffers} for part in (self.first, self.last))
        return firsts & lasts

    def lower(self, ctx: LoweringContext, turns: tuple[int, ...]) -> tuple[list[ir.Stmt], list[ir.Stmt]]:
        """The rotated loop, and T behind it; with `turns`, its products are issued by one warpgroup after the other."""
        loop, span = self.loop, self.loop.span
        steps = self._by_turns(ctx, turns) if turns else self._peeled(ctx)
        end = loop.min + loop.extent - 1
        wait = wait_for(0, [p for p in self.last if p.is_gemm], ctx, span)
        products, release = (at_iteration(part(self.last), loop, end) for part in (_issue, _releases))
        return steps, [*products, wait, *release]

    def _peeled(self, ctx: LoweringContext) -> list[ir.Stmt]:
        """The first iteration, and a loop over the others."""
        loop, k = self.loop, self.loop.loop_var
        firsts = [p for p in self.first if p.is_gemm]
        free, bound = self._work()
        start = [*_issue(self.first), wait_for(0, firsts, ctx, loop.span), *_releases(self.first), *free, *bound]
        products = [*_issue(self.first), *at_iteration(_issue(self.last), loop, k - 1)]
        steady = self._beside(ctx, products, at_iteration(_releases(self.last), loop, k - 1))
        bounds = ir.simplify(loop.min + 1), ir.simplify(loop.extent - 1)
        rest = ir.For(k, *bounds, ir.ForKind.SERIAL, ir.seq(steady), annotations=loop.annotations, span=loop.span)
        return [*at_iteration(start, loop, loop.min), rest]

    def _by_turns(self, ctx: LoweringContext, turns: tuple[int, ...]) -> list[ir.Stmt]:
        """One loop over all iterations, of which the first has no T before it."""
        loop, span, k = self.loop, self.loop.span, self.loop.loop_var
        first, begin, end = _issue(self.first), *(ir.evaluate(t(turns, span).to_call(), span) for t in (TurnWait, TurnPass))
        start = next(i for i, p in enumerate(self.first) if p.is_gemm)  # no release stands before the first gemm
        later = ir.as_expr(k > loop.min)
        # wgmma_wait counts groups: at first, empty ones stand for T.
        commit = ir.evaluate(ir.call("tl.wgmma_commit", span=span), span)
        nothing = ir.seq([commit] * sum(p.is_gemm for p in self.last))
        previous = ir.IfThenElse(later, ir.seq(at_iteration(_issue(self.last), loop, k - 1)), nothing, span)
        release = [_release_when(later, s) for r in _releases(self.last) for s in at_iteration([r], loop, k - 1)]
        steady = self._beside(ctx, [*first[:start], begin, *first[start:], previous, end], release)
        return [ir.For(k, loop.min, loop.extent, ir.ForKind.SERIAL, ir.seq(steady), annotations=loop.annotations, span=span)]

    def _beside(self, ctx: LoweringContext, products: list[ir.Stmt], release: list[ir.Stmt]) -> list[ir.Stmt]:
        """An iteration's products of H and of the T before it, and M beside the latter."""
        span = self.loop.span
        firsts, lasts = ([p for p in part if p.is_gemm] for part in (self.first, self.last))
        free, bound = self._work()
        wait_first, wait_last = wait_for(len(lasts), firsts, ctx, span), wait_for(0, lasts, ctx, span)
        return [*products, wait_first, *_releases(self.first), *free, wait_last, *release, *bound]

    def _work(self) -> tuple[list[ir.Stmt], list[ir.Stmt]]:
        """M, up to what T reads or writes, and from there on."""
        lasts = [p for p in self.last if p.is_gemm]
        meet = next((i for i, p in enumerate(self.between) if any(p.conflicts(g) for g in lasts)), len(self.between))
        return [p.stmt for p in self.between[:meet]], [p.stmt for p in self.between[meet:]]


def _issue(parts: tuple[Part, ...]) -> list[ir.Stmt]:
    """Everything but the releases, with gemms left under way."""
    return [under_way(p) if p.is_gemm else p.stmt for p in parts if not isinstance(p.op, RingRelease)]


def _release_when(condition: Any, stmt: ir.Stmt) -> ir.Stmt:
    op = as_tile_op(stmt)
    assert isinstance(op, RingRelease)
    return ir.evaluate(replace(op, when=condition).to_call(), stmt.span)


def _releases(parts: tuple[Part, ...]) -> list[ir.Stmt]:
    return [p.stmt for p in parts if isinstance(p.op, RingRelease)]
