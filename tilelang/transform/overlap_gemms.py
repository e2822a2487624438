"""Leave matrix products of warpgroups under way while the block does something else.

Two forms of a loop over a ring of tiles:

- *Chain*: the loop's gemms add to accumulators that nothing else in the loop touches. Each iteration leaves its products under
  way, and gives back the slot of the iteration before, whose products are over by then. A tile that the loop computes for its
  gemms (weights that it unpacks) gets three versions, so that the next one is computed beside the products of this one.

- *Rotation* (FlashAttention-3, "intra-warpgroup pipelining"): the loop starts with gemms H, ends with gemms T, and has other
  work M between them. T of iteration k - 1 runs beside M of iteration k:

      H(0); wait; M(0)
      for k = 1 ..:  issue H(k); issue T(k - 1); wait for H; M(k), up to what T reads or writes; wait for T; the rest of M(k)
      T(last); wait

  A block's warpgroups fall out of step by themselves in long loops. In short ones, or where each block's has another length, they
  take turns at H and T (`tileop/turn.py`), so that the products of one run beside M of another; the first iteration is then not
  peeled off, since one copy of M compiles in three quarters of the time and is as fast there (benchmark/results).

Everything else waits for its products at once, inside the gemm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from .. import ir
from ..tileop.base import LoweringContext, as_tile_op
from ..tileop.copy import Copy
from ..tileop.fill import Fill
from ..tileop.gemm import Gemm
from ..tileop.gemm_wait import Accumulator, GemmWait
from ..tileop.ring import RingRelease, RingWait
from ..tileop.turn import WARPGROUP, TurnLend, TurnPass, TurnReturn, TurnWait
from .effects import accesses_within
from .group_barriers import free_barrier, taken_barriers
from .kernel_program import KernelProgram
from .occupancy import VERSIONS, blocks_with_producer, producer_halves_occupancy, rotation_pays
from .parallel_nest import ParallelNest
from .pipelining.loops import add_version, drop_unused, loop_with, versioned
from .pipelining.specialize import NotSpecialized
from .region import covers, ranges_of
from .units import is_parallel

DISABLE = "tl.disable_gemm_overlap"
# True and False decide about turns; without it, the trip count does.
PING_PONG = "tl.enable_ping_pong"
LONG_LOOP = 32  # iterations


def overlap_gemms(program: KernelProgram) -> KernelProgram:
    """Loops over rings with their products left under way where nothing needs them yet."""
    if program.producer is None or program.config(DISABLE):
        return program
    overlap = _Overlap(program)
    body = overlap.body(program.body)
    body = drop_unused(body, overlap.replaced) if overlap.replaced else body
    # ptxas is told where a few registers decide about a second block; elsewhere it does best by its own measure.
    blocks = blocks_with_producer(program, overlap.rotated)
    return replace(
        program,
        body=_with_turns(body, overlap.turns, program.span),
        min_blocks=program.min_blocks or (2 if blocks == 2 and not program.persistent else 0),
    )


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

    def take_turns(self, loop: ir.For) -> tuple[int, ...]:
        """The barriers of the block's warpgroups, or none where they need no turns in this loop."""
        groups, rest = divmod(self.ctx.num_threads, WARPGROUP)
        if groups < 2 or rest or not self.program.config(PING_PONG, not self.is_long(loop)):
            return ()
        if not self.turns:
            taken = taken_barriers(self.program.body)
            for group in range(groups):
                taken.add(free_barrier(taken, f"the turns of warpgroup {group}"))
            self.turns = tuple(sorted(taken - taken_barriers(self.program.body)))
            text = f"{groups} warpgroups take turns at the tensor cores"
            self.ctx.remark(loop.span, text, rule="pipeline", warpgroups=groups)
        return self.turns

    def is_long(self, loop: ir.For) -> bool:
        """True for many iterations, or as many as a shape says: the same in every block."""
        extent = ir.simplify(loop.extent)
        known = ir.const_int(extent)
        if known is not None:
            return known >= LONG_LOOP
        return all(v in self.ctx.symbols for v in ir.collect(extent, ir.Var)) and not ir.collect(extent, ir.BufferLoad)

    def visit_For(self, node: ir.For) -> Any:
        outer, self.ctx.ranges = self.ctx.ranges, {**self.ctx.ranges, node.loop_var: (node.min, node.extent)}
        self.depth += 1
        new = self.descend(node) if is_plain_loop(node) else node
        self.depth -= 1
        try:
            return self.loop(new)
        finally:
            self.ctx.ranges = outer

    def versions(self, tiles: set[ir.Var]) -> dict[ir.Var, ir.Var] | None:
        """A buffer of several versions for each tile; None where shared memory has no room for them."""
        shared = [b for b in ir.declared_buffers(self.program.body) if ir.scope_of(b).startswith("shared")]
        size = {b: self.ctx.shared_layout(b).bytes for b in shared}
        if sum(size.values()) + (VERSIONS - 1) * sum(size[b] for b in tiles) > self.ctx.target.limits.shared_per_block:
            return None
        out = {}
        for buf in tiles:
            out[buf] = versioned(buf, VERSIONS)
            if buf in self.ctx.shared:
                self.ctx.shared[out[buf]] = self.ctx.shared[buf].versions(VERSIONS)
        self.replaced |= tiles
        return out

    def visit_While(self, node: ir.While) -> Any:
        self.depth += 1
        new = self.descend(node)
        self.depth -= 1
        return new

    def loop(self, loop: ir.For) -> ir.Stmt:
        body = RingBody.of(loop, self.ctx)
        if body is None:
            return loop
        tiles = computed_tiles(body, self.program)
        if tiles is not None and (versions := self.versions(tiles)) is not None:
            return _chain(body, self.ctx, self.depth > 0, versions)
        rotation = _Rotation.of(body)
        if rotation is None:
            return loop
        if producer_halves_occupancy(self.program):
            # Registers for a rotation would take the place of a second block. In short loops the producer alone is worth more
            # than that block: it loads the first tiles of the next one.
            if self.is_long(loop):
                raise NotSpecialized("without one, twice as many blocks share a multiprocessor and overlap each other", loop.span)
            return loop
        if not rotation_pays(self.program):
            text = "products are not left under way: the tiles that are alive meanwhile would cost a block, or spill"
            self.ctx.remark(loop.span, text, rule="pipeline")
            return loop
        self.rotated = True
        return rotation.lower(self.ctx, self.take_turns(loop))


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
        parts = tuple(_part(s, ctx) for s in ir.statements(loop.body))
        if not any(isinstance(p.op, RingWait) for p in parts) or not any(p.is_gemm for p in parts):
            return None
        if ir.contains(loop.body, (ir.Break, ir.Continue, ir.Return)):
            return None
        return RingBody(loop, parts)

    @property
    def gemms(self) -> list[Part]:
        return [p for p in self.parts if p.is_gemm]


def _part(stmt: ir.Stmt, ctx: LoweringContext) -> Part:
    op = as_tile_op(stmt)
    if isinstance(op, Gemm) and not op.runs_on_warpgroups(ctx):
        op = None
    accesses = [a.of_root(ctx.views) for a in accesses_within(stmt)]
    buffers = frozenset(a.buffer for a in accesses)
    return Part(stmt, op, buffers, frozenset(a.buffer for a in accesses if a.write))


# ---------------------------------------------------------------------- statements


def _under_way(part: Part) -> ir.Stmt:
    """The gemm without its wait."""
    return ir.evaluate(replace(part.op, in_flight=True).to_call(), part.stmt.span)


def _wait(pending: int, finished: Iterable[Part], ctx: LoweringContext, span: Any) -> ir.Stmt:
    seen: dict[ir.Var, Accumulator] = {}
    for part in finished:
        seen.setdefault(part.op.C.source, Accumulator(part.op.C, part.op.columns_of_instruction(ctx)))
    return ir.evaluate(GemmWait(pending, tuple(seen.values()), span).to_call(), span)


def _at(stmts: Iterable[ir.Stmt], loop: ir.For, k: Any) -> list[ir.Stmt]:
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


# ---------------------------------------------------------------------- chains


def computed_tiles(body: RingBody, program: KernelProgram) -> set[ir.Var] | None:
    """The shared tiles that the loop computes for its gemms, if its gemms are a chain otherwise; None if they are not."""
    gemms, others = body.gemms, [p for p in body.parts if not p.is_gemm and not p.is_ring]
    if any(g.written & p.buffers for g in gemms for p in others):
        return None
    slots = [int(p.op.barrier.source.ty.shape[0]) for p in body.parts if isinstance(p.op, RingWait)]
    tiles = {b for g in gemms for p in others for b in g.buffers & p.written}
    if min(slots) < 2 or not all(_is_temporary(b, body, program) for b in tiles):
        return None
    return tiles


def _is_temporary(buf: ir.Var, body: RingBody, program: KernelProgram) -> bool:
    """True for a shared tile that lives within an iteration: all of it is written before anything reads it."""
    if not ir.scope_of(buf).startswith("shared") or any(buf.same_as(program.ctx.root(v)) for v in program.ctx.views):
        return False
    first = next(p for p in body.parts if buf in p.buffers)
    if not _fills(first, buf):
        return False
    return _mentions(body.loop.body, buf) == _mentions(program.body, buf)


def _fills(part: Part, buf: ir.Var) -> bool:
    """True if a statement writes all of a tile and reads nothing of it."""
    op = as_tile_op(part.stmt)
    if isinstance(op, (Copy, Fill)):
        return (
            op.dst.source.same_as(buf)
            and covers(buf, ranges_of(op.dst))
            and all(not a.buffer.same_as(buf) for a in accesses_within(part.stmt) if not a.write)
        )
    if not is_parallel(part.stmt):
        return False
    nest = ParallelNest.of(part.stmt)
    store = nest.body
    plain = isinstance(store, ir.BufferStore) and store.buffer.same_as(buf) and tuple(nest.extents) == ir.static_shape(buf)
    if not plain or any(load.source.same_as(buf) for load in ir.collect(store.value, ir.BufferLoad)):
        return False
    return all(i.same_as(v) for i, v in zip(store.indices, nest.vars))


def _mentions(stmt: ir.Stmt, buf: ir.Var) -> int:
    nodes = ir.collect(stmt, (ir.BufferLoad, ir.BufferStore, ir.BufferRegion))
    return sum((n.buffer if isinstance(n, ir.BufferStore) else n.source).same_as(buf) for n in nodes)


def _chain(body: RingBody, ctx: LoweringContext, repeated: bool, versions: dict[ir.Var, ir.Var]) -> ir.Stmt:
    """The loop with every product left under way for one iteration; `versions` replace tiles that it computes.

    Three versions are enough with one barrier an iteration: who writes version k + 1 has met all others after their wait for the
    products of k - 2, which read that version last.
    """
    loop, gemms = body.loop, body.gemms
    # What is given back a step late: the slots that gemms read last. Anything after the gemms that reads one waits for its turn.
    last = max(i for i, p in enumerate(body.parts) if p.is_gemm)
    late = [p for i, p in enumerate(body.parts) if isinstance(p.op, RingRelease)]
    out: list[ir.Stmt] = []
    for i, part in enumerate(body.parts):
        if part.is_gemm:
            out.append(_under_way(part))
        elif not isinstance(part.op, RingRelease):
            out.append(part.stmt)
        if i == last:
            out.append(_wait(len(gemms), (), ctx, loop.span))
    k = loop.loop_var
    slot = ir.simplify(ir.FloorMod(k - loop.min, ir.const(VERSIONS, ir.dtype_of(k))))
    out = [add_version(s, versions, slot) for s in out] if versions else out
    before = _at([p.stmt for p in late], loop, k - 1)
    out.append(ir.IfThenElse(ir.as_expr(k > loop.min), ir.seq(before), None, loop.span))
    after = [_wait(0, gemms, ctx, loop.span)]
    if repeated:  # the ring goes on: its last slot is given back too
        release = ir.seq(_at([p.stmt for p in late], loop, loop.min + loop.extent - 1))
        after.append(release if _runs(loop, ctx) else ir.IfThenElse(ir.as_expr(loop.extent > 0), release, None, loop.span))
    return ir.seq([*(ir.alloc(b, loop.span) for b in versions.values()), loop_with(loop, ir.seq(out)), *after])


def _runs(loop: ir.For, ctx: LoweringContext) -> bool:
    """True if a loop certainly has an iteration."""
    outer = {v: r for v, r in ctx.ranges.items() if v is not loop.loop_var and not v.same_as(loop.loop_var)}
    return ir.can_prove(ir.as_expr(loop.extent > 0), ir.analyzer_for(outer, ctx.symbols, ctx.constraints))


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

    def lower(self, ctx: LoweringContext, turns: tuple[int, ...]) -> ir.Stmt:
        """The rotated loop; with `turns`, its products are issued by one warpgroup after the other."""
        loop, span = self.loop, self.loop.span
        steps = self._by_turns(ctx, turns) if turns else self._peeled(ctx)
        end = loop.min + loop.extent - 1
        wait = _wait(0, [p for p in self.last if p.is_gemm], ctx, span)
        whole = ir.seq([*steps, *_at(_issue(self.last), loop, end), wait, *_at(_releases(self.last), loop, end)])
        return whole if _runs(loop, ctx) else ir.IfThenElse(ir.as_expr(loop.extent > 0), whole, None, span)

    def _peeled(self, ctx: LoweringContext) -> list[ir.Stmt]:
        """The first iteration, and a loop over the others."""
        loop, k = self.loop, self.loop.loop_var
        firsts = [p for p in self.first if p.is_gemm]
        free, bound = self._work()
        start = [*_issue(self.first), _wait(0, firsts, ctx, loop.span), *_releases(self.first), *free, *bound]
        products = [*_issue(self.first), *_at(_issue(self.last), loop, k - 1)]
        steady = self._beside(ctx, products, _at(_releases(self.last), loop, k - 1))
        bounds = ir.simplify(loop.min + 1), ir.simplify(loop.extent - 1)
        rest = ir.For(k, *bounds, ir.ForKind.SERIAL, ir.seq(steady), annotations=loop.annotations, span=loop.span)
        return [*_at(start, loop, loop.min), rest]

    def _by_turns(self, ctx: LoweringContext, turns: tuple[int, ...]) -> list[ir.Stmt]:
        """One loop over all iterations, of which the first has no T before it."""
        loop, span, k = self.loop, self.loop.span, self.loop.loop_var
        first, begin, end = _issue(self.first), *(ir.evaluate(t(turns, span).to_call(), span) for t in (TurnWait, TurnPass))
        start = next(i for i, p in enumerate(self.first) if p.is_gemm)  # no release stands before the first gemm
        later = ir.as_expr(k > loop.min)
        # wgmma_wait counts groups: at first, empty ones stand for T.
        commit = ir.evaluate(ir.call("tl.wgmma_commit", span=span), span)
        nothing = ir.seq([commit] * sum(p.is_gemm for p in self.last))
        previous = ir.IfThenElse(later, ir.seq(_at(_issue(self.last), loop, k - 1)), nothing, span)
        release = ir.IfThenElse(later, ir.seq(_at(_releases(self.last), loop, k - 1)), None, span)
        steady = self._beside(ctx, [*first[:start], begin, *first[start:], previous, end], [release])
        return [ir.For(k, loop.min, loop.extent, ir.ForKind.SERIAL, ir.seq(steady), annotations=loop.annotations, span=span)]

    def _beside(self, ctx: LoweringContext, products: list[ir.Stmt], release: list[ir.Stmt]) -> list[ir.Stmt]:
        """An iteration's products of H and of the T before it, and M beside the latter."""
        span = self.loop.span
        firsts, lasts = ([p for p in part if p.is_gemm] for part in (self.first, self.last))
        free, bound = self._work()
        wait_first, wait_last = _wait(len(lasts), firsts, ctx, span), _wait(0, lasts, ctx, span)
        return [*products, wait_first, *_releases(self.first), *free, wait_last, *release, *bound]

    def _work(self) -> tuple[list[ir.Stmt], list[ir.Stmt]]:
        """M, up to what T reads or writes, and from there on."""
        lasts = [p for p in self.last if p.is_gemm]
        meet = next((i for i, p in enumerate(self.between) if any(p.conflicts(g) for g in lasts)), len(self.between))
        return [p.stmt for p in self.between[:meet]], [p.stmt for p in self.between[meet:]]


def _issue(parts: tuple[Part, ...]) -> list[ir.Stmt]:
    """Everything but the releases, with gemms left under way."""
    return [_under_way(p) if p.is_gemm else p.stmt for p in parts if not isinstance(p.op, RingRelease)]


def _releases(parts: tuple[Part, ...]) -> list[ir.Stmt]:
    return [p.stmt for p in parts if isinstance(p.op, RingRelease)]
