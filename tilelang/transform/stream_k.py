"""Persistent blocks that share the tiles which do not fill a last wave: each takes an equal part of their steps.

2048 tiles on 132 multiprocessors are 15.5 waves, and take the time of 16; 40 tiles take that of 132. Of a product that adds up
over a loop any part of the loop gives sums. So the last tiles are cut into equal parts, which are written one after the other and
dealt out in runs of as many parts for each block:

    tile   0       1       2       3
    part   0 1 2   0 1 2   0 1 2   0 1 2
    run    0 0 1   1 2 2   3 3 4   4 5 5

Who has the first part of a tile finishes it: it adds the sums that the runs behind it have left in global memory
(`tileop/partial_sums.py`) to its own, and goes on to the epilogue. Runs are dealt out from the last block to the first, so that
a block waits only for blocks before it, which have started: no schedule of the hardware can make all of them wait. Sums are added
in the order of the runs, whatever comes first, so that results do not differ from launch to launch; from those of one block they
differ by rounding.

Parts are few, so that blocks of neighbouring tiles go through the same steps at a time, and read what they share from L2 while it
is there. Runs of exactly equal length start at as many different steps as there are runs, and several parts in a row are read as
often, if L2 does not hold them: 512 x 11008 x 4096 took 150 and 143 us like that on an H100, 91 without, and 84 with the last 40
tiles in two parts.

Source: M. Osama et al., "Stream-K" (PPoPP 2023), there "data-parallel plus stream-K".
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op, dtype_bits
from ..tileop.fill import Fill
from ..tileop.gemm import FRAGMENT, Gemm
from ..tileop.partial_sums import GiveSums, PartialSums, TakeSums
from .effects import accesses_within, is_unit
from .kernel_program import KernelProgram
from .occupancy import tile_bytes
from .pipelining.exposure import exposure
from .pipelining.specialize import NotSpecialized
from .rasterize_blocks import Scalars
from .region import covers, ranges_of
from .step_clocks import step_clocks
from .temporaries import lives_within
from .tile_order import bytes_along
from .tile_walk import EvenWalk
from .units import units_of

# False switches it off; True asks for it wherever it changes no result, also where the estimate says that it does not pay.
ENABLE = "tl.enable_stream_k"
WORD = 4  # bytes
WARP = 32
# What the estimate counts, in clocks of a multiprocessor: the launcher's clearing of the flags, a block's first loads and the end
# of its pipeline, the way of a flag through L2; of the time without, how much must be left. A block leaves or takes MOVED bytes
# a clock (128 KB in 2.5 to 3.4 us on an H100), and all of them read MEMORY bytes, unless KEPT of them are in L2.
CLEARING, FILLING, SIGNAL, WORTH = 5000, 2000, 1500, 0.99
MOVED, MEMORY, KEPT = 24, 1500, 25 << 20
# Bytes that TMA brings a multiprocessor a clock: from L2, and where all that a block reads comes from memory (16 x 4096 x 11008).
FROM_L2, FROM_MEMORY = 51, 36
MOST_PARTS = 8  # where a block has several


@dataclass(frozen=True)
class StreamWalk(EvenWalk):
    """Tiles of `steps` steps: `waves` of whole ones for each block; of the rest, each in `parts`, runs of `length` parts.

    A block's turns are its whole tiles, and then the pieces of its run, one for each tile that it touches. The last part of a
    tile may be shorter than others.
    """

    steps: int = 1
    waves: int = 0
    parts: int = 1
    length: int = 1

    @property
    def rest(self) -> int:
        """Tiles that are shared."""
        return prod(self.grid) - self.waves * self.workers

    @property
    def part(self) -> int:
        """The steps of a part."""
        return -(-self.steps // self.parts)

    @property
    def share(self) -> int:
        """The steps of a run."""
        return self.length * self.part

    @property
    def pitch(self) -> int:
        """From the first step of a tile to that of the next one, where steps are counted through all tiles."""
        return self.parts * self.part

    @property
    def runs(self) -> int:
        return -(-self.rest * self.parts // self.length)

    @property
    def blocks(self) -> int:
        return self.workers if self.waves else self.runs

    @property
    def takes(self) -> int:
        """How many runs one may have to wait for, at most."""
        return -(-(self.parts - 1) // self.length)

    @property
    def text(self) -> str:
        whole = f", {self.waves} whole ones each" if self.waves else ""
        return f"{super().text}{whole}; {self.rest} tiles in {self.parts} parts each, {self.length} of them to a block"

    def count(self, worker: ir.Var) -> Any:
        rank = ir.const(self.runs - 1) - worker
        start, last = rank * self.share, ir.Min((rank + 1) * self.share, ir.const(self.rest * self.pitch)) - 1
        pieces = ir.FloorDiv(last, ir.const(self.pitch)) - ir.FloorDiv(start, ir.const(self.pitch)) + 1
        if self.parts % self.length == 0:
            pieces = ir.const(1)
        if self.runs < self.blocks:
            pieces = ir.Select(ir.as_expr(worker < self.runs), pieces, ir.const(0))
        return ir.simplify(self.waves + pieces)

    def turn(self, worker: ir.Var, wave: ir.Var, scalars: Scalars) -> Turn:
        """What a block does in its turn number `wave`."""
        pitch, end, most = self.pitch, self.rest * self.pitch, self.share // self.pitch + 2
        idle = self.blocks - self.runs  # blocks without a run
        rank = scalars.bind("run", self.runs - 1 - worker, -idle, self.blocks)
        start = scalars.bind("run_start", rank * self.share, -idle * self.share, end + idle * self.share)
        first_tile, before = start // pitch, idle * self.share // pitch + 1 + self.waves
        tile = scalars.bind("shared_tile", first_tile + (wave - self.waves), -before, before + self.rest + most)
        first: Any = ir.Max(start - tile * pitch, ir.const(0))
        last: Any = ir.Min(ir.Min(start + self.share, ir.const(end)) - tile * pitch, ir.const(self.steps))
        number: Any = self.waves * self.workers + tile
        if self.waves:
            whole = ir.as_expr(wave < self.waves)
            first, last = ir.Select(whole, ir.const(0), first), ir.Select(whole, ir.const(self.steps), last)
            number = ir.Select(whole, wave * self.workers + worker, number)
        first = scalars.bind("first_step", first, 0, self.steps)
        count = scalars.bind("steps", last - first, 1, self.steps)
        others = ir.FloorDiv(tile * pitch + (pitch - 1), ir.const(self.share)) - rank
        return Turn(self.indices(number, scalars), first, count, rank, others)


@dataclass(frozen=True)
class Turn:
    """One tile, or a part of it: `count` steps from step `first` on, of run `rank`; `others` runs behind it have the rest."""

    indices: list[Any]
    first: ir.Var
    count: ir.Var
    rank: ir.Var
    others: Any


def stream_walk(program: KernelProgram, loop: ir.For, walk: EvenWalk) -> StreamWalk | None:
    """How the tiles of a walk are shared; None where that does not pay, or where a loop's parts are not simply added up."""
    asked, steps = program.config(ENABLE), ir.const_int(ir.simplify(loop.extent))
    sums = None if asked is False or steps is None else sums_of(program, loop)
    if sums is None or steps is None:
        return None
    load = Load(steps, max(1, step_clocks(loop.body)), tile_bytes(sums), *bytes_along(program, loop))
    found = [(load.shared_clocks(w), w) for w in _candidates(walk, steps)]
    if not found:
        return None
    clocks, best = min(found, key=lambda choice: choice[0])
    return best if asked is True or clocks < WORTH * load.clocks(walk) else None


@dataclass(frozen=True)
class Load:
    """What a tile costs: `steps` of `step` clocks, which read bytes that all tiles of its row and of its column share."""

    steps: int
    step: float
    sums_bytes: int
    row_bytes: float
    column_bytes: float

    def least(self, walk: EvenWalk) -> float:
        """Clocks of a launch whose tiles are shared as far as that pays."""
        plain = self.clocks(walk)
        shared = map(self.shared_clocks, _candidates(walk, self.steps))
        return min((c for c in shared if c < WORTH * plain), default=plain)

    def clocks(self, walk: EvenWalk) -> float:
        """Clocks of a launch of whole tiles."""
        waves = -(-prod(walk.grid) // walk.workers)
        return max(waves * self.steps * self._step(walk), self._all_bytes(walk) / MEMORY)

    def shared_clocks(self, walk: StreamWalk) -> float:
        """Clocks of the block that has most to do."""
        high = walk.panel or -(-walk.rest // walk.grid[0])
        read = self.steps * (high * self.row_bytes + walk.rest / high * self.column_bytes)
        again = walk.length if read > KEPT else 1
        moved = (1 + walk.takes) * self.sums_bytes / MOVED + walk.takes * SIGNAL
        step = self._step(walk)
        busy = walk.waves * self.steps * step + max(walk.share * step, again * read / MEMORY)
        return max(busy, self._all_bytes(walk) / MEMORY) + moved + CLEARING + FILLING

    def _step(self, walk: EvenWalk) -> float:
        """Clocks of a step: until its tiles are there, or its products done."""
        alone = min(walk.grid[:2]) == 1 and prod(walk.grid) <= walk.workers  # no other block reads most of what it does
        return max(self.step, (self.row_bytes + self.column_bytes) / (FROM_MEMORY if alone else FROM_L2))

    def _all_bytes(self, walk: EvenWalk) -> float:
        """Of one layer, for nobody knows what layers share: rows that belong to an expert read what others of it read."""
        columns, rows, _ = walk.grid
        return self.steps * (rows * self.row_bytes + columns * self.column_bytes)


def _candidates(walk: EvenWalk, steps: int) -> list[StreamWalk]:
    """The last tiles, or those of the wave before too, in several numbers of parts, and as short runs as there are blocks for."""
    found = []
    for waves in {prod(walk.grid) // walk.workers, max(0, prod(walk.grid) // walk.workers - 1)}:
        rest = prod(walk.grid) - waves * walk.workers
        for parts in range(2, max(MOST_PARTS, walk.workers // rest) + 1 if rest else 0):
            length = -(-rest * parts // walk.workers)
            w = StreamWalk(walk.grid, walk.workers, walk.panel, steps, waves, parts, length)
            if length % parts and w.part > 1 and (parts - 1) * w.part < steps:
                found.append(w)
    return found


# ---------------------------------------------------------------------- what may be shared


def sums_of(program: KernelProgram, loop: ir.For) -> ir.Var | None:
    """The accumulator of the loop's product, if all that the launch does before and in the loop is to add up in it; else None.

    A launch that may start before what was put on its stream before it might find flags that are not cleared yet.
    """
    if program.overlaps or ir.const_int(loop.min) != 0 or loop.step is not None and ir.const_int(loop.step) != 1:
        return None
    gemms = [op for s in ir.collect(loop.body, ir.Evaluate) if isinstance(op := as_tile_op(s), Gemm)]
    found = {op.C.source for op in gemms}
    if len(found) != 1:
        return None
    (sums,) = found
    dtype = ir.buffer_dtype(sums)
    if ir.scope_of(sums) != FRAGMENT or dtype_bits(dtype) != 8 * WORD or any(ir.const_int(op.clear_accum) != 0 for op in gemms):
        return None
    parts = ir.statements(program.body)
    place = next(i for i, s in enumerate(parts) if s.same_as(loop))
    prints = any((ir.call_name(c) or "").startswith("tl.print") for s in parts[:place] for c in ir.collect(s, ir.Call))
    if prints or not _starts_as_zero(parts[:place], sums):
        return None
    for unit in (u for s in (*parts[:place], loop.body) for u in _units(s)):
        if isinstance(as_tile_op(unit), Gemm):
            continue
        for access in accesses_within(unit):
            if access.write and access.scope == "global" or access.atomic:
                return None
            if access.buffer.same_as(sums) and not any(unit.same_as(s) for s in parts[:place]):
                return None
    written = {a.buffer for u in _units(loop.body) for a in accesses_within(u) if a.write} - {sums}
    views = program.ctx.views
    if any(b in views or b in views.values() for b in (*written, sums)):
        return None
    within = all(lives_within(loop, b, program.body) and not exposure(loop.body, b)[0] for b in written)
    return sums if within else None


def _starts_as_zero(before: list[ir.Stmt], sums: ir.Var) -> bool:
    """True if the statement that writes the sums last, before the loop, fills them with zero."""
    for stmt in reversed(before):
        if any(a.buffer.same_as(sums) for u in _units(stmt) for a in accesses_within(u)):
            op = as_tile_op(stmt)
            if not isinstance(op, Fill) or not covers(sums, ranges_of(op.dst)):
                return False
            return isinstance(op.value, (ir.IntImm, ir.FloatImm)) and op.value.value == 0
    return False


def _units(stmt: ir.Stmt) -> list[ir.Stmt]:
    if is_unit(stmt):
        return [stmt]
    if isinstance(stmt, ir.SeqStmt):
        return [u for s in stmt.seq for u in _units(s)]
    if isinstance(stmt, ir.IfThenElse):
        return [*_units(stmt.then_case), *(_units(stmt.else_case) if stmt.else_case is not None else [])]
    return _units(stmt.body)


# ---------------------------------------------------------------------- the launch


def shared_work(
    program: KernelProgram, loop: ir.For, work: list[ir.Stmt], walk: StreamWalk, turn: Turn
) -> tuple[list[ir.Stmt], KernelProgram]:
    """The statements of a block's turn, from those of a tile; and the launch with the workspaces for it."""
    sums = sums_of(program, loop)
    assert sums is not None, "the walk was chosen for it"
    ctx, span = program.ctx, loop.span
    taken = {str(p.name) for p in program.params}
    warps, elements = ctx.num_threads // WARP, tile_bytes(sums) // WORD
    slots = ir.buffer((walk.runs, elements), ir.buffer_dtype(sums), _fresh("partial_sums", taken))
    flags = ir.buffer((walk.runs, warps), "uint32", _fresh("partial_flags", taken))
    whole = ir.full_region(sums), ir.full_region(slots), ir.full_region(flags)
    give = GiveSums(*whole, turn.rank, span)
    number = ir.var("other")
    take = TakeSums(*whole, turn.rank + 1 + number, span)
    place = next(i for i, s in enumerate(work) if s.same_as(loop))
    taking = ir.For(number, ir.const(0), turn.others, ir.ForKind.SERIAL, ir.evaluate(take.to_call(), span), span=span)
    partly = ir.IfThenElse(ir.as_expr(turn.count < walk.steps), taking, None, span)
    ctx.ranges[number] = (0, walk.takes)
    after = ir.IfThenElse(
        ir.as_expr(turn.first > 0), ir.evaluate(give.to_call(), span), ir.seq([partly, *work[place + 1 :]]), span
    )
    step = ir.var(str(loop.loop_var.name), ir.dtype_of(loop.loop_var))
    ctx.ranges[step] = (0, walk.steps)
    body = ir.seq([ir.Bind(step, turn.first + loop.loop_var, span), ir.substitute(loop.body, {loop.loop_var: step})])
    part = ir.For(
        loop.loop_var, loop.min, turn.count, loop.kind, body, loop.thread_binding, loop.annotations, loop.step, loop.span
    )
    known = ir.evaluate(ir.call("tl.known", [ir.as_expr(turn.count > 0)], span=span), span)  # else ptxas clears sums in between
    new = replace(program, workspaces=(*program.workspaces, slots, flags), zeroed=program.zeroed | {str(flags.name)})
    return [*work[:place], known, part, after], replace(new, params=(*program.params, slots, flags))


def check_slots(program: KernelProgram) -> KernelProgram:
    """Now that layouts are known: the slots of shared tiles hold the sums as threads have them.

    Raises
    ------
    NotSpecialized
        They do not; the launch has to start over with a block for each tile.
    """
    for unit in units_of(program.body):
        if isinstance(unit.op, PartialSums) and not unit.op.fits(program.ctx):
            raise NotShared("the sums of a tile are padded", unit.stmt.span)
    return program


class NotShared(NotSpecialized):
    """Tiles that were to be shared cannot be."""


def _fresh(name: str, taken: set[str]) -> str:
    return next(n for n in (name, *(f"{name}_{k}" for k in range(len(taken) + 1))) if n not in taken)
