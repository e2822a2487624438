"""Turn `T.Pipelined` loops into rings: a producer warp fills slots of shared memory by TMA, the block's own threads consume them.

With V slots of each staged buffer, and for each group of copies that are waited for together one `full` and one `empty`
mbarrier a slot, iteration k (counted over all times that the loop runs) uses slot k % V in phase k / V % 2:

    producer                                        consumers
    wait empty[k % V], the phase before             wait full[k % V], phase k / V % 2
    full[k % V] expects the bytes                   ... As[k % V] ...
    TMA copies -> As[k % V]                         every warp arrives on empty[k % V]

The producer's program is a slice of the launch: the control flow around the copies, and what that reads. It runs ahead of
everything that the consumers do, so a launch is left to the block's own threads (`lower_pipelines`) wherever a copy, its
indices or the control flow around it may depend on what the launch itself writes, or on other blocks' progress.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ... import ir
from ...layout import SharedLayout
from ...target.tma import SHARED_ALIGNMENT
from ...tileop.base import LoweringContext, TileOp, as_tile_op, attribute, dtype_bits
from ...tileop.copy import Copy
from ...tileop.tma.box import BoxCopy
from ..effects import is_unit, unit_accesses
from ..nest_load import NestLoad
from ..occupancy import VERSIONS, blocks_before_layouts, blocks_by_shared, computed_operands, tile_bytes
from ..ring import BARRIER_SCOPE, Ring
from .body_units import LoopBody, may_order_blocks
from .exposure import Continuation, is_live_after
from .held_tiles import HeldRing, HeldTile, held_tiles
from .loops import AddVersion, Remove, drop_unused, iteration_range, loop_with, versioned, versioned_layout
from .plan_pipelines import (
    MAX_GROUPS,
    PIPELINE_KEYS,
    TOGETHER,
    CopyGroup,
    PipelinePlan,
    global_load,
    plan_pipeline,
    stage_count,
)
from .replayed import Rename, drop_unread, replayed_arrays

# The pass configuration that keeps num_stages as it is written.
EXACT_STAGES = "tl.exact_num_stages"
MAX_SLOTS = 8
# Of small tiles these are doubled up to so often, until a multiprocessor has so many bytes under way: on an H100 a launch that
# only reads 33 MB takes 15.2 us with 16 KB and 13.8 us with 32.
DOUBLINGS, UNDER_WAY = 2, 32 * 1024
# Slots of a tile that stays while a loop runs, and of the loop's own tiles before those. On an H100 the second slot makes
# attention of 512 queries 9 to 20 % faster, and of 4096 up to 3 %; where it would take the loop's third, it costs up to 10 %
# (head size 192; benchmark/results).
HELD_SLOTS, LOOP_SLOTS = 2, 3
RESERVE = 2048  # bytes of shared memory for barriers and for what later passes allocate
# The pass configuration by which a launch starts over that allocated more than those: how much more.
MORE_RESERVE = "tl.internal_shared_reserve"
_VERBS = {
    ir.For: "the trip count of a loop around pipelined copies",
    ir.IfThenElse: "a condition around pipelined copies",
    ir.Bind: "a scalar that pipelined copies need",
    ir.Evaluate: "what a pipelined copy loads",
    ir.BufferStore: "a scalar that pipelined copies need",
    ir.While: "a condition around pipelined copies",
}


class NotSpecialized(Exception):
    """Why the launch keeps to the threads of its block; `span` is the statement that stands in the way.

    `excess`: the bytes of shared memory that were too many, where that is why.
    """

    def __init__(self, reason: str, span: Any = None, excess: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.span, self.excess = reason, span, excess


@dataclass
class SpecializedLaunch:
    """A launch in two roles: `consumer` replaces the body, `producer` is run by one more thread."""

    consumer: ir.Stmt
    producer: ir.Stmt
    rings: list[Ring] = field(default_factory=list)
    buffers: set[ir.Var] = field(default_factory=set)  # the tiles that the producer fills
    spare_bytes: int = 0  # of slots beyond the stages that the author asked for


def specialize(body: ir.Stmt, ctx: LoweringContext, grid_blocks: int | None = None) -> SpecializedLaunch:
    """Split a launch into producer and consumers; `grid_blocks` is how many blocks it has, if that is known.

    Raises
    ------
    NotSpecialized
        No loop asks for it, or the producer could not run ahead.
    """
    return _Specialize(body, ctx, grid_blocks).run()


def until_last_load(body: ir.Stmt) -> list[ir.Stmt]:
    """The statements of a launch up to its last pipelined loop.

    Behind that a producer has ended: it does not run ahead of what the block waits for there, and is not missed where all threads
    of a cluster meet (PTX ISA, "barrier.cluster": all that have not exited).
    """
    parts = ir.statements(body)
    loops = [(i, n.annotations) for i, s in enumerate(parts) for n in ir.collect(s, ir.For)]
    pipelined = [i for i, notes in loops if "tl.num_stages" in notes or "tl.stage" in notes]
    return parts[: pipelined[-1] + 1] if pipelined else parts


@dataclass
class _Roles:
    consumer: ir.Stmt
    producer: ir.Stmt | None = None


class _Specialize:
    def __init__(self, body: ir.Stmt, ctx: LoweringContext, grid_blocks: int | None) -> None:
        self.body, self.ctx, self.grid_blocks = body, ctx, grid_blocks
        self.layouts = {c.args[0].source: c for c in ir.collect(body, ir.Call) if ir.is_call(c, "tl.annotate_layout")}
        self.spans = {n.buffer: n.span for n in ir.collect(body, ir.AllocBuffer) if n.span is not None}
        written = {ctx.root(b) for b in _written_buffers(body)}
        self.written = written | {made for made, root in ctx.views.items() if root in written}
        self.replayed = replayed_arrays(body, self.unknown)
        self.replaced: set[ir.Var] = set()
        self.head: list[ir.Stmt] = []  # allocations and layouts of the slots
        self.counters: list[ir.Stmt] = []  # of the producer, set to zero
        self.held_bytes = 0  # of further slots of tiles that are held while the loops at hand run
        self.out = SpecializedLaunch(body, body)

    def run(self) -> SpecializedLaunch:
        waits = [s for s in ir.statements(self.body) if _waits_for_launches(s)]  # both roles come by
        for unit in (u for s in until_last_load(self.body) for u in _leaves(s)):
            for call in ir.collect(unit, ir.Call) if as_tile_op(unit) is None else ():
                if may_order_blocks(call) and not any(unit.same_as(s) for s in waits):
                    name = ir.call_name(call) or call.op
                    raise NotSpecialized(f"the kernel calls {name}, which may wait for other blocks", unit.span)
        roles = self.lower(self.body, (), False)
        if roles.producer is None or not _fills(roles.producer):
            raise NotSpecialized("no pipelined loop copies tiles that TMA can bring")
        replayed = self.needed(roles.producer)
        own = {
            b: ir.buffer(ir.static_shape(b), ir.buffer_dtype(b), str(b.name), ir.scope_of(b)) for b in self.replayed_in(replayed)
        }
        producer = ir.seq([*map(ir.alloc, own.values()), *self.counters, Rename(own).body(replayed)])
        self.check_replayable(producer)
        self.out.consumer = drop_unused(ir.seq([*self.head, roles.consumer]), self.replaced)
        self.out.producer = producer
        return self.out

    # ------------------------------------------------------------------ control flow

    def lower(self, stmt: ir.Stmt, after: tuple[Continuation, ...], repeated: bool) -> _Roles:
        """Both roles of a statement; `repeated`: it may run more than once in a launch."""
        if isinstance(stmt, ir.SeqStmt):
            parts = list(stmt.seq)
            held = self.held(parts) if repeated else []
            more = sum(tile_bytes(h.tile) for h in held) * (HELD_SLOTS - 1)
            self.held_bytes += more
            roles = [self.lower(s, (*after, Continuation(tuple(parts[i + 1 :]))), repeated) for i, s in enumerate(parts)]
            self.held_bytes -= more
            if repeated and any(r.producer is not None and _fills(r.producer) for r in roles):
                self.hold(held, parts, roles)
            producers = [r.producer for r in roles]
            kept = ir.seq(producers) if any(p is not None for p in producers) else None
            return _Roles(ir.seq([r.consumer for r in roles]), kept)
        if isinstance(stmt, (ir.Bind, ir.Break, ir.Continue, ir.Return)) or _waits_for_launches(stmt):
            return _Roles(stmt, stmt)
        if isinstance(stmt, ir.BufferStore) and stmt.buffer in self.replayed:
            return _Roles(stmt, stmt)
        if isinstance(stmt, ir.IfThenElse):
            then = self.lower(stmt.then_case, after, repeated)
            other = None if stmt.else_case is None else self.lower(stmt.else_case, after, repeated)
            consumer = ir.IfThenElse(stmt.condition, then.consumer, None if other is None else other.consumer, stmt.span)
            sides = [None if r is None or r.producer is None or not self.acts(r.producer) else r.producer for r in (then, other)]
            if sides == [None, None]:
                return _Roles(consumer)
            return _Roles(consumer, ir.IfThenElse(stmt.condition, sides[0] or ir.noop(), sides[1], stmt.span))
        if isinstance(stmt, ir.AttrStmt):
            inner = self.lower(stmt.body, after, repeated)
            return _Roles(ir.AttrStmt(stmt.node, stmt.attr_key, stmt.value, inner.consumer, stmt.span), inner.producer)
        if isinstance(stmt, ir.While):
            again = (ir.evaluate(stmt.condition), stmt.body)
            inner = self.lower(stmt.body, (*after, Continuation(again=again)), True)
            consumer = ir.While(stmt.condition, inner.consumer, stmt.span)
            if inner.producer is None or not self.acts(inner.producer):
                return _Roles(consumer)
            return _Roles(consumer, ir.While(stmt.condition, inner.producer, stmt.span))
        if isinstance(stmt, ir.For) and stmt.kind in (ir.ForKind.SERIAL, ir.ForKind.UNROLLED):
            outer, self.ctx.ranges = self.ctx.ranges, {**self.ctx.ranges, **iteration_range(stmt)}
            try:
                return self.loop(stmt, after, repeated)
            finally:
                self.ctx.ranges = outer
        return _Roles(stmt)

    def held(self, parts: list[ir.Stmt]) -> list[HeldTile]:
        """The tiles of a sequence that stay while its pipelined loops run, and that the producer can bring."""

        def can_load(op: Copy) -> bool:
            ctx = replace(self.ctx, shared=dict(self.ctx.shared))  # asking must not settle a layout
            known = op.src.source not in self.written and self.unknown(op.to_call(), set()) is None
            return known and op.dst.source not in self.ctx.views.values() and self.tma_obstacle(op, ctx) is None

        return held_tiles(parts, self.body, can_load)

    def hold(self, tiles: list[HeldTile], parts: list[ir.Stmt], roles: list[_Roles]) -> None:
        """Leave tiles that stay while the pipelined loops of a sequence run to the producer."""
        for held in tiles:
            span, slots = held.copy.span, self.held_slots(held.tile, parts)
            tile = held.tile if slots == 1 else self.versions(held.tile, slots, span)
            ring = HeldRing(held, slots, tile, f"_{len(self.out.rings)}" if self.out.rings else "")
            self.out.rings.append(ring.ring)
            self.out.buffers.add(tile)
            self.head += [ir.alloc(ring.ring.full, span), ir.alloc(ring.ring.empty, span), *ring.reset("consumer")]
            self.counters += ring.reset("producer")
            roles[held.first] = _Roles(ir.seq(ring.wait()), ir.seq(ring.fill()))
            for i in range(held.first + 1, held.last + 1):
                roles[i] = replace(roles[i], consumer=ring.read(roles[i].consumer))
            last = roles[held.last]
            roles[held.last] = _Roles(ir.seq([last.consumer, *ring.release()]), last.producer)

    def held_slots(self, tile: ir.Var, parts: list[ir.Stmt]) -> int:
        """Slots of a tile held while the loops of `parts` run: several if that costs no block of a multiprocessor."""
        inside, all_loops = (sum(map(_is_pipelined, ir.collect(b, ir.For))) for b in (ir.seq(parts), self.body))
        if self.ctx.pass_configs.get(EXACT_STAGES) or inside < all_loops:  # of other loops the slots are not known yet
            return 1
        own = {b for b in ir.declared_buffers(self.body) if ir.scope_of(b).startswith("shared")} - self.replaced
        computed = computed_operands(self.body, {tile, *self.out.buffers})
        used = sum(tile_bytes(b) * (VERSIONS if b in computed else 1) for b in own | self.out.buffers) + RESERVE
        limits, size = self.ctx.target.limits, tile_bytes(tile) * (HELD_SLOTS - 1)
        if blocks_by_shared(used + size, limits) < max(1, min(blocks_by_shared(used, limits), self.blocks_wanted())):
            return 1
        self.out.spare_bytes += size
        return HELD_SLOTS

    def versions(self, buf: ir.Var, slots: int, span: Any) -> ir.Var:
        """The buffer that takes the place of a tile: so many slots of it."""
        fixed = buf in self.layouts or buf in self.ctx.shared  # by the author: nothing can be added to their rows
        new = versioned(buf, slots, 1 if fixed else SHARED_ALIGNMENT)
        self.replaced.add(buf)
        self.head.append(ir.alloc(new, self.spans.get(buf, span)))
        self.out.buffers.add(new)
        if buf in self.ctx.shared:
            self.ctx.shared[new] = self.ctx.shared[buf].versions(slots)
        if buf in self.layouts:
            self.head.append(versioned_layout(self.layouts[buf], new, slots))
        return new

    def loop(self, loop: ir.For, after: tuple[Continuation, ...], repeated: bool) -> _Roles:
        inner = self.lower(loop.body, (*after, Continuation(again=(loop.body,))), True)
        notes = {k: v for k, v in loop.annotations.items() if k not in PIPELINE_KEYS}
        plain = loop_with(loop, inner.consumer, notes)
        stages = stage_count(loop, self.ctx)
        nested = inner.producer is not None and _fills(inner.producer)
        if stages >= 1 and nested:
            self.ctx.remark(loop.span, "num_stages has no effect here: a producer warp runs the pipelined loop inside")
        elif stages >= 1:
            groups = 1 if TOGETHER in loop.annotations else MAX_GROUPS
            plan = plan_pipeline(plain, stages, lambda buf: is_live_after(buf, loop, after), self.ctx, self.tma_obstacle, groups)
            if plan is not None:
                self.check_rest(plain, plan)
                return self.ring_loop(plain, plan, repeated)
        if inner.producer is None or not (nested or self.acts(inner.producer)):
            return _Roles(plain)
        return _Roles(plain, loop_with(loop, inner.producer, {}))

    def acts(self, stmt: ir.Stmt) -> bool:
        """True if a slice does more than compute scalars that nobody but it needs."""
        return _acts(stmt) or bool(self.replayed_in(stmt))

    def needed(self, producer: ir.Stmt) -> ir.Stmt:
        """The producer's slice without scalars that only the consumers use."""
        while True:
            less = drop_unread(drop_unused_binds(producer), self.replayed)
            if less.same_as(producer):
                return producer
            producer = less

    def replayed_in(self, stmt: ir.Stmt) -> list[ir.Var]:
        """The private arrays that a slice stores to, in order."""
        return list(dict.fromkeys(s.buffer for s in ir.collect(stmt, ir.BufferStore) if s.buffer in self.replayed))

    # ------------------------------------------------------------------ what the producer may do

    def tma_obstacle(self, op: TileOp | NestLoad, ctx: LoweringContext) -> str | None:
        """Why TMA cannot do a copy; None if it can."""
        if not isinstance(op, Copy):
            return "it is no plain copy"
        if op.options.get("disable_tma") or op.options.get("prefer_instruction") in ("cp_async", "sync"):
            return "its options ask for another engine"
        tile = op.dst.source
        boxes = BoxCopy.of(op.src, op.dst, self.expected_layout(tile), ctx)
        return boxes if isinstance(boxes, str) else None

    def expected_layout(self, tile: ir.Var) -> Any:
        """The layout that a tile is likely to get: shared layouts are inferred later, and TMA's boxes are checked again then."""
        if tile in self.layouts:
            return self.layouts[tile].attrs["layout"]
        return self.ctx.shared.get(tile) or SharedLayout.for_matrix(ir.static_shape(tile), dtype_bits(ir.buffer_dtype(tile)))

    def check_replayable(self, producer: ir.Stmt) -> None:
        """The producer evaluates everything in its slice for itself, at a time of its own."""
        own = {s.buffer for s in ir.statements(producer) if isinstance(s, ir.AllocBuffer)}
        exprs = {ir.For: ("min", "extent"), **dict.fromkeys((ir.IfThenElse, ir.While), ("condition",)),
                 **dict.fromkeys((ir.Bind, ir.Evaluate, ir.BufferStore), ("value",))}  # fmt: skip
        for stmt in ir.collect(producer, tuple(exprs)):
            for expr in (getattr(stmt, name) for name in exprs[type(stmt)]):
                unknown = self.unknown(expr, own)
                if unknown is not None:
                    raise NotSpecialized(f"{_VERBS[type(stmt)]} depends on {unknown}", stmt.span)

    def unknown(self, expr: Any, own: set[ir.Var]) -> str | None:
        """What an expression depends on that the producer, with scalars of its `own`, cannot know; None if there is nothing."""
        for load in ir.collect(expr, ir.BufferLoad):
            if load.source in own:
                continue
            if load.source in self.written or ir.scope_of(load.source) not in ("global", BARRIER_SCOPE):
                return f"{load.source.name}, which the kernel computes"
        return "the thread" if ir.uses_var(expr, {self.ctx.tid}) else None

    def check_rest(self, loop: ir.For, plan: PipelinePlan) -> None:
        """A loop is worth a producer only if it takes over every copy that could be asynchronous at all."""
        staged = [c.stmt for g in plan.groups for c in g.copies]
        for unit in LoopBody(loop).units:
            op = global_load(unit.stmt)
            if op is None or unit.nested or any(unit.stmt.same_as(s) for s in staged):
                continue
            reason = self.tma_obstacle(op, self.ctx)
            if reason is not None and op.can_be_async(self.ctx):
                raise NotSpecialized(f"a copy of the loop has to go another way: {reason}", unit.stmt.span)
        for copy in (c for g in plan.groups for c in g.copies):
            source = copy.call.args[0].source
            if source in self.written:
                raise NotSpecialized(f"the kernel writes {source.name}, which the loop loads", copy.stmt.span)

    # ------------------------------------------------------------------ one loop

    def slots(self, loop: ir.For, plan: PipelinePlan, repeated: bool) -> int:
        """How many slots the ring gets: the stages asked for, and more where shared memory would stay empty.

        The more tiles are under way, the better the latency of memory is hidden; a block's share of shared memory is what it has
        with the stages asked for, so that as many blocks fit a multiprocessor as before.
        """
        asked = [self.ctx.pipeline_depths[buf] for buf in plan.buffers if buf in self.ctx.pipeline_depths]
        if asked:
            return max(asked)
        if self.ctx.pass_configs.get(EXACT_STAGES):
            return plan.versions
        inside = {b for u in LoopBody(loop).units for a in u.accesses for b in (self.ctx.root(a.buffer),)}
        shared = [b for b in ir.declared_buffers(self.body) if ir.scope_of(b) in ("shared", "shared.dyn")]
        computed = computed_operands(loop.body, plan.buffers)
        size = {b: tile_bytes(b) * (VERSIONS if b in computed else 1) for b in shared}
        ring = sum(size[b] for b in plan.buffers)
        early = self.used_before(loop)
        beside = sum(size[b] for b in shared if b not in plan.buffers and (repeated or b in inside or b in early))
        later = sum(size[b] for b in shared) - ring - beside
        beside += sum(map(tile_bytes, self.out.buffers))  # the slots of other loops: the producer may be there already

        def blocks(count: int) -> int:
            held = self.held_bytes if count > LOOP_SLOTS else 0
            reserve = RESERVE + int(self.ctx.pass_configs.get(MORE_RESERVE, 0))
            total = beside + held + max(count * ring, later if not repeated else 0) + reserve
            return blocks_by_shared(total, self.ctx.target.limits)

        wanted = min(blocks(plan.versions), self.blocks_wanted())
        extent = ir.const_int(ir.simplify(loop.extent))
        count = plan.versions
        while count < MAX_SLOTS and (extent is None or count < extent) and blocks(count + 1) >= max(1, wanted):
            count += 1
        if count == MAX_SLOTS:
            for _ in range(DOUBLINGS):  # slots that are powers of two cost no division
                enough = count * ring * max(1, wanted) >= UNDER_WAY or extent is not None and 2 * count > extent
                count *= 1 if enough or blocks(2 * count) < max(1, wanted) else 2
        if count > plan.versions:
            text = f"{count} slots instead of {plan.versions} stages: shared memory has room for more tiles under way"
            self.ctx.remark(loop.span, text, rule="pipeline", stages=plan.versions, slots=count)
            self.out.spare_bytes += (count - plan.versions) * ring
        return count

    def used_before(self, loop: ir.For) -> set[ir.Var]:
        """The buffers that statements before a loop of the launch's top level touch; all of them for any other loop."""
        found: set[ir.Var] = set()
        for stmt in ir.statements(self.body):
            if isinstance(stmt, ir.For) and stmt.loop_var.same_as(loop.loop_var):
                return found
            found |= {self.ctx.root(a.buffer) for unit in _leaves(stmt) for a in unit_accesses(unit)}
        return set(ir.declared_buffers(self.body))

    def blocks_wanted(self) -> int:
        """How many blocks a multiprocessor's registers and the launch's blocks allow."""
        by_registers = blocks_before_layouts(self.body, self.ctx.num_threads)
        if self.grid_blocks is not None:
            by_registers = min(by_registers, -(-self.grid_blocks // self.ctx.target.limits.multiprocessors))
        return max(1, by_registers)

    def ring_loop(self, loop: ir.For, plan: PipelinePlan, repeated: bool) -> _Roles:
        slots = self.slots(loop, plan, repeated)
        plan = replace(plan, versions=slots)
        replaced = {buf: self.versions(buf, slots, loop.span) for buf in plan.buffers}
        rings = []
        for index, _ in enumerate(plan.groups):
            suffix = f"_{len(self.out.rings)}" if self.out.rings else ""
            full, empty = (ir.buffer((slots,), "uint64", f"{name}{suffix}", BARRIER_SCOPE) for name in ("full", "empty"))
            self.head += [ir.alloc(full, loop.span), ir.alloc(empty, loop.span)]
            rings.append(Ring(full, empty, slots))
            self.out.rings.append(rings[index])
        consumer = _RingLoop(loop, plan, replaced, rings, repeated)
        producer = _RingLoop(loop, plan, replaced, rings, repeated)
        self.head += consumer.reset()
        self.counters += producer.reset()
        return _Roles(consumer.consume(), producer.produce())


class _RingLoop:
    """One role's form of a pipelined loop."""

    def __init__(
        self, loop: ir.For, plan: PipelinePlan, replaced: Mapping[ir.Var, ir.Var], rings: list[Ring], repeated: bool
    ) -> None:
        self.loop, self.plan, self.replaced, self.rings = loop, plan, replaced, rings
        self.dtype = ir.dtype_of(loop.loop_var)
        # A loop that runs again goes on where it stopped: the count modulo a lap of both phases.
        self.count = ir.buffer((1,), self.dtype, "lap", "local.var") if repeated else None
        self.first = ir.var("lap_start", self.dtype) if repeated else None

    def number(self, value: int) -> Any:
        return ir.const(value, self.dtype)

    def reset(self) -> list[ir.Stmt]:
        if self.count is None:
            return []
        return [ir.alloc(self.count, self.loop.span), ir.BufferStore(self.count, self.number(0), [ir.const(0)], self.loop.span)]

    def enter(self) -> list[ir.Stmt]:
        if self.count is None:
            return []
        lap = self.number(2 * self.plan.versions)
        return [ir.Bind(self.first, ir.FloorMod(ir.load(self.count, [0]), lap), self.loop.span)]

    def leave(self) -> list[ir.Stmt]:
        if self.count is None:
            return []
        total = self.first + self.iterations()
        return [ir.BufferStore(self.count, total, [ir.const(0)], self.loop.span)]

    def iterations(self) -> Any:
        """How often the loop's body runs."""
        return self.loop.extent

    def iteration(self, k: Any) -> Any:
        """The number of an iteration, counted over the whole launch (up to laps of both phases)."""
        number = ir.simplify(k - self.loop.min)
        if self.plan.step != 1:
            number = ir.FloorDiv(number, self.number(self.plan.step))
        return number if self.first is None else self.first + number

    def slot(self, k: Any) -> Any:
        return ir.simplify(ir.FloorMod(self.iteration(k), self.number(self.plan.versions)))

    def parity(self, k: Any) -> Any:
        """0 or 1: which of two phases iteration k waits for."""
        lap = ir.FloorDiv(self.iteration(k), self.number(self.plan.versions))
        return ir.simplify(ir.FloorMod(lap, self.number(2)))

    def element(self, barriers: ir.Var, k: Any) -> ir.BufferRegion:
        return ir.region(barriers, [(self.slot(k), ir.const(1, self.dtype))])

    def consume(self) -> ir.Stmt:
        """The loop with waits before each group's first reader and releases after its last."""
        loop, k = self.loop, self.loop.loop_var
        body = LoopBody(loop)
        starts = {g.position: ring for g, ring in zip(self.plan.groups, self.rings)}
        ends: dict[int, list[Ring]] = {}
        for group, ring in zip(self.plan.groups, self.rings):
            last = max(u.position for u in body.units for c in group.copies if u.reads(c.buffer))
            ends.setdefault(last, []).append(ring)
        remove = Remove([c.stmt for g in self.plan.groups for c in g.copies])
        out: list[ir.Stmt | None] = []
        for position, stmt in enumerate(ir.statements(loop.body)):
            if position in starts:
                ring = starts[position]
                out.append(ir.evaluate(ir.call("tl.ring_wait", [self.element(ring.full, k), self.parity(k)]), loop.span))
            rest = remove.visit(stmt)
            out.append(None if rest is None else AddVersion(self.replaced, self.slot(k)).visit(rest))
            for ring in ends.get(position, []):
                out.append(ir.evaluate(ir.call("tl.ring_release", [self.element(ring.empty, k)]), loop.span))
        return ir.seq([*self.enter(), loop_with(loop, ir.seq(out)), *self.leave()])

    def produce(self) -> ir.Stmt:
        """The loop that fills the slots."""
        loop = self.loop
        k = ir.var(str(loop.loop_var.name), self.dtype)
        body = [s for group, ring in zip(self.plan.groups, self.rings) for s in self.fill(group, ring, k)]
        kind = ir.ForKind.SERIAL
        steady = ir.For(k, loop.min, loop.extent, kind, ir.seq(body), step=loop.step, span=loop.span)
        return ir.seq([*self.enter(), steady, *self.leave()])

    def fill(self, group: CopyGroup, ring: Ring, k: Any) -> list[ir.Stmt]:
        at = {self.loop.loop_var: k}
        full, empty = (ir.load(b, [self.slot(k)]) for b in (ring.full, ring.empty))

        def call(name: str, *args: Any) -> ir.Stmt:
            return ir.evaluate(ir.call(name, list(args)), self.loop.span)

        out = [call("tl.mbarrier_wait", ir.address_of(empty), ir.simplify(self.number(1) - self.parity(k)))]
        always = 0
        copies: list[ir.Stmt] = []
        for copy in group.copies:
            size = tile_bytes(copy.buffer)
            guard = [ir.simplify(ir.substitute(g, at)) for g in copy.guards]
            target = AddVersion(self.replaced, self.slot(k)).visit(copy.call.args[1])
            source = ir.substitute(copy.call.args[0], at)
            policy = attribute(copy.call, "eviction_policy")
            attrs = None if policy is None else {"eviction_policy": str(policy)}
            load = ir.call("tl.tensor_load", [source, target, self.element(ring.full, k)], attrs=attrs, span=copy.stmt.span)
            stmt: ir.Stmt = ir.evaluate(load, copy.stmt.span)
            if guard:
                out.append(_under(guard, call("tl.mbarrier_expect_tx", ir.address_of(full), ir.const(size)), copy.stmt.span))
                stmt = _under(guard, stmt, copy.stmt.span)
            else:
                always += size
            copies.append(stmt)
        return [*out, call("tl.mbarrier_arrive_expect_tx", ir.address_of(full), ir.const(always)), *copies]


def _under(guards: list[Any], stmt: ir.Stmt, span: Any) -> ir.Stmt:
    for guard in reversed(guards):
        stmt = ir.IfThenElse(guard, stmt, None, span)
    return stmt


def _leaves(stmt: ir.Stmt) -> list[ir.Stmt]:
    """The units of a body, in order."""
    if is_unit(stmt):
        return [stmt]
    if isinstance(stmt, ir.SeqStmt):
        return [u for part in stmt.seq for u in _leaves(part)]
    if isinstance(stmt, ir.IfThenElse):
        condition = ir.evaluate(stmt.condition, stmt.span)
        return [condition, *_leaves(stmt.then_case), *([] if stmt.else_case is None else _leaves(stmt.else_case))]
    return _leaves(stmt.body)


def _written_buffers(body: ir.Stmt) -> set[ir.Var]:
    """Every buffer that a launch may write."""
    return {a.buffer for unit in _leaves(body) for a in unit_accesses(unit) if a.write}


def _fills(stmt: ir.Stmt) -> bool:
    """True if a slice fills a ring."""
    return any(ir.is_call(call, "tl.tensor_load") for call in ir.collect(stmt, ir.Call))


def _acts(stmt: ir.Stmt) -> bool:
    """True if a slice fills a ring or leaves a loop."""
    return _fills(stmt) or ir.contains(stmt, (ir.Break, ir.Continue, ir.Return))


def drop_unused_binds(stmt: ir.Stmt) -> ir.Stmt:
    """The statement without scalars that nothing uses."""

    class Prune(ir.Mutator):
        def visit_Bind(self, node: ir.Bind) -> Any:
            return node if node.var in used else None

    while True:
        used = set(ir.collect(stmt, ir.Var))
        shorter = Prune().body(stmt)
        if shorter.same_as(stmt):
            return stmt
        stmt = shorter


def _is_pipelined(loop: ir.For) -> bool:
    return any(key in loop.annotations for key in PIPELINE_KEYS)


def _waits_for_launches(stmt: ir.Stmt) -> bool:
    """True for T.pdl_sync."""
    return isinstance(stmt, ir.Evaluate) and ir.is_call(stmt.value, "tl.grid_dependency_wait")
