"""Several steps of a pipelined loop behind one barrier, where a multiprocessor has only one warpgroup to wait.

Before: for k in T.Pipelined(n):     copy A, Q; unpack Q to B_f; copy B_f to B_s; gemm A, B_s
After:  for k in T.Pipelined(n / 2): copy A, Q, A', Q'; unpack Q, Q'; copy B_f, B_f'; gemm A, B_s; gemm A', B_s'

Where a step computes operands of its gemms, the block's threads wait at each link of a chain: for the tile, its load, the barrier
if the operand goes through shared memory. With one block of one warpgroup on a multiprocessor nobody else works meanwhile; of two
steps the chains run side by side. Sums keep their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from .. import ir
from ..tileop.base import as_tile_op
from ..tileop.copy import Copy
from ..tileop.gemm import FRAGMENT
from .kernel_program import KernelProgram
from .occupancy import VERSIONS, blocks_of_grid, tile_bytes
from .pipelining.plan_pipelines import TOGETHER
from .pipelining.replayed import Rename
from .pipelining.specialize import RESERVE
from .register_file import WARPGROUP
from .ring_body import Part, at_iteration, part_of
from .temporaries import fills, lives_within
from .units import is_parallel

# How many; 1 leaves every loop as it is written. Without it: two, where the rule above holds.
JOINED_STEPS = "tl.joined_steps"


def join_steps(program: KernelProgram) -> KernelProgram:
    """The launch with joined steps in its pipelined loops, where that pays and can be."""
    asked = program.config(JOINED_STEPS)
    count = 2 if asked is None else int(asked)
    if count < 2 or asked is None and not _is_lonely(program):
        return program
    join = _Join(program, count)
    body = join.body(program.body)
    return replace(program, body=body) if join.joined else program


def _is_lonely(program: KernelProgram) -> bool:
    """True for blocks of one warpgroup, of which no two share a multiprocessor."""
    return blocks_of_grid(program) == 1 and program.ctx.num_threads == WARPGROUP


class _Join(ir.Mutator):
    def __init__(self, program: KernelProgram, count: int) -> None:
        super().__init__()
        self.program, self.count = program, count
        self.joined = False

    def visit_For(self, node: ir.For) -> Any:
        if "tl.num_stages" not in node.annotations:
            return self.descend(node)
        steps = _Steps.of(node, self.program)
        extent = ir.const_int(ir.simplify(node.extent))
        if steps is None or extent is None or extent % self.count or not steps.fit(self.count):
            return node
        self.joined = True
        text = f"{self.count} steps at a time: on its multiprocessor the block would wait alone"
        self.program.ctx.remark(node.span, text, rule="pipeline", steps=self.count)
        return steps.lower(self.count)


class _Steps:
    """The body of a pipelined loop whose gemms add up what it copies and computes in tiles of its own."""

    def __init__(self, program: KernelProgram, loop: ir.For, parts: Sequence[Part], tiles: set[ir.Var]) -> None:
        self.program, self.loop, self.parts, self.tiles = program, loop, parts, tiles

    @staticmethod
    def of(loop: ir.For, program: KernelProgram) -> _Steps | None:
        """None for any other loop."""
        if loop.step is not None and ir.const_int(loop.step) != 1 or set(loop.annotations) != {"tl.num_stages"}:
            return None
        parts = [part_of(s, program.ctx) for s in ir.statements(loop.body)]
        gemms, others = [p for p in parts if p.is_gemm], [p for p in parts if not p.is_gemm]
        if not gemms or not all(isinstance(as_tile_op(p.stmt), Copy) or is_parallel(p.stmt) for p in others):
            return None
        if any(g.written & p.buffers for g in gemms for p in others):
            return None
        tiles = {b for p in others for b in p.written}
        computed = {b for g in gemms for b in g.buffers & tiles if not _is_loaded(b, others)}
        if not computed or any(p.is_gemm for p in parts[: len(others)]):
            return None
        for buf in tiles:
            first = next(p for p in parts if buf in p.buffers)
            own = _is_shared(buf) or ir.scope_of(buf) == FRAGMENT
            viewed = buf in program.ctx.views or buf in program.ctx.views.values()
            if not own or viewed or not fills(first.stmt, buf) or not lives_within(loop, buf, program.body):
                return None
        return _Steps(program, loop, parts, tiles)

    def fit(self, count: int) -> bool:
        """True if shared memory has room for two slots of joined steps."""
        others = [p for p in self.parts if not p.is_gemm]
        shared = {b for b in ir.declared_buffers(self.program.body) if _is_shared(b)}
        loaded = {b for b in self.tiles & shared if _is_loaded(b, others)}
        step = 2 * sum(map(tile_bytes, loaded)) + VERSIONS * sum(map(tile_bytes, self.tiles & shared - loaded))
        rest = sum(map(tile_bytes, shared - self.tiles))
        return count * step + rest + RESERVE <= self.program.ctx.target.limits.shared_per_block

    def lower(self, count: int) -> ir.Stmt:
        """The loop over joined steps: the parts that are no gemms side by side, then the gemms of one step after the other."""
        loop, dtype = self.loop, ir.dtype_of(self.loop.loop_var)
        number = ir.var(str(loop.loop_var.name), dtype)
        allocations: list[ir.Stmt] = []
        steps: list[list[ir.Stmt]] = []
        for s in range(count):
            k = ir.simplify(loop.min + number * count + s)
            body = ir.seq(at_iteration([p.stmt for p in self.parts], loop, k))
            if s:
                own = {b: ir.buffer(ir.static_shape(b), ir.buffer_dtype(b), str(b.name), ir.scope_of(b)) for b in self.tiles}
                allocations += [ir.alloc(b, loop.span) for b in own.values()]
                body = Rename(own).body(body)
            steps.append(ir.statements(body))
        first = sum(not p.is_gemm for p in self.parts)
        joined = [step[i] for i in range(first) for step in steps] + [s for step in steps for s in step[first:]]
        stages = -(-int(loop.annotations["tl.num_stages"]) // count)
        new = ir.For(
            number, ir.const(0, dtype), ir.simplify(ir.FloorDiv(loop.extent, ir.const(count, dtype))), loop.kind, ir.seq(joined),
            annotations={"tl.num_stages": max(2, stages), TOGETHER: 1}, span=loop.span,
        )  # fmt: skip
        return ir.seq([*allocations, new])


def _is_shared(buf: ir.Var) -> bool:
    return ir.scope_of(buf).startswith("shared")


def _is_loaded(buf: ir.Var, parts: Sequence[Part]) -> bool:
    """True for a tile that is copied from a tensor."""
    ops = [op for p in parts if isinstance(op := as_tile_op(p.stmt), Copy)]
    return any(op.dst.source.same_as(buf) and ir.scope_of(op.src.source) == "global" for op in ops)
